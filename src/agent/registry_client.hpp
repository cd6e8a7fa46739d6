#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/errc.hpp"
#include "base/result.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"
#include "net/http.hpp"
#include "net/loop.hpp"
#include "protocol/registry_api.hpp"

namespace chatixia::agent {

// The registry's HTTP API as an agent uses it. Belongs to its loop's thread; a callback is called
// once, or never when the client is destroyed first. An unreachable registry is `unavailable`.
class RegistryClient {
 public:
  struct Options {
    net::Url url;  // "http://127.0.0.1:8080"
    std::string api_key;
    Duration timeout = std::chrono::seconds(10);
  };
  template <class T>
  using Callback = std::function<void(Result<T>)>;

  RegistryClient(net::Loop& loop, Options options);

  void register_agent(const protocol::api::AgentRegistration& agent, Callback<void> done);
  // The tasks that wait for this agent; they are assigned to it from now on.
  void heartbeat(const protocol::api::Heartbeat& heartbeat,
                 Callback<std::vector<protocol::api::Task>> done);
  void find_agent(const AgentId& agent, Callback<protocol::api::AgentRecord> done);
  void find_route(const std::string& skill, Callback<protocol::api::AgentRecord> done);
  void submit_task(const protocol::api::TaskSubmission& task, Callback<std::string> done);
  void find_task(const std::string& id, Callback<protocol::api::Task> done);
  void update_task(const std::string& id, const protocol::api::TaskUpdate& update,
                   Callback<void> done);

 private:
  void call(std::string method, std::string target, std::string body, Callback<json::Object> done);

  net::Loop& loop_;
  Options options_;
  // Answers that come when this is gone go nowhere.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

// RFC 3986, section 2.1: everything but unreserved characters as %XX.
std::string percent_encode(std::string_view text);

}  // namespace chatixia::agent
