#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace chatixia::net {

// Cuts a stream of bytes into lines without copying them, and skips lines that are too long.
class LineReader {
 public:
  explicit LineReader(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  // Where the next bytes belong; never empty. Ends the life of the lines cut before.
  std::span<char> space();
  void commit(std::size_t size) { end_ += size; }

  enum class Cut { nothing, line, oversized };
  // Call until `nothing`; `line` comes without its newline.
  Cut next(std::string_view& line);

 private:
  void grow();

  std::size_t line_bytes_max_;
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;    // of the line under way
  std::size_t scanned_ = 0;  // no newline before this
  std::size_t end_ = 0;
  bool skipping_ = false;
};

}  // namespace chatixia::net
