#include "base/log.hpp"

#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

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

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
}

bool is_plain(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value)
    if (c <= ' ' || c == '"' || c == '=' || c == 0x7f) return false;
  return true;
}

void write(LogLevel level, std::string_view scope, std::string_view event, Log::Fields fields) {
  const auto native = spdlog_level(level);
  if (!logger().should_log(native)) return;
  std::string line;
  if (as_json) {
    line = fmt::format(R"("scope":"{}","event":"{}")", scope, event);
    for (const LogField& field : fields) {
      line += fmt::format(R"(,"{}":")", field.name);
      append_escaped(line, field.value);
      line += '"';
    }
  } else {
    line = fmt::format("{}: {}", scope, event);
    for (const LogField& field : fields) {
      line += fmt::format(" {}=", field.name);
      if (is_plain(field.value)) {
        line += field.value;
      } else {
        line += '"';
        append_escaped(line, field.value);
        line += '"';
      }
    }
  }
  logger().log(native, spdlog::string_view_t(line));
}

}  // namespace

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
