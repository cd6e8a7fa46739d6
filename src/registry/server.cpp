#include "registry/server.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/log.hpp"
#include "crypto/random.hpp"
#include "registry/authenticator.hpp"
#include "registry/errc.hpp"
#include "registry/http_api.hpp"
#include "registry/key_file.hpp"
#include "registry/local_bus.hpp"
#include "registry/memory_store.hpp"
#include "registry/state_dir.hpp"
#include "registry/ws_api.hpp"

namespace chatixia::registry {
namespace {

constexpr Log log("registry");

Moment moment_now() {
  return {.instant = net::now(), .wall = net::wall_now()};
}

HttpApi::Anonymous anonymous_for(const Options& options) {
  if (options.compat_0_4) return HttpApi::Anonymous::everywhere;
  return options.listen.is_loopback() ? HttpApi::Anonymous::from_this_host
                                      : HttpApi::Anonymous::nowhere;
}

void log_event(const Event& event) {
  if (event.type == event_type::links_changed || event.type == event_type::task_changed)
    log.debug(event.type, {{"id", event.subject}});
  else
    log.info(event.type, {{"id", event.subject}});
}

// What the operator should know about how this registry was set up.
void log_posture(const Options& options) {
  if (options.compat_0_4)
    log.warning(
        "0.4 compatibility is on: anyone who reaches this address may read and submit "
        "tasks without credentials",
        {{"listen", options.listen.to_string()}});
  if (!options.listen.is_loopback())
    log.warning("listening beyond this host without TLS; put a TLS proxy in front",
                {{"listen", options.listen.to_string()}});
}

struct Secrets {
  std::string signing;
  std::string keys_path;
};

Result<Secrets> prepare(const Options& options, const StateDir& state, RandomSource& random) {
  Secrets secrets{.signing = options.signaling_secret, .keys_path = options.keys_file};
  if (secrets.signing.empty()) {
    auto secret = state.secret(random);
    if (!secret) return std::unexpected(secret.error());
    secrets.signing = *std::move(secret);
  } else if (auto sound = check_secret(secrets.signing); !sound) {
    return fail(sound.error().code, "SIGNALING_SECRET: " + sound.error().context);
  }
  if (!secrets.keys_path.empty()) return secrets;

  secrets.keys_path = state.keys_path();
  const auto made = state.ensure_keys(random);
  if (!made) return std::unexpected(made.error());
  if (*made)
    log.info("first start: made a signing secret and an admin key",
             {{"key_in", secrets.keys_path}, {"state_dir", state.path()}});
  return secrets;
}

}  // namespace

// Members are made from the top and may refer to those above them.
struct Server::Parts {
  Parts(net::Loop& loop_, StateDir state_, KeyFile keys_, std::string secret,
        const Options& options)
      : loop(loop_),
        state(std::move(state_)),
        keys(std::move(keys_)),
        tokens(std::move(secret)),
        ice(options.ice),
        http_api({authenticator, directory, tasks, signaling, ice}, anonymous_for(options)) {
    bus.subscribe(log_event);
  }

  net::Loop& loop;
  crypto::SystemRandom random;
  StateDir state;
  KeyFile keys;
  Tokens tokens;
  Authenticator authenticator{keys, tokens};
  IceConfig ice;
  MemoryStore store;
  LocalBus bus;
  Directory directory{store, bus,
                      [this](const PeerId& peer) { return keys.keys(net::now()).names(peer); }};
  TaskBoard tasks{store, bus, directory, random};
  SignalingHub signaling{bus};
  HttpApi http_api;
  WsApi ws_api{signaling, authenticator, moment_now};
  std::unique_ptr<net::HttpServer> http;

  // Nobody may be asking when a task's time is up.
  static constexpr Duration expire_every = std::chrono::seconds(1);
  net::Timer expire_timer{loop, [this] { expire(); }};
  void expire() {
    tasks.expire(moment_now());
    expire_timer.expires_after(expire_every);
  }

  static constexpr Duration drain_check_every = std::chrono::milliseconds(20);
  static constexpr Duration drain_max = std::chrono::seconds(2);
  std::function<void()> drained;
  Instant drain_until = never;
  net::Timer drain_timer{loop, [this] { drain(); }};
  void drain() {
    const bool is_idle = signaling.session_count() == 0;
    if (is_idle || net::now() >= drain_until) return drained();
    drain_timer.expires_after(drain_check_every);
  }
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(net::Loop& loop, const Options& options) {
  auto state = StateDir::open(options.state_dir);
  if (!state) return std::unexpected(state.error());
  crypto::SystemRandom random;
  auto secrets = prepare(options, *state, random);
  if (!secrets) return std::unexpected(secrets.error());
  auto keys = KeyFile::open(secrets->keys_path, net::now());
  if (!keys) return std::unexpected(keys.error());

  auto parts = std::make_unique<Parts>(loop, *std::move(state), *std::move(keys),
                                       std::move(secrets->signing), options);
  net::HttpServer::Handlers handlers{
      .on_request =
          [&api = parts->http_api](const net::HttpRequest& request, net::HttpResponder respond) {
            api.handle(moment_now(), request, std::move(respond));
          },
      .on_upgrade = [&api = parts->ws_api](
                        const net::HttpRequest& request) { return api.check_upgrade(request); },
      .on_websocket =
          [&api = parts->ws_api](const net::HttpRequest& request,
                                 std::shared_ptr<net::WebSocket> socket) {
            api.accept(request, std::move(socket));
          }};
  auto http = net::HttpServer::listen(loop, Endpoint{options.listen, options.port}, {},
                                      std::move(handlers));
  if (!http) return std::unexpected(http.error());
  parts->http = *std::move(http);
  parts->expire();
  log_posture(options);
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

std::string Server::url() const {
  return "http://" + parts_->http->local().to_string();
}

const std::string& Server::state_dir() const {
  return parts_->state.path();
}

const std::string& Server::keys_path() const {
  return parts_->keys.path();
}

void Server::shut_down(std::function<void()> done) {
  parts_->expire_timer.cancel();
  parts_->http->shut_down();
  parts_->drained = std::move(done);
  parts_->drain_until = net::now() + Parts::drain_max;
  // Not at once: what shut_down() queued leaves in the loop's next turns.
  parts_->drain_timer.expires_after(Parts::drain_check_every);
}

Result<std::string> add_key(const Options& options) {
  std::string path = options.keys_file;
  if (path.empty()) {
    const auto state = StateDir::open(options.state_dir);
    if (!state) return std::unexpected(state.error());
    path = state->keys_path();
  }
  crypto::SystemRandom random;
  return add_key(path, options.new_key, random);
}

}  // namespace chatixia::registry
