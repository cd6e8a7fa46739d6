#include "net/line_reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace chatixia::net {
namespace {

constexpr std::size_t capacity_min = 64 * 1024;

}  // namespace

std::span<char> LineReader::space() {
  if (begin_ == end_) begin_ = scanned_ = end_ = 0;
  // Moving the tail is cheap while it is small, and at worst as dear as reading it was.
  if (capacity_ - end_ < capacity_min / 4 && begin_ > 0) {
    std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
    scanned_ -= begin_;
    end_ -= begin_;
    begin_ = 0;
  }
  if (capacity_ - end_ < capacity_min / 4) grow();
  return {bytes_.get() + end_, capacity_ - end_};
}

// next() leaves at most line_bytes_max_ bytes, so there is always room for one more.
void LineReader::grow() {
  const std::size_t wanted =
      std::clamp(capacity_ * 2, capacity_min, line_bytes_max_ + capacity_min);
  if (wanted <= capacity_) return;
  auto bigger = std::make_unique_for_overwrite<char[]>(wanted);
  if (end_ > 0) std::memcpy(bigger.get(), bytes_.get(), end_);
  bytes_ = std::move(bigger);
  capacity_ = wanted;
}

LineReader::Cut LineReader::next(std::string_view& line) {
  while (scanned_ < end_) {
    const auto* found =
        static_cast<const char*>(std::memchr(bytes_.get() + scanned_, '\n', end_ - scanned_));
    if (found == nullptr) break;
    const auto newline = static_cast<std::size_t>(found - bytes_.get());
    line = {bytes_.get() + begin_, newline - begin_};
    begin_ = scanned_ = newline + 1;
    if (std::exchange(skipping_, false)) continue;
    return line.size() > line_bytes_max_ ? Cut::oversized : Cut::line;
  }
  scanned_ = end_;
  if (skipping_) {
    begin_ = end_;
    return Cut::nothing;
  }
  if (end_ - begin_ <= line_bytes_max_) return Cut::nothing;
  skipping_ = true;
  begin_ = end_;
  return Cut::oversized;
}

}  // namespace chatixia::net
