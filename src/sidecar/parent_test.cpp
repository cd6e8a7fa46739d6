#include "sidecar/parent.hpp"

#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace chatixia::sidecar {
namespace {

// Runs `body` in a child and tells how the child ended.
template <class Body>
int status_of_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

// A process that has ended, and was collected.
pid_t dead_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

int death_signal() {
  int signal = -1;
  ::prctl(PR_GET_PDEATHSIG, &signal);
  return signal;
}

TEST(Parent, WithoutOneNothingIsAskedFor) {
  EXPECT_TRUE(end_with_parent(0));
  EXPECT_EQ(death_signal(), 0);
}

TEST(Parent, OneThatHasEndedIsNoReasonToStart) {
  EXPECT_FALSE(end_with_parent(dead_process()));
}

TEST(Parent, AProcessThatIsNotOurParentIsNotFollowed) {
  EXPECT_TRUE(end_with_parent(::getpid()));
  EXPECT_EQ(death_signal(), 0);
}

// The test is the grandparent, which collects what the parent leaves behind.
TEST(Parent, ItsEndIsOurs) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const int parent_status = status_of_child([] {
    const pid_t parent = ::getpid();
    int ready[2];
    if (::pipe(ready) != 0) ::_exit(1);
    if (::fork() == 0) {
      ::signal(SIGTERM, SIG_DFL);
      const char yes = end_with_parent(parent) ? 'y' : 'n';
      if (::write(ready[1], &yes, 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char answer = 0;
    if (::read(ready[0], &answer, 1) != 1 || answer != 'y') ::_exit(1);
    ::kill(parent, SIGKILL);
  });
  ASSERT_TRUE(WIFSIGNALED(parent_status));
  EXPECT_EQ(WTERMSIG(parent_status), SIGKILL);
  int status = 0;
  ASSERT_GT(::waitpid(-1, &status, 0), 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

volatile std::sig_atomic_t terminations = 0;

// Each thread of a parent that dies tells its children; a second signal would end a sidecar at
// once.
TEST(Parent, ItsEndIsToldOnceWhateverItsThreads) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const pid_t grandparent = ::getpid();
  status_of_child([&] {
    const pid_t parent = ::getpid();
    int ready[2];
    if (::pipe(ready) != 0) ::_exit(1);
    if (::fork() == 0) {
      ::signal(SIGTERM, [](int) { terminations = terminations + 1; });
      const char yes = end_with_parent(parent) ? 'y' : 'n';
      if (::write(ready[1], &yes, 1) != 1) ::_exit(1);
      while (::getppid() != grandparent || terminations == 0) ::usleep(1'000);
      ::_exit(terminations);
    }
    char answer = 0;
    if (::read(ready[0], &answer, 1) != 1 || answer != 'y') ::_exit(1);
    for (int i = 0; i < 8; ++i) std::thread([] { ::pause(); }).detach();
    ::kill(parent, SIGKILL);
  });
  int status = 0;
  ASSERT_GT(::waitpid(-1, &status, 0), 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

}  // namespace
}  // namespace chatixia::sidecar
