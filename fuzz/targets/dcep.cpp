#include "rtc/datachannel/dcep.hpp"

#include <array>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "rtc/datachannel/channel_table.hpp"

namespace {

using namespace chatixia;
using namespace chatixia::rtc;

void check_open(Bytes bytes) {
  const auto options = datachannel::parse_open(bytes);
  if (!options) return;
  const auto again = datachannel::parse_open(datachannel::encode_open(*options));
  expects(again.has_value() && *again == *options);
}

constexpr std::size_t channels_max = 6;

void drain(datachannel::ChannelTable& table) {
  while (table.poll_command()) {
  }
  while (table.poll_event()) {
  }
  expects(table.size() <= channels_max);
}

// Each step is an operation, a stream, a size and so many bytes.
void run_table(ByteReader reader) {
  datachannel::ChannelTable table({.even_ids = true, .ids_end = 8, .channels_max = channels_max});
  constexpr std::array<std::uint32_t, 8> ppids{50, 51, 52, 53, 54, 56, 57, 9};
  while (reader.remaining() > 0) {
    const std::uint8_t operation = reader.u8();
    const std::uint16_t stream = reader.u8() % 10;
    const Bytes bytes = reader.bytes(reader.u8());
    if (!reader.ok()) return;
    const std::array<sctp::StreamId, 1> streams{stream};
    switch (operation % 16) {
      case 8:
        (void)table.open({.label = "x"});
        break;
      case 9:
        table.close(stream);
        break;
      case 10:
        table.handle_streams_reset(streams);
        break;
      case 11:
        table.handle_reset_completed(streams);
        break;
      case 12:
        table.handle_streams_reset({});
        break;
      case 13:
        (void)table.prepare(stream, datachannel::MessageKind::text, bytes);
        break;
      default:
        table.handle_message({stream, ppids[operation % 8], {bytes.begin(), bytes.end()}});
        break;
    }
    drain(table);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_open({data, size});
  run_table(ByteReader({data, size}));
  return 0;
}
