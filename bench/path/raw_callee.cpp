#include "path/raw_callee.hpp"

#include <fmt/format.h>

namespace chatixia::bench {

void RawCallee::start() {
  links_.start({
      .on_open = [this](int number, auto) { links_.tell(number, "opened", "{}"); },
      .on_message = [this](int number, Bytes message) { handle_message(number, message); },
      .on_writable = [](int) {},
      .on_closed = [this](int number) { links_.close(number); },
      .on_told =
          [this](int number, std::string_view type, std::string_view) {
            if (type == "memory?")
              links_.tell(number, "memory", fmt::format(R"({{"bytes":{}}})", resident_bytes()));
          },
  });
}

void RawCallee::handle_message(int number, Bytes message) {
  const Tag tag{message.front()};
  if (tag == Tag::ping) {
    links_.send(number, message);
  } else if (tag == Tag::data) {
    ++messages_;
    bytes_ += message.size();
  } else if (tag == Tag::begin) {
    messages_ = bytes_ = 0;
    began_ = Clock::now();
    cpu_began_ = cpu_seconds();
  } else if (tag == Tag::end) {
    links_.tell(number, "received",
                fmt::format(R"({{"messages":{},"bytes":{},"seconds":{},"cpu_s":{}}})", messages_,
                            bytes_, seconds_since(began_), cpu_seconds() - cpu_began_));
  }
}

}  // namespace chatixia::bench
