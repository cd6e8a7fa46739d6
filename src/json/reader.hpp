#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.hpp"

namespace chatixia::json {

// Walks over JSON text once, from left to right, and checks every byte it passes as parse()
// promises to. The caller enters the containers it cares about and skips the rest, so an envelope
// is taken apart and its letter is checked in the same pass, and both stay slices of the text.
//
//   Reader reader(text, limits);
//   if (reader.enter_object())
//     while (reader.next_member())
//       if (reader.key() == "payload") payload = reader.skip();
//   if (auto done = reader.finish(); !done) return std::unexpected(done.error());
//
// The first problem ends all loops: from then on every call answers false or an empty slice, and
// finish() tells the problem.
class Reader {
 public:
  enum class Kind { object, array, text, number, literal, nothing };

  // The text must outlive the reader and every slice that came from it.
  Reader(std::string_view text, const Limits& limits);

  // What the value that comes next starts as; `nothing` is no JSON at all.
  Kind kind();

  // Each value must be entered or skipped, once. enter_object() refuses other kinds.
  bool enter_object();
  bool next_member();  // false behind the last one
  std::string_view key() const { return keys_.back(); }
  bool enter_array();
  bool next_element();
  // Checks the value that comes next and gives its slice.
  std::string_view skip();

  // Where the reader stands: in front of a value after kind(), behind one after reading it.
  const char* position() const { return at_; }

  // Nothing but whitespace may be left.
  Result<void> finish();
  bool ok() const { return !error_; }

 private:
  struct Level {
    std::size_t first_key;  // of this object, in keys_
    bool started = false;
  };

  void space();
  bool take(char expected);
  bool enter(char bracket);
  bool next(char bracket);
  bool read_key();
  // Reads a string with its quotes; whether there was an escape in it.
  std::optional<bool> text();
  bool plain_run();
  bool escape();
  std::optional<unsigned> hex4();
  bool number();
  bool digits();
  bool literal(std::string_view word);
  bool keys_differ(std::size_t first);
  bool refuse(ParseError problem);
  bool refuse(ParseError problem, std::string context);

  const char* const begin_;
  const char* const end_;
  const char* at_;
  std::size_t depth_max_;
  std::vector<Level> levels_;
  // The keys of the objects that are open, for duplicates; escaped ones are kept unescaped.
  std::vector<std::string_view> keys_;
  std::list<std::string> unescaped_;
  std::optional<Error> error_;
};

// The text that a slice with quotes means; `slice` has passed a Reader.
std::string unquote(std::string_view slice);
// The number in a slice that has passed a Reader: a whole one stays exact if 64 bits hold it.
Value to_number(std::string_view slice);

}  // namespace chatixia::json
