#include "base/log.hpp"

#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/log_line.hpp"
#include "base/utf8.hpp"

namespace chatixia {
namespace {

bool as_json = false;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return spdlog::level::trace;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("chatixia",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return *instance;
}

// Nothing that a terminal would act on comes out: no control character, and none of U+0080 to
// U+009F. What is no UTF-8 would make JSON invalid; its bytes are told one by one.
void append_escaped(std::string& out, std::string_view text) {
  const bool is_text = is_utf8(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '"' || byte == '\\') {
      (out += '\\') += text[i];
      continue;
    }
    bool is_control = byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !is_text);
    if (is_text && byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      byte = static_cast<unsigned char>(text[++i]);
      is_control = true;
    }
    if (is_control)
      out += fmt::format("\\u{:04x}", byte);
    else
      out += text[i];
  }
}

bool is_plain(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value)
    if (c <= ' ' || c > '~' || c == '"' || c == '=') return false;
  return true;
}

void write(LogLevel level, std::string_view scope, std::string_view event, Log::Fields fields) {
  const auto native = spdlog_level(level);
  if (!logger().should_log(native)) return;
  const std::string line = format_log_line(as_json, scope, event, fields);
  logger().log(native, spdlog::string_view_t(line));
}

}  // namespace

std::string format_log_line(bool json, std::string_view scope, std::string_view event,
                            Log::Fields fields) {
  std::string line = json ? fmt::format(R"("scope":"{}","event":"{}")", scope, event)
                          : fmt::format("{}: {}", scope, event);
  for (const LogField& field : fields) {
    line += json ? fmt::format(R"(,"{}":)", field.name) : fmt::format(" {}=", field.name);
    if (!json && is_plain(field.value)) {
      line += field.value;
      continue;
    }
    line += '"';
    append_escaped(line, field.value);
    line += '"';
  }
  return line;
}

void Log::trace(std::string_view event, Fields fields) const {
  write(LogLevel::trace, scope_, event, fields);
}
void Log::debug(std::string_view event, Fields fields) const {
  write(LogLevel::debug, scope_, event, fields);
}
void Log::info(std::string_view event, Fields fields) const {
  write(LogLevel::info, scope_, event, fields);
}
void Log::warning(std::string_view event, Fields fields) const {
  write(LogLevel::warning, scope_, event, fields);
}
void Log::error(std::string_view event, Fields fields) const {
  write(LogLevel::error, scope_, event, fields);
}

void Log::configure(Options options) {
  logger().set_level(spdlog_level(options.level));
  as_json = options.json;
  if (as_json)
    logger().set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})",
                         spdlog::pattern_time_type::utc);
}

LogLevel parse_log_level(std::string_view text) {
  if (text == "trace") return LogLevel::trace;
  if (text == "debug") return LogLevel::debug;
  if (text == "warning") return LogLevel::warning;
  if (text == "error") return LogLevel::error;
  if (text == "off") return LogLevel::off;
  return LogLevel::info;
}

}  // namespace chatixia
