#include "sidecar/parent.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>

#include <sys/prctl.h>
#include <unistd.h>

namespace chatixia::sidecar {

namespace {

// Of a parent with several threads each one that dies sends the signal, as the child goes from one
// to the next. A second SIGTERM would end this process without a goodbye, so it gets one.
constexpr int death_signal = SIGUSR1;
std::atomic_flag is_told = ATOMIC_FLAG_INIT;

void on_death(int) {
  if (!is_told.test_and_set()) ::kill(::getpid(), SIGTERM);
}

}  // namespace

bool end_with_parent(int pid) {
  if (pid == 0) return true;
  struct sigaction action{};
  action.sa_handler = on_death;
  action.sa_flags = SA_RESTART;
  ::sigaction(death_signal, &action, nullptr);
  // First the request, then the look: a parent that ends in between is seen here.
  ::prctl(PR_SET_PDEATHSIG, death_signal);
  if (::getppid() == pid) return true;
  ::prctl(PR_SET_PDEATHSIG, 0);
  return ::kill(pid, 0) == 0 || errno != ESRCH;
}

}  // namespace chatixia::sidecar
