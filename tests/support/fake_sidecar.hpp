#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "json/json.hpp"
#include "net/line_socket.hpp"
#include "net/loop.hpp"
#include "protocol/ipc.hpp"
#include "protocol/mesh_message.hpp"

namespace chatixia::test {

// What an agent finds at its socket: takes commands, remembers them, and says what it is told to.
class FakeSidecar {
 public:
  // Answers a command with an id; the first thing a sidecar has to be able to do.
  using OnCommand = std::function<void(FakeSidecar&, const protocol::ipc::Command&)>;

  FakeSidecar(net::Loop& loop, const std::string& path, OnCommand on_command = answer_ok)
      : on_command_(std::move(on_command)) {
    auto made = net::LineServer::listen(
        loop, path, {.line_bytes_max = limits::ipc_line_bytes_max, .queue_bytes_max = 16 << 20},
        [this](auto connection) { take(std::move(connection)); });
    EXPECT_TRUE(made) << made.error().message();
    if (made) server_ = std::move(*made);
  }

  static void answer_ok(FakeSidecar& sidecar, const protocol::ipc::Command& command) {
    if (command.id) sidecar.say(protocol::ipc::encode_ok(*command.id));
  }

  // As answer_ok, and tells who it is when it is asked.
  static OnCommand answer_as(std::string self) {
    return [self](FakeSidecar& sidecar, const protocol::ipc::Command& command) {
      if (std::holds_alternative<protocol::ipc::Status>(command.body))
        sidecar.say(protocol::ipc::encode_status_event(command.id, {{"self", self}}));
      answer_ok(sidecar, command);
    };
  }
  // Takes commands and says nothing.
  static void answer_nothing(FakeSidecar&, const protocol::ipc::Command&) {}

  void on_command(OnCommand on_command) { on_command_ = std::move(on_command); }
  bool is_connected() const { return connection_ != nullptr; }
  // Every line so far, as it came.
  const std::vector<std::string>& lines() const { return lines_; }
  protocol::ipc::Command command(std::size_t index) const {
    return *protocol::ipc::parse_command(lines_.at(index));
  }
  // The messages that were sent so far, of one type or of all.
  std::vector<protocol::mesh::Message> messages(std::string_view type = {}) const {
    std::vector<protocol::mesh::Message> found;
    for (const std::string& line : lines_) {
      const auto command = protocol::ipc::parse_command(line);
      const auto* const send = std::get_if<protocol::ipc::Send>(&command->body);
      if (!send) continue;
      const auto message = protocol::mesh::Message::parse(send->message);
      if (message && (type.empty() || message->type == type)) found.push_back(*message);
    }
    return found;
  }
  int connections() const { return connections_; }
  // A peer says this to the agent.
  void say_from(const std::string& peer, const protocol::mesh::Message& message) {
    say(protocol::ipc::encode_message(PeerId(peer), message.encode()));
  }
  void say(const std::string& line) { EXPECT_TRUE(connection_ && connection_->send_line(line)); }
  void refuse(const protocol::ipc::Command& command, std::string_view code) {
    say(protocol::ipc::encode_error(command.id, protocol::make_problem(code), std::nullopt));
  }
  // As if it had crashed.
  void hang_up() { connection_.reset(); }

 private:
  void take(std::shared_ptr<net::LineConnection> connection) {
    ++connections_;
    connection_ = std::move(connection);
    connection_->start({.on_line =
                            [this](std::string_view line) {
                              lines_.emplace_back(line);
                              const auto command = protocol::ipc::parse_command(lines_.back());
                              ASSERT_TRUE(command) << line;
                              on_command_(*this, *command);
                            },
                        .on_closed = [this](const std::string&) { connection_.reset(); }});
  }

  OnCommand on_command_;
  std::vector<std::string> lines_;
  int connections_ = 0;
  std::shared_ptr<net::LineConnection> connection_;
  std::unique_ptr<net::LineServer> server_;
};

}  // namespace chatixia::test
