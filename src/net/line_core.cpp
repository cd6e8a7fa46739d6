#include "net/line_core.hpp"

#include <cerrno>

#include <boost/asio/post.hpp>
#include <sys/socket.h>

#include "base/assert.hpp"

namespace chatixia::net {
namespace {

// A flood on one connection must leave the loop to the others now and then.
constexpr int reads_in_a_row_max = 4;

// A queue this long does not wait for the turn's end: the reader could be working on it.
constexpr std::size_t eager_flush_bytes = 128 * 1024;

// Memory that a burst took is given back above this.
constexpr std::size_t kept_capacity_max = 1024 * 1024;

}  // namespace

LineCore::LineCore(Loop& loop, UniqueFd fd, const LineConnection::Options& options,
                   std::shared_ptr<void> slot)
    : loop_(loop),
      options_(options),
      socket_(executor_of(loop), fd.release()),
      slot_(std::move(slot)),
      linger_(loop, [this] { finish("closed; the other side did not read in time"); }),
      reader_(options.line_bytes_max) {}

void LineCore::start(LineConnection::Handlers handlers) {
  expects(handlers_ == nullptr);
  handlers_ = std::make_shared<LineConnection::Handlers>(std::move(handlers));
  if (state_ == State::open) await_readable();
}

void LineCore::await_readable() {
  socket_.async_wait(Descriptor::wait_read, [self = shared_from_this()](ErrorCode error) {
    if (!error) self->on_readable();
  });
}

void LineCore::on_readable() {
  for (int i = 0; i < reads_in_a_row_max; ++i) {
    // A handler may drop the connection, and with it the handlers; the copy keeps them alive.
    const auto handlers = handlers_;
    if (state_ != State::open || !handlers) return;
    const auto space = reader_.space();
    const ssize_t size = ::recv(socket_.native_handle(), space.data(), space.size(), MSG_DONTWAIT);
    if (size == 0) return finish("");
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return await_readable();
    if (size < 0) return finish(errno == ECONNRESET ? "" : last_error().message());
    reader_.commit(static_cast<std::size_t>(size));
    deliver_lines(*handlers);
    if (state_ != State::open) return;
    if (static_cast<std::size_t>(size) < space.size()) return await_readable();
  }
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->on_readable(); });
}

void LineCore::deliver_lines(const LineConnection::Handlers& handlers) {
  std::string_view line;
  while (state_ == State::open && handlers_ != nullptr) {
    const auto cut = reader_.next(line);
    if (cut == LineReader::Cut::nothing) return;
    if (cut == LineReader::Cut::line && handlers.on_line) handlers.on_line(line);
    if (cut == LineReader::Cut::oversized && handlers.on_oversized) handlers.on_oversized();
  }
}

bool LineCore::send_line(std::string_view line) {
  expects(line.find('\n') == std::string_view::npos);
  if (state_ != State::open) return false;
  if (queued_bytes() + line.size() + 1 > options_.queue_bytes_max) {
    refused_ = true;
    return false;
  }
  if (sent_ > queue_.size() / 2) {  // amortised: each byte moves at most once
    is_mid_line_ = is_mid_line();
    queue_.erase(0, sent_);
    sent_ = 0;
  }
  queue_.append(line);
  queue_.push_back('\n');
  if (queued_bytes() >= eager_flush_bytes && !awaits_writable_)
    flush();
  else
    schedule_flush();
  return true;
}

bool LineCore::is_mid_line() const {
  if (queued_bytes() == 0) return false;
  return sent_ > 0 ? queue_[sent_ - 1] != '\n' : is_mid_line_;
}

LineConnection::Unsent LineCore::take_unsent() {
  LineConnection::Unsent unsent{.lines = {}, .is_cut = is_mid_line()};
  std::string_view rest = std::string_view(queue_).substr(sent_);
  if (unsent.is_cut) rest.remove_prefix(rest.find('\n') + 1);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    unsent.lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  queue_.clear();
  sent_ = 0;
  return unsent;
}

void LineCore::schedule_flush() {
  if (flush_scheduled_ || awaits_writable_) return;
  flush_scheduled_ = true;
  loop_.at_turn_end([self = shared_from_this()] {
    self->flush_scheduled_ = false;
    self->flush();
  });
}

void LineCore::flush() {
  if (state_ == State::closed || awaits_writable_) return;
  while (!broken_ && sent_ < queue_.size()) {
    const ssize_t size = ::send(socket_.native_handle(), queue_.data() + sent_,
                                queue_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return await_writable();
    // The reading side sees the end as well, and may find last words before it.
    if (size < 0)
      broken_ = true;
    else
      sent_ += static_cast<std::size_t>(size);
  }
  if (broken_) {
    if (state_ == State::flushing) finish("closed");
    return;
  }
  queue_.clear();
  if (queue_.capacity() > kept_capacity_max) queue_.shrink_to_fit();
  sent_ = 0;
  is_mid_line_ = false;
  if (state_ == State::flushing) return finish("closed");
  announce_room();
}

void LineCore::await_writable() {
  announce_room();
  if (awaits_writable_ || state_ == State::closed) return;
  awaits_writable_ = true;
  socket_.async_wait(Descriptor::wait_write, [self = shared_from_this()](ErrorCode error) {
    self->awaits_writable_ = false;
    if (!error) self->flush();
  });
}

// Posted, because a flush may happen within the user's own send_line().
void LineCore::announce_room() {
  if (!refused_ || queued_bytes() > options_.queue_bytes_max / 2) return;
  refused_ = false;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    const auto handlers = self->handlers_;
    if (self->state_ == State::open && handlers && handlers->on_writable) handlers->on_writable();
  });
}

void LineCore::close() {
  if (state_ != State::open || loop_.native().ended) return;
  state_ = State::flushing;
  linger_.expires_after(options_.close_within);
  schedule_flush();
}

void LineCore::abandon() {
  handlers_ = nullptr;
  close();
}

void LineCore::finish(std::string reason) {
  if (std::exchange(state_, State::closed) == State::closed) return;
  const auto self = shared_from_this();  // on_closed may drop the last owner
  linger_.cancel();
  ErrorCode ignored;
  socket_.close(ignored);
  slot_ = nullptr;
  // The handlers often hold the connection itself; letting go of them breaks that circle.
  const auto handlers = std::exchange(handlers_, nullptr);
  if (handlers && handlers->on_closed) handlers->on_closed(std::move(reason));
}

}  // namespace chatixia::net
