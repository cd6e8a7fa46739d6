#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "net/http.hpp"
#include "net/loop.hpp"
#include "registry/options.hpp"

namespace chatixia::registry {

// A whole registry on one loop.
class Server {
 public:
  // Errors name what to change before the next try.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(net::Loop& loop,
                                                             const Options& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // "http://127.0.0.1:8080"
  std::string url() const;
  const std::string& state_dir() const;
  const std::string& keys_path() const;

  // Stops accepting, ends WebSockets with 1001, lets requests finish for a moment, then calls
  // `done`.
  void shut_down(std::function<void()> done);

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// `key add`: the key, or why there is none.
[[nodiscard]] Result<std::string> add_key(const Options& options);

}  // namespace chatixia::registry
