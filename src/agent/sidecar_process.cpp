#include "agent/sidecar_process.hpp"

#include <cerrno>
#include <csignal>
#include <spawn.h>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/errc.hpp"

namespace chatixia::agent {
namespace {

std::vector<std::string> merged(const std::map<std::string, std::string>& ours) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text(*entry);
    if (!ours.contains(std::string(text.substr(0, text.find('='))))) all.emplace_back(text);
  }
  for (const auto& [name, value] : ours) all.push_back(fmt::format("{}={}", name, value));
  return all;
}

// What the child takes over from us: no input, default signals, nothing blocked.
class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t changed;
    sigemptyset(&none);
    sigemptyset(&changed);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) sigaddset(&changed, signal);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &changed);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::string describe(int status) {
  if (WIFSIGNALED(status)) return fmt::format("it was ended by signal {}", WTERMSIG(status));
  return fmt::format("it ended with exit code {}", WEXITSTATUS(status));
}

bool is_program(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

Result<SidecarProcess> SidecarProcess::start(
    const std::string& path, const std::map<std::string, std::string>& environment) {
  std::vector<std::string> variables = merged(environment);
  std::vector<char*> pointers;
  pointers.reserve(variables.size() + 1);
  for (std::string& variable : variables) pointers.push_back(variable.data());
  pointers.push_back(nullptr);
  std::string name = path;
  char* arguments[] = {name.data(), nullptr};

  const SpawnSettings settings;
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, path.c_str(), settings.actions(), settings.attributes(),
                                  arguments, pointers.data());
  if (error != 0)
    return fail(
        Errc::sidecar_failed,
        fmt::format("{}: {}", path, std::error_code(error, std::generic_category()).message()));
  return SidecarProcess(pid);
}

SidecarProcess::SidecarProcess(SidecarProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), how_it_ended_(std::move(other.how_it_ended_)) {}

SidecarProcess& SidecarProcess::operator=(SidecarProcess&& other) noexcept {
  if (this != &other) {
    stop();
    pid_ = std::exchange(other.pid_, 0);
    how_it_ended_ = std::move(other.how_it_ended_);
  }
  return *this;
}

SidecarProcess::~SidecarProcess() {
  stop();
}

std::optional<std::string> SidecarProcess::poll_exit() {
  if (pid_ == 0) return how_it_ended_;
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended == 0) return std::nullopt;
  // Whoever ignores SIGCHLD has no status to read; the process is gone all the same.
  how_it_ended_ = ended == pid_ ? describe(status) : "it ended";
  pid_ = 0;
  return how_it_ended_;
}

void SidecarProcess::stop(Duration grace) {
  constexpr auto step = std::chrono::milliseconds(10);
  if (pid_ == 0 || poll_exit()) return;
  ::kill(pid_, SIGTERM);
  for (Duration waited{}; waited < grace; waited += step) {
    if (poll_exit()) return;
    std::this_thread::sleep_for(step);
  }
  ::kill(pid_, SIGKILL);
  while (!poll_exit()) std::this_thread::sleep_for(step);
}

Result<std::string> find_sidecar(const std::string& configured, const GetVariable& variable) {
  std::string named = configured.empty() ? variable("SIDECAR_BINARY").value_or("") : configured;
  if (!named.empty()) {
    if (is_program(named)) return named;
    return fail(Errc::sidecar_not_found, fmt::format("{} is not a program", named));
  }
  const std::string path = variable("PATH").value_or("");
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find(':', start), path.size());
    std::string program = path.substr(start, end - start);
    program += "/chatixia-sidecar";
    if (end > start && is_program(program)) return program;
    start = end + 1;
  }
  return fail(Errc::sidecar_not_found,
              "chatixia-sidecar is not in PATH; set SIDECAR_BINARY to its path");
}

}  // namespace chatixia::agent
