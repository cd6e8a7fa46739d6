#include "sidecar/parent.hpp"

#include <cerrno>
#include <csignal>

#include <sys/prctl.h>
#include <unistd.h>

namespace chatixia::sidecar {

bool end_with_parent(int pid) {
  if (pid == 0) return true;
  // First the request, then the look: a parent that ends in between is seen here.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() == pid) return true;
  ::prctl(PR_SET_PDEATHSIG, 0);
  return ::kill(pid, 0) == 0 || errno != ESRCH;
}

}  // namespace chatixia::sidecar
