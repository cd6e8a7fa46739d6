#include "rtc/turn/channel_data.hpp"

namespace chatixia::rtc::turn {

std::optional<ChannelData> ChannelData::parse(Bytes datagram) {
  ByteReader reader(datagram);
  ChannelData data;
  data.channel = reader.u16();
  data.bytes = reader.bytes(reader.u16());
  if (!reader.ok() || data.channel < channel_first || data.channel > channel_last ||
      reader.remaining() > 3)
    return std::nullopt;
  return data;
}

Buffer encode_channel_data(std::uint16_t channel, Bytes bytes) {
  ByteWriter writer(4 + bytes.size());
  writer.u16(channel);
  writer.u16(static_cast<std::uint16_t>(bytes.size()));
  writer.bytes(bytes);
  return writer.take();
}

}  // namespace chatixia::rtc::turn
