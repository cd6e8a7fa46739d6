#include "path/raw_caller.hpp"

#include <cstdio>
#include <vector>

#include <fmt/format.h>

#include "json/json.hpp"
#include "path/figures.hpp"

namespace chatixia::bench {

void RawFigure::start() {
  links_.start({
      .on_open = [this](int number, auto) { handle_half_open(number); },
      .on_message = [this](int number, Bytes message) { handle_message(number, message); },
      .on_writable = [this](int number) { handle_writable(number); },
      .on_closed = [](int) {},
      .on_told =
          [this](int number, std::string_view type, std::string_view payload) {
            if (type == "opened") handle_half_open(number);
            handle_told(number, type, payload);
          },
  });
  links_.call(0);
}

void RawFigure::handle_half_open(int number) {
  if (++open_ends_[number] == 2) handle_open(number);
}

namespace {

double number_in(std::string_view payload, std::string_view key) {
  const auto object = json::parse_object(payload, {});
  if (!object) return 0;
  json::ObjectReader reader(*object);
  return reader.number_or(key, 0, 0, 1e18);
}

// From creating the first end to the channel open on both, one connection after the other.
class Setup : public RawFigure {
 public:
  Setup(net::Loop& loop, RawLinks& links, const Options& options)
      : RawFigure(loop, links), count_(options.count) {}

 private:
  void handle_open(int number) override {
    if (number > 0) milliseconds_.push_back(seconds_since(began_) * 1e3);
    if (number == count_) {
      print_percentiles(milliseconds_);
      return finish();
    }
    // The next one starts from a clean turn of the loop, with the old connection gone.
    loop().post([this, number] {
      links().close(number);
      began_ = Clock::now();
      links().call(number + 1);
    });
  }

  const int count_;
  Clock::time_point began_;
  std::vector<double> milliseconds_;
};

class Ping : public RawFigure {
 public:
  Ping(net::Loop& loop, RawLinks& links, const Options& options)
      : RawFigure(loop, links),
        count_(options.count),
        remaining_(count_ + count_ / 20),
        message_(tagged(Tag::ping, options.size)) {}

 private:
  void handle_open(int number) override { send(number); }

  void handle_message(int number, Bytes) override {
    if (--remaining_ < count_) microseconds_.push_back(seconds_since(sent_) * 1e6);
    if (remaining_ > 0) return send(number);
    print_percentiles(microseconds_);
    finish();
  }

  void send(int number) {
    sent_ = Clock::now();
    links().send(number, message_);
  }

  const int count_;
  int remaining_;
  const Buffer message_;
  Clock::time_point sent_;
  std::vector<double> microseconds_;
};

// As many messages as the buffer takes, for a time; the receiver counts, after a warm-up.
class Stream : public RawFigure, private RawLinks::Source {
 public:
  Stream(net::Loop& loop, RawLinks& links, const Options& options)
      : RawFigure(loop, links),
        seconds_(options.seconds),
        data_(tagged(Tag::data, options.size)),
        begin_(tagged(Tag::begin, 1)),
        end_(tagged(Tag::end, 1)) {}

 private:
  void handle_open(int number) override {
    started_ = Clock::now();
    links().send_from(number, *this);
  }
  void handle_writable(int number) override { links().send_from(number, *this); }

  Bytes peek() override {
    switch (phase_) {
      case Phase::begin:
        return begin_;
      case Phase::end:
        return end_;
      case Phase::over:
        return {};
      case Phase::warm_up:
      case Phase::measured:
        return data_;
    }
    return {};
  }

  void pop() override {
    if (phase_ == Phase::begin) {
      phase_ = Phase::measured;
      cpu_began_ = cpu_seconds();
    } else if (phase_ == Phase::end) {
      phase_ = Phase::over;
    } else if (++sent_ % clock_interval == 0 || data_.size() >= large_bytes) {
      const double elapsed = seconds_since(started_);
      if (phase_ == Phase::warm_up && elapsed > seconds_ / 4) phase_ = Phase::begin;
      if (phase_ == Phase::measured && elapsed > seconds_ * 5 / 4) phase_ = Phase::end;
    }
  }

  void handle_told(int, std::string_view type, std::string_view payload) override {
    if (type != "received") return;
    const double seconds = number_in(payload, "seconds");
    const double bytes = number_in(payload, "bytes");
    const double cpu = number_in(payload, "cpu_s") + cpu_seconds() - cpu_began_;
    fmt::print("{{\"messages_per_s\":{:.0f},\"mb_per_s\":{:.2f},\"cpu_s_per_gb\":{:.2f}}}\n",
               number_in(payload, "messages") / seconds, bytes / seconds / 1e6, cpu / bytes * 1e9);
    finish();
  }

  enum class Phase { warm_up, begin, measured, end, over };
  // Reading the clock for each small message would show in the figure.
  static constexpr std::uint64_t clock_interval = 64;
  static constexpr std::size_t large_bytes = 4096;

  const double seconds_;
  const Buffer data_;
  const Buffer begin_;
  const Buffer end_;
  Phase phase_ = Phase::warm_up;
  std::uint64_t sent_ = 0;
  Clock::time_point started_;
  double cpu_began_ = 0;
};

// Resident memory of both processes before and after further connections, each of which has
// carried one message each way.
class Memory : public RawFigure {
 public:
  Memory(net::Loop& loop, RawLinks& links, const Options& options)
      : RawFigure(loop, links), count_(options.count), message_(tagged(Tag::ping, 256)) {}

 private:
  void handle_open(int number) override { links().send(number, message_); }

  void handle_message(int number, Bytes) override {
    if (number == 0 || number == count_) return links().tell(number, "memory?", "{}");
    links().call(number + 1);
  }

  void handle_told(int number, std::string_view type, std::string_view payload) override {
    if (type != "memory") return;
    const double both = number_in(payload, "bytes") + static_cast<double>(resident_bytes());
    if (number == 0) {
      before_ = both;
      return links().call(1);
    }
    fmt::print("{{\"kib_per_connection\":{:.1f}}}\n", (both - before_) / 2 / count_ / 1024);
    finish();
  }

  const int count_;
  const Buffer message_;
  double before_ = 0;
};

}  // namespace

std::unique_ptr<RawFigure> RawFigure::make(std::string_view name, net::Loop& loop, RawLinks& links,
                                           const Options& options) {
  if (name == "setup") return std::make_unique<Setup>(loop, links, options);
  if (name == "ping") return std::make_unique<Ping>(loop, links, options);
  if (name == "stream") return std::make_unique<Stream>(loop, links, options);
  if (name == "memory") return std::make_unique<Memory>(loop, links, options);
  return nullptr;
}

}  // namespace chatixia::bench
