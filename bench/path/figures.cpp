#include "path/figures.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

namespace chatixia::bench {

double percentile(std::vector<double> samples, double fraction) {
  if (samples.empty()) return std::nan("");
  const auto rank = static_cast<std::size_t>(fraction * static_cast<double>(samples.size() - 1));
  const auto nth = samples.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(samples.begin(), nth, samples.end());
  return *nth;
}

void print_percentiles(const std::vector<double>& samples) {
  fmt::print("{{\"p50\":{:.3f},\"p99\":{:.3f}}}\n", percentile(samples, 0.50),
             percentile(samples, 0.99));
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double cpu_seconds(const std::vector<int>& processes) {
  double seconds = 0;
  for (const int process : processes) {
    // In nanoseconds; /proc/PID/stat counts in hundredths of a second.
    std::ifstream schedule(fmt::format("/proc/{}/schedstat", process));
    double nanoseconds = 0;
    schedule >> nanoseconds;
    seconds += nanoseconds * 1e-9;
  }
  return seconds;
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total_pages = 0;
  std::size_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::string option(int argc, char** argv, std::string_view name, std::string_view fallback) {
  const std::string prefix = fmt::format("--{}=", name);
  for (int index = 1; index < argc; ++index) {
    const std::string_view argument = argv[index];
    if (argument.starts_with(prefix)) return std::string(argument.substr(prefix.size()));
  }
  return std::string(fallback);
}

std::vector<int> numbers_option(int argc, char** argv, std::string_view name) {
  std::istringstream text(option(argc, argv, name, ""));
  std::vector<int> numbers;
  for (std::string number; std::getline(text, number, ',');) numbers.push_back(std::stoi(number));
  return numbers;
}

double number_option(int argc, char** argv, std::string_view name, double fallback) {
  const std::string text = option(argc, argv, name, "");
  return text.empty() ? fallback : std::stod(text);
}

}  // namespace chatixia::bench
