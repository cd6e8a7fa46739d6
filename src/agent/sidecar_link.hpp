#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/errc.hpp"
#include "agent/sidecar_process.hpp"
#include "net/line_socket.hpp"
#include "net/loop.hpp"

namespace chatixia::agent {

// Keeps a sidecar at hand: starts it as a child unless a socket of a running one is given, waits
// for its socket, connects, and does so again when it was lost. Belongs to the loop's thread.
class SidecarLink {
 public:
  struct Options {
    std::string socket;   // where the sidecar listens, or is going to
    std::string program;  // started as a child; empty: somebody else runs it
    std::map<std::string, std::string> environment;  // for the child
    Duration patience = std::chrono::seconds(5);     // from start to socket
    Duration retry_min = std::chrono::milliseconds(200);
    Duration retry_max = std::chrono::seconds(10);
  };
  struct Handlers {
    std::function<void(std::shared_ptr<net::LineConnection>)> on_connection;
    // One try to reach the sidecar came to nothing. The next one follows by itself.
    std::function<void(const Error&)> on_failed;
  };

  SidecarLink(net::Loop& loop, Options options, Handlers handlers);

  void open();
  // The connection was lost.
  void reopen();
  // Tries no more; the child is asked to end and waited for. Blocks.
  void close();

 private:
  void try_open();
  void look();
  void give_up(Error error);

  net::Loop& loop_;
  Options options_;
  Handlers handlers_;
  std::optional<SidecarProcess> process_;
  Instant patience_ends_ = never;
  Instant connected_at_ = never;
  Duration retry_after_;
  bool is_opening_ = false;
  net::Timer timer_;
};

}  // namespace chatixia::agent
