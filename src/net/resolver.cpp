#include "net/resolver.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <thread>

#include <netdb.h>

#include "net/asio_internal.hpp"
#include "net/errc.hpp"
#include "net/http.hpp"
#include "net/sockaddr.hpp"

namespace chatixia::net {
namespace {

constexpr int threads_max = 8;
constexpr std::size_t waiting_max = 1024;

// Blocks.
Result<std::vector<IpAddress>> look_up_now(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0)
    return fail(Errc::name_unknown, host + ": " + ::gai_strerror(error));
  std::vector<IpAddress> found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    SocketAddress address;
    if (entry->ai_addrlen > sizeof(address.storage)) continue;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    const IpAddress ip = address.endpoint().ip;
    if (std::ranges::find(found, ip) == found.end()) found.push_back(ip);
  }
  ::freeaddrinfo(list);
  if (found.empty()) return fail(Errc::name_unknown, host);
  return found;
}

}  // namespace

// Where a thread leaves its answer, if the loop still exists.
struct Resolver::Mailbox {
  std::mutex mutex;
  Loop* loop = nullptr;
};

Resolver::Resolver(Loop& loop) : loop_(loop), mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->loop = &loop;
}

Resolver::~Resolver() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->loop = nullptr;
}

void Resolver::look_up(std::string host, Done done) {
  if (const auto literal = IpAddress::parse(host)) {
    loop_.post([ip = *literal, done = std::move(done)] { done(std::vector{ip}); });
    return;
  }
  if (waiting_.size() >= waiting_max) {
    loop_.post([host = std::move(host), done = std::move(done)] { done(fail(Errc::busy, host)); });
    return;
  }
  const std::uint64_t id = next_id_++;
  waiting_.emplace(id, Waiting{std::move(host), std::move(done)});
  if (running_ < threads_max)
    start(id);
  else
    queue_.push_back(id);
}

void Resolver::start(std::uint64_t id) {
  ++running_;
  try {
    // Detached: joining would wait for the name server.
    std::thread([this, id, host = waiting_.at(id).host, mailbox = mailbox_] {
      auto result = look_up_now(host);
      const std::lock_guard lock(mailbox->mutex);
      // `this` lives as long as the loop does.
      if (mailbox->loop == nullptr) return;
      mailbox->loop->post([this, id, result = std::move(result)] { finish(id, result); });
    }).detach();
  } catch (const std::system_error& error) {  // no thread to be had
    loop_.post(
        [this, id, result = fail(error.code(), waiting_.at(id).host)] { finish(id, result); });
  }
}

void Resolver::finish(std::uint64_t id, const Result<std::vector<IpAddress>>& result) {
  --running_;
  if (!queue_.empty()) {
    start(queue_.front());
    queue_.pop_front();
  }
  const auto node = waiting_.extract(id);
  node.mapped().done(result);
}

void resolve(Loop& loop, std::string host,
             std::function<void(Result<std::vector<IpAddress>>)> done) {
  loop.native().resolver->look_up(std::move(host), std::move(done));
}

}  // namespace chatixia::net
