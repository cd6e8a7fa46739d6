#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "base/result.hpp"

namespace chatixia::sidecar {

// What a sidecar is told by its environment: the names are those of wire-compat, and CHATIXIA_
// for what is ours.
struct Options {
  std::string signaling_url = "ws://localhost:8080/ws";       // SIGNALING_URL
  std::string token_url = "http://localhost:8080/api/token";  // TOKEN_URL
  std::string api_key;                                        // API_KEY, or the file API_KEY_FILE
  std::string ipc_socket;                                     // IPC_SOCKET
  bool relay_only = false;                                    // ICE_TRANSPORT_POLICY
  std::string turn_url;                                       // TURN_URL
  std::string turn_secret;                                    // TURN_SECRET
  std::string turn_username;                                  // TURN_USERNAME
  std::string turn_password;                                  // TURN_PASSWORD
  std::vector<IpAddress> ice_addresses;                       // CHATIXIA_ICE_ADDRESSES; empty: all
  std::uint16_t udp_port = 0;                                 // CHATIXIA_UDP_PORT
  std::string log_level = "info";                             // CHATIXIA_LOG
  bool log_json = false;                                      // CHATIXIA_LOG_FORMAT=json
  int parent_pid = 0;                                         // CHATIXIA_PARENT_PID; 0: none
  // How long to poll for more after traffic before sleeping: CHATIXIA_BUSY_POLL_US.
  std::chrono::microseconds busy_poll{0};
};

// Looks a variable up; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;

// Errors name the variable and what it accepts.
Result<Options> read_options(const Environment& environment);

// The text of --help.
std::string_view help_text();

}  // namespace chatixia::sidecar
