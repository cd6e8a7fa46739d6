#include "json/json.hpp"

#include "json/reader.hpp"

namespace chatixia::json {
namespace {

// Builds what the reader walks over. The depth is the reader's business, so this cannot run away.
Value build(Reader& reader) {
  switch (reader.kind()) {
    case Reader::Kind::object: {
      Object object;
      if (reader.enter_object()) {
        while (reader.next_member()) {
          const std::string key(reader.key());
          object.insert_or_assign(key, build(reader));
        }
      }
      return object;
    }
    case Reader::Kind::array: {
      Array array;
      if (reader.enter_array())
        while (reader.next_element()) array.push_back(build(reader));
      return array;
    }
    case Reader::Kind::text: {
      const std::string_view slice = reader.skip();
      if (slice.empty()) return nullptr;
      return boost::json::string(unquote(slice));
    }
    case Reader::Kind::number: {
      const std::string_view slice = reader.skip();
      if (slice.empty()) return nullptr;
      return to_number(slice);
    }
    default: {
      const std::string_view slice = reader.skip();
      if (slice == "true") return true;
      if (slice == "false") return false;
      return nullptr;
    }
  }
}

}  // namespace

Result<Value> parse(std::string_view text, const Limits& limits) {
  Reader reader(text, limits);
  Value value = build(reader);
  if (auto done = reader.finish(); !done) return std::unexpected(std::move(done.error()));
  return value;
}

Result<Object> parse_object(std::string_view text, const Limits& limits) {
  auto value = parse(text, limits);
  if (!value) return std::unexpected(std::move(value.error()));
  if (!value->is_object()) return fail(ParseError::bad_value, "not an object");
  return std::move(value->get_object());
}

Result<void> validate(std::string_view text, const Limits& limits) {
  Reader reader(text, limits);
  reader.skip();
  return reader.finish();
}

std::vector<Member> members(std::string_view object) {
  Reader reader(object, {.bytes_max = object.size(), .depth_max = object.size()});
  std::vector<Member> found;
  if (reader.enter_object()) {
    while (reader.next_member()) {
      Member& member = found.emplace_back(std::string(reader.key()), std::string_view());
      member.value = reader.skip();
    }
  }
  return found;
}

std::optional<std::string_view> member(std::string_view object, std::string_view key) {
  Reader reader(object, {.bytes_max = object.size(), .depth_max = object.size()});
  if (reader.enter_object()) {
    while (reader.next_member()) {
      const bool wanted = reader.key() == key;
      const std::string_view value = reader.skip();
      if (wanted) return value;
    }
  }
  return std::nullopt;
}

}  // namespace chatixia::json
