#pragma once

#include <memory>
#include <string>

#include "net/asio_internal.hpp"
#include "net/line_reader.hpp"
#include "net/line_socket.hpp"

namespace chatixia::net {

// The state of a LineConnection; operations under way keep it alive after its handle.
class LineCore : public std::enable_shared_from_this<LineCore> {
 public:
  // `slot` is held as long as the connection; a server counts its connections with it.
  LineCore(Loop& loop, UniqueFd fd, const LineConnection::Options& options,
           std::shared_ptr<void> slot);

  void start(LineConnection::Handlers handlers);
  bool send_line(std::string_view line);
  std::size_t queued_bytes() const { return queue_.size() - sent_; }
  LineConnection::Unsent take_unsent();
  void close();
  // The handle is gone: no further call, what is queued still gets its moment.
  void abandon();

 private:
  enum class State { open, flushing, closed };

  void await_readable();
  void on_readable();
  void deliver_lines(const LineConnection::Handlers& handlers);
  void schedule_flush();
  void flush();
  void await_writable();
  void announce_room();
  bool is_mid_line() const;
  void finish(std::string reason);

  Loop& loop_;
  LineConnection::Options options_;
  Descriptor socket_;
  std::shared_ptr<void> slot_;
  Timer linger_;
  std::shared_ptr<LineConnection::Handlers> handlers_;
  State state_ = State::open;
  LineReader reader_;
  std::string queue_;
  std::size_t sent_ = 0;  // of the queue, from the front
  bool flush_scheduled_ = false;
  bool awaits_writable_ = false;
  bool refused_ = false;
  bool broken_ = false;       // nothing more can be written
  bool is_mid_line_ = false;  // the queue begins within a line
};

std::shared_ptr<LineConnection> make_line_connection(Loop& loop, UniqueFd fd,
                                                     const LineConnection::Options& options,
                                                     std::shared_ptr<void> slot);

}  // namespace chatixia::net
