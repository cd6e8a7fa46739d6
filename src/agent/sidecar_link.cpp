#include "agent/sidecar_link.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/mesh_client.hpp"
#include "base/log.hpp"

namespace chatixia::agent {
namespace {

constexpr Log log("agent");

// How often the child and its socket are looked at while it starts.
constexpr Duration look_every = std::chrono::milliseconds(20);

}  // namespace

SidecarLink::SidecarLink(net::Loop& loop, Options options, Handlers handlers)
    : loop_(loop),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      retry_after_(options_.retry_min),
      timer_(loop, [this] { is_opening_ ? look() : try_open(); }) {}

void SidecarLink::open() {
  try_open();
}

void SidecarLink::reopen() {
  is_opening_ = false;
  // A connection that lasted was good; one that is lost at once will be lost again.
  if (std::exchange(connected_at_, never) < net::now() - options_.retry_max)
    retry_after_ = options_.retry_min;
  timer_.expires_after(retry_after_);
  retry_after_ = std::min(retry_after_ * 2, options_.retry_max);
}

void SidecarLink::close() {
  timer_.cancel();
  if (process_) process_->stop();
  process_.reset();
}

void SidecarLink::try_open() {
  is_opening_ = true;
  patience_ends_ = net::now() + options_.patience;
  if (process_ && process_->poll_exit()) process_.reset();
  if (!process_ && !options_.program.empty()) {
    auto process = SidecarProcess::start(options_.program, options_.environment);
    if (!process) return give_up(std::move(process.error()));
    log.info("sidecar started", {{"program", options_.program}, {"pid", process->pid()}});
    process_ = std::move(*process);
  }
  look();
}

// Connecting tells more than the path: a socket left over from an earlier run answers nobody.
void SidecarLink::look() {
  auto connection =
      net::LineConnection::connect(loop_, options_.socket, MeshClient::connection_options);
  if (connection) {
    is_opening_ = false;
    connected_at_ = net::now();
    return handlers_.on_connection(std::move(*connection));
  }
  if (process_) {
    if (const auto end = process_->poll_exit())
      return give_up({Errc::sidecar_failed, options_.program + ": " + *end});
  }
  if (net::now() >= patience_ends_)
    return give_up({Errc::sidecar_failed, fmt::format("nobody listens at {}: {}", options_.socket,
                                                      connection.error().message())});
  timer_.expires_after(look_every);
}

void SidecarLink::give_up(Error error) {
  reopen();
  handlers_.on_failed(error);
}

}  // namespace chatixia::agent
