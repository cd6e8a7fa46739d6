#include "protocol/mesh_message.hpp"

#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "json/json.hpp"
#include "protocol/ipc.hpp"

using namespace chatixia;
using namespace chatixia::protocol::mesh;

namespace {

// What is printed means what was read.
template <class T>
void check(const json::Object& payload) {
  const auto read = T::parse(payload);
  if (!read) return;
  const auto again = T::parse(read->encode());
  expects(again.has_value());
  expects(*again == *read);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  const json::Limits message_limits = {.bytes_max = limits::message_bytes_max};
  const auto value = json::parse(text, message_limits);
  const auto checked = json::validate(text, message_limits);
  expects(value.has_value() == checked.has_value());
  if (!value) {
    expects(value.error().code == checked.error().code);
    return 0;
  }
  const auto printed = json::parse(json::encode(*value), {.bytes_max = 8 * text.size() + 64});
  expects(printed.has_value());
  expects(*printed == *value);

  const auto message = Message::parse(text);
  if (!message) return 0;
  expects(protocol::ipc::is_relayable(text));
  const std::string encoded = message->encode();
  if (encoded.size() <= limits::message_bytes_max) {
    const auto again = Message::parse(encoded);
    expects(again.has_value());
    expects(*again == *message);
  }
  check<TaskRequest>(message->payload);
  check<TaskResponse>(message->payload);
  check<StreamChunk>(message->payload);
  check<SkillQuery>(message->payload);
  check<SkillResponse>(message->payload);
  check<AgentStatus>(message->payload);
  check<AgentPrompt>(message->payload);
  check<AgentResponse>(message->payload);
  return 0;
}
