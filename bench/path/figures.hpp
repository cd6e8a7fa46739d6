#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace chatixia::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The value below which `fraction` of the samples lie.
double percentile(std::vector<double> samples, double fraction);

// {"p50":...,"p99":...} of the samples, as one line on standard output.
void print_percentiles(const std::vector<double>& samples);

// Processor time of this process, all threads, user and system.
double cpu_seconds();
// Processor time of the main threads of these processes so far.
double cpu_seconds(const std::vector<int>& processes);
// Resident memory of this process.
std::size_t resident_bytes();

// "--name=value" on the command line, or `fallback`.
std::string option(int argc, char** argv, std::string_view name, std::string_view fallback);
// "--name=1,2,3".
std::vector<int> numbers_option(int argc, char** argv, std::string_view name);
double number_option(int argc, char** argv, std::string_view name, double fallback);

}  // namespace chatixia::bench
