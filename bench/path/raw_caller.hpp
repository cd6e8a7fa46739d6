#pragma once

#include <memory>
#include <string_view>

#include "path/raw_links.hpp"

namespace chatixia::bench {

// One figure as the calling process measures it. It prints its result and stops the loop.
class RawFigure {
 public:
  struct Options {
    int count = 0;
    std::size_t size = 0;
    double seconds = 0;
  };
  // "setup", "ping", "stream" or "memory"; null for anything else.
  static std::unique_ptr<RawFigure> make(std::string_view name, net::Loop& loop, RawLinks& links,
                                         const Options& options);
  virtual ~RawFigure() = default;

  void start();

 protected:
  RawFigure(net::Loop& loop, RawLinks& links) : loop_(loop), links_(links) {}

  // The channel is open on both sides.
  virtual void handle_open(int number) = 0;
  virtual void handle_message(int, Bytes) {}
  virtual void handle_writable(int) {}
  virtual void handle_told(int, std::string_view /*type*/, std::string_view /*payload*/) {}
  void finish() { loop_.stop(); }
  RawLinks& links() { return links_; }
  net::Loop& loop() { return loop_; }

 private:
  void handle_half_open(int number);

  net::Loop& loop_;
  RawLinks& links_;
  std::map<int, int> open_ends_;
};

}  // namespace chatixia::bench
