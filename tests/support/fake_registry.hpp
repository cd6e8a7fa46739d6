#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "json/json.hpp"
#include "net/http.hpp"

namespace chatixia::test {

// A registry that answers as it is told and remembers what it was asked.
class FakeRegistry {
 public:
  using Answer = std::function<net::HttpResponse(const net::HttpRequest&)>;

  explicit FakeRegistry(net::Loop& loop, Answer answer = say_ok) : answer_(std::move(answer)) {
    auto made =
        net::HttpServer::listen(loop, *Endpoint::parse("127.0.0.1:0"), {},
                                {.on_request =
                                     [this](net::HttpRequest request, net::HttpResponder respond) {
                                       requests_.push_back(request);
                                       if (holds_) return held_.push_back(std::move(respond));
                                       respond(answer_(request));
                                     },
                                 .on_upgrade = {},
                                 .on_websocket = {}});
    EXPECT_TRUE(made) << made.error().message();
    if (made) server_ = std::move(*made);
  }

  static net::HttpResponse say_ok(const net::HttpRequest&) { return say(R"({"status":"ok"})"); }
  static net::HttpResponse say(std::string body, int status = 200) {
    return {.status = status, .headers = {}, .body = std::move(body)};
  }

  // From now on nobody is answered before release().
  void hold() { holds_ = true; }
  std::size_t held() const { return held_.size(); }
  void release() {
    holds_ = false;
    const std::size_t first = requests_.size() - held_.size();
    for (std::size_t i = 0; i < held_.size(); ++i) held_[i](answer_(requests_[first + i]));
    held_.clear();
  }

  void answer(Answer answer) { answer_ = std::move(answer); }
  net::Url url() const {
    return {.scheme = "http", .host = "127.0.0.1", .port = server_->local().port, .target = "/"};
  }
  const std::vector<net::HttpRequest>& requests() const { return requests_; }
  // How often "POST /path" was asked.
  int count(std::string_view what) const {
    int count = 0;
    for (const auto& request : requests_) count += request.method + " " + request.path == what;
    return count;
  }
  // The body of the last "POST /path".
  json::Object body(std::string_view what) const {
    json::Object found;
    for (const auto& request : requests_)
      if (request.method + " " + request.path == what)
        found = *json::parse_object(request.body, {});
    return found;
  }

 private:
  Answer answer_;
  std::vector<net::HttpRequest> requests_;
  bool holds_ = false;
  std::vector<net::HttpResponder> held_;  // of the last requests
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace chatixia::test
