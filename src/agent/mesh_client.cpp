#include "agent/mesh_client.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/log.hpp"

namespace chatixia::agent {
namespace {

namespace ipc = protocol::ipc;
namespace mesh = protocol::mesh;

constexpr Log log("agent");

bool is_chunk(const mesh::Message& message) {
  return message.type == mesh::type::task_stream_chunk ||
         message.type == mesh::type::agent_stream_chunk;
}

// Types that ask; one whose request id happens to be ours is still no answer.
bool is_question(const mesh::Message& message) {
  constexpr std::array questions = {mesh::type::ping, mesh::type::task_request,
                                    mesh::type::skill_query, mesh::type::agent_prompt};
  return std::ranges::find(questions, message.type) != questions.end();
}

// Two runs of one agent must not take each other's late answers for theirs.
std::string make_id_prefix(const AgentId& self) {
  return fmt::format("{}-{:x}-", self.value().substr(0, limits::id_bytes_max / 2),
                     net::wall_now().time_since_epoch().count());
}

// An answer that carries nothing but success.
std::function<void(Result<ipc::Event>)> expect_ok(MeshClient::Callback<void> done) {
  return [done = std::move(done)](Result<ipc::Event> answer) {
    if (!done) return;
    if (answer) return done({});
    done(std::unexpected(std::move(answer.error())));
  };
}

// An answer that is an event of one kind.
template <class Kind, class T>
std::function<void(Result<ipc::Event>)> expect(T Kind::* member, MeshClient::Callback<T> done) {
  return [member, done = std::move(done)](Result<ipc::Event> answer) {
    if (!answer) return done(std::unexpected(std::move(answer.error())));
    auto* const kind = std::get_if<Kind>(&answer->body);
    if (!kind) return done(fail(Errc::internal, "the sidecar gave another answer"));
    done(std::move(kind->*member));
  };
}

}  // namespace

MeshClient::MeshClient(net::Loop& loop, Options options, std::function<void(Event)> on_event)
    : options_(std::move(options)),
      on_event_(std::move(on_event)),
      commands_(options_.pending_max),
      requests_(options_.pending_max),
      timer_(loop, [this] { on_timeout(); }),
      id_prefix_(make_id_prefix(options_.self)) {}

void MeshClient::attach(std::shared_ptr<net::LineConnection> connection) {
  connection_ = std::move(connection);
  connection_->start({.on_line = [this](std::string_view line) { on_line(line); },
                      .on_oversized = [] { log.warning("line from the sidecar is too long"); },
                      .on_closed =
                          [this](const std::string& reason) {
                            const Error error{Errc::sidecar_gone, reason};
                            detach(error);
                            on_event_(Closed{error});
                          },
                      .on_writable = {}});
}

void MeshClient::detach(const Error& reason) {
  if (const auto connection = std::exchange(connection_, nullptr)) connection->close();
  for (Answer& answer : commands_.take_all()) answer(std::unexpected(reason));
  for (Request& request : requests_.take_all()) request.done(std::unexpected(reason));
  arm();
}

void MeshClient::send(const PeerId& to, const mesh::Message& message, Callback<void> done) {
  const std::string id = next_id();
  const std::string text = message.encode();
  if (text.size() > limits::message_bytes_max) {
    if (done) done(fail(Errc::message_too_large));
    return;
  }
  command(id, ipc::encode_send(id, to, text), expect_ok(std::move(done)));
}

void MeshClient::reply(const PeerId& to, const mesh::Message& question, std::string_view type,
                       json::Object payload, Callback<void> done) {
  send(to,
       {.type = std::string(type),
        .request_id = question.request_id,
        .source_agent = options_.self.value(),
        .target_agent = question.source_agent,
        .payload = std::move(payload)},
       std::move(done));
}

void MeshClient::broadcast(const mesh::Message& message, Callback<void> done) {
  const std::string id = next_id();
  const std::string text = message.encode();
  if (text.size() > limits::message_bytes_max) {
    if (done) done(fail(Errc::message_too_large));
    return;
  }
  command(id, ipc::encode_broadcast(id, text), expect_ok(std::move(done)));
}

void MeshClient::list_peers(Callback<std::vector<PeerId>> done) {
  const std::string id = next_id();
  command(id, ipc::encode_list_peers(id), expect(&ipc::PeerListEvent::peers, std::move(done)));
}

void MeshClient::connect(const PeerId& peer, Callback<void> done) {
  const std::string id = next_id();
  command(id, ipc::encode_connect(id, peer), expect_ok(std::move(done)));
}

void MeshClient::status(Callback<json::Object> done) {
  const std::string id = next_id();
  command(id, ipc::encode_status(id), expect(&ipc::StatusEvent::status, std::move(done)));
}

void MeshClient::request(const PeerId& to, mesh::Message message, Instant deadline,
                         OnChunk on_chunk, Callback<mesh::Message> done) {
  message.request_id = next_id();
  const std::string id = message.request_id;
  Request request{
      .peer = to, .on_chunk = std::move(on_chunk), .done = std::move(done), .is_sent = false};
  if (requests_.is_full())
    return request.done(fail(Errc::too_many_requests, "too many requests are waiting"));
  (void)requests_.add(id, deadline, std::move(request));
  arm();
  send(to, message, [this, id](Result<void> sent) { on_sent(id, std::move(sent)); });
}

void MeshClient::command(const std::string& id, std::string line, Answer answer) {
  if (!connection_) return answer(fail(Errc::sidecar_gone));
  if (commands_.is_full())
    return answer(fail(Errc::too_many_requests, "too many commands are waiting"));
  if (!connection_->send_line(line)) return answer(fail(Errc::send_buffer_full));
  (void)commands_.add(id, net::now() + options_.command_timeout, std::move(answer));
  arm();
}

void MeshClient::on_line(std::string_view line) {
  auto event = ipc::parse_event(line);
  if (!event) {
    log.warning("line from the sidecar is not valid", {{"why", event.error().message()}});
    return;
  }
  if (const auto* const message = std::get_if<ipc::MessageEvent>(&event->body))
    return on_message(*message);
  if (const auto id = event->id) {
    if (const auto* const error = std::get_if<ipc::ErrorEvent>(&event->body))
      return on_answer(*id, std::unexpected(to_error(error->problem)));
    return on_answer(*id, std::move(*event));
  }
  if (auto* const error = std::get_if<ipc::ErrorEvent>(&event->body)) on_event_(std::move(*error));
  if (auto* const peer = std::get_if<ipc::PeerConnected>(&event->body)) on_event_(std::move(*peer));
  if (auto* const registry = std::get_if<ipc::RegistryConnected>(&event->body))
    on_event_(std::move(*registry));
  if (auto* const peer = std::get_if<ipc::PeerDisconnected>(&event->body)) {
    on_peer_lost(*peer);
    on_event_(std::move(*peer));
  }
}

void MeshClient::on_answer(const std::string& id, Result<ipc::Event> answer) {
  // The `ok` behind a list finds nobody: the list has answered already.
  auto pending = commands_.take(id);
  arm();
  if (pending) (*pending)(std::move(answer));
}

void MeshClient::on_message(const ipc::MessageEvent& event) {
  auto message = mesh::Message::parse(event.message);
  if (!message) {
    log.warning("message is not valid",
                {{"from", event.from.value()}, {"why", message.error().message()}});
    return;
  }
  const Request* const asked = requests_.find(message->request_id);
  // Only the peer that was asked can answer.
  if (!asked || asked->peer != event.from || is_question(*message))
    return on_event_(MessageReceived{.from = event.from, .message = std::move(*message)});

  if (is_chunk(*message)) {
    // The callback may start requests, which moves the table's entries.
    const auto on_chunk = asked->on_chunk;
    const auto chunk = mesh::StreamChunk::parse(message->payload);
    if (chunk && on_chunk) on_chunk(*chunk);
    return;
  }
  auto request = requests_.take(message->request_id);
  arm();
  request->done(std::move(*message));
}

void MeshClient::on_timeout() {
  const Instant now = net::now();
  while (const auto answer = commands_.take_expired(now))
    (*answer)(fail(Errc::deadline_exceeded, "the sidecar does not answer"));
  while (const auto request = requests_.take_expired(now))
    request->done(fail(Errc::deadline_exceeded));
  arm();
}

void MeshClient::on_sent(const std::string& id, Result<void> sent) {
  if (sent) {
    if (Request* const request = requests_.find(id)) request->is_sent = true;
    return;
  }
  auto request = requests_.take(id);
  arm();
  if (request) request->done(std::unexpected(std::move(sent.error())));
}

// What waits for its link still is sent over the next one; the rest may or may not have arrived.
void MeshClient::on_peer_lost(const ipc::PeerDisconnected& lost) {
  auto requests = requests_.take_if(
      [&](const Request& request) { return request.is_sent && request.peer == lost.peer; });
  arm();
  for (Request& request : requests) request.done(fail(Errc::peer_lost, lost.reason));
}

void MeshClient::arm() {
  timer_.expires_at(std::min(commands_.next_timeout(), requests_.next_timeout()));
}

std::string MeshClient::next_id() {
  return id_prefix_ + std::to_string(++ids_);
}

}  // namespace chatixia::agent
