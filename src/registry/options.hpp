#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "base/endpoint.hpp"
#include "base/log.hpp"
#include "registry/ice_config.hpp"
#include "registry/principal.hpp"
#include "registry/state_dir.hpp"

namespace chatixia::registry {

// What the program was asked to do, from its options and its environment; an option wins.
struct Options {
  enum class Command { serve, add_key };
  Command command = Command::serve;

  IpAddress listen = IpAddress::v4(0x7f000001);
  std::uint16_t port = 8080;
  std::string state_dir;
  std::string keys_file;         // empty: in the state directory
  std::string signaling_secret;  // empty: from the state directory
  IceConfig ice;
  bool compat_0_4 = false;
  bool json = false;
  LogLevel log_level = LogLevel::info;
  bool log_json = false;

  Principal new_key;  // of add_key
};

// The program has nothing more to do than say this and end.
struct Exit {
  int code = 0;  // 0 for help and version, 2 for wrong usage
  std::string text;
};

// `arguments` without the program's name.
[[nodiscard]] std::expected<Options, Exit> parse_options(std::span<const std::string> arguments,
                                                         const Environment& environment);

}  // namespace chatixia::registry
