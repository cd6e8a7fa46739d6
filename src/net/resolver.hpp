#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "base/result.hpp"
#include "net/loop.hpp"

namespace chatixia::net {

// Looks host names up with getaddrinfo, each on a thread of its own, because it can neither be
// interrupted nor be trusted to return soon: one dead name server must not delay other names, nor
// the end of the program. The callbacks stay on the loop's side and die with it.
class Resolver {
 public:
  using Done = std::function<void(Result<std::vector<IpAddress>>)>;

  explicit Resolver(Loop& loop);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  void look_up(std::string host, Done done);

 private:
  struct Mailbox;
  struct Waiting {
    std::string host;
    Done done;
  };

  void start(std::uint64_t id);
  void finish(std::uint64_t id, const Result<std::vector<IpAddress>>& result);

  Loop& loop_;
  std::shared_ptr<Mailbox> mailbox_;
  std::map<std::uint64_t, Waiting> waiting_;
  std::deque<std::uint64_t> queue_;
  std::uint64_t next_id_ = 0;
  int running_ = 0;
};

}  // namespace chatixia::net
