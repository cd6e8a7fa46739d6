#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace chatixia {

enum class LogLevel { trace, debug, info, warning, error, off };

// One field of a log event, already printed.
struct LogField {
  template <class T>
  LogField(std::string_view field, const T& field_value)
      : name(field), value(fmt::format("{}", field_value)) {}

  std::string_view name;
  std::string value;
};

// Logs are events, not prose: a short fixed sentence and fields, one line on standard error, as
// text or as JSON. Drivers log; sans-I/O objects emit events instead.
class Log {
 public:
  explicit constexpr Log(std::string_view scope) : scope_(scope) {}

  using Fields = std::initializer_list<LogField>;
  void trace(std::string_view event, Fields fields = {}) const;
  void debug(std::string_view event, Fields fields = {}) const;
  void info(std::string_view event, Fields fields = {}) const;
  void warning(std::string_view event, Fields fields = {}) const;
  void error(std::string_view event, Fields fields = {}) const;

  struct Options {
    LogLevel level = LogLevel::info;
    bool json = false;
  };
  // Process-wide; call once, before threads start.
  static void configure(Options options);

 private:
  std::string_view scope_;
};

// "trace" to "off"; anything else is info.
LogLevel parse_log_level(std::string_view text);

}  // namespace chatixia
