#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/result.hpp"
#include "base/time.hpp"

namespace chatixia::agent {

// A sidecar that runs as our child; destroying it asks it to stop, waits, and at last ends it.
class SidecarProcess {
 public:
  // Starts `path` with our environment and `environment` over it.
  static Result<SidecarProcess> start(const std::string& path,
                                      const std::map<std::string, std::string>& environment);
  SidecarProcess(SidecarProcess&& other) noexcept;
  SidecarProcess& operator=(SidecarProcess&& other) noexcept;
  ~SidecarProcess();

  // How it ended, in words; nothing while it runs.
  std::optional<std::string> poll_exit();
  // SIGTERM, and SIGKILL when it is still there after `grace`. Blocks.
  void stop(Duration grace = std::chrono::seconds(5));
  pid_t pid() const { return pid_; }

 private:
  explicit SidecarProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_ = 0;  // zero when it has ended or moved away
  std::string how_it_ended_;
};

// The sidecar program: the configured path, then SIDECAR_BINARY, then chatixia-sidecar in PATH.
// A path that is named but cannot be run is an error, not a reason to look further.
using GetVariable = std::function<std::optional<std::string>(const std::string& name)>;
Result<std::string> find_sidecar(const std::string& configured, const GetVariable& variable);

}  // namespace chatixia::agent
