#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chatixia {

using Bytes = std::span<const std::uint8_t>;
using Buffer = std::vector<std::uint8_t>;

// Views text as bytes; the text must outlive the view.
inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Views bytes as text, valid UTF-8 or not; the bytes must outlive the view.
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Reads big-endian fields in order. A read past the end turns the reader bad, and every later
// read yields zero, so a parser checks ok() once, after it has read everything.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }

  // The next `size` bytes as a view into the input; empty when they are not there.
  Bytes bytes(std::size_t size) {
    if (!take(size)) return {};
    return bytes_.subspan(position_ - size, size);
  }
  std::string text(std::size_t size) { return std::string(as_text(bytes(size))); }
  void skip(std::size_t size) { take(size); }
  Bytes rest() { return bytes(remaining()); }

  bool ok() const { return ok_; }
  bool at_end() const { return position_ == bytes_.size(); }
  std::size_t remaining() const { return bytes_.size() - position_; }
  std::size_t position() const { return position_; }

 private:
  bool take(std::size_t size) {
    if (!ok_ || remaining() < size) {
      ok_ = false;
      return false;
    }
    position_ += size;
    return true;
  }
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes(size)) value = value << 8 | byte;
    return value;
  }

  Bytes bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

// Appends big-endian fields to a buffer that it owns.
class ByteWriter {
 public:
  ByteWriter() = default;
  explicit ByteWriter(std::size_t capacity) { buffer_.reserve(capacity); }

  void u8(std::uint8_t value) { buffer_.push_back(value); }
  void u16(std::uint16_t value) { number(value, 2); }
  void u32(std::uint32_t value) { number(value, 4); }
  void u64(std::uint64_t value) { number(value, 8); }
  void bytes(Bytes bytes) { buffer_.insert(buffer_.end(), bytes.begin(), bytes.end()); }
  void text(std::string_view text) { bytes(as_bytes(text)); }
  void zeros(std::size_t count) { buffer_.insert(buffer_.end(), count, 0); }

  // Overwrites two bytes written earlier, for lengths known only afterwards.
  void patch_u16(std::size_t position, std::uint16_t value) {
    buffer_[position] = static_cast<std::uint8_t>(value >> 8);
    buffer_[position + 1] = static_cast<std::uint8_t>(value);
  }

  std::size_t size() const { return buffer_.size(); }
  Bytes view() const { return buffer_; }
  Buffer take() { return std::move(buffer_); }

 private:
  void number(std::uint64_t value, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8)
      buffer_.push_back(static_cast<std::uint8_t>(value >> shift));
  }

  Buffer buffer_;
};

}  // namespace chatixia
