#include <algorithm>

#include <gtest/gtest.h>

#include "sim/world.hpp"

// Each scenario is a process of its own (ctest starts one for each test), because usrsctp has one
// state for a process. A failing run prints its seed; CHATIXIA_SIM_SEED=N repeats it.
namespace chatixia::sim {
namespace {

using namespace std::chrono_literals;

class Mesh : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  Mesh() : seed_(seed_from_env(GetParam())), world(seed_) {}

  void TearDown() override {
    if (HasFailure()) {
      const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
      std::printf("repeat with: CHATIXIA_SIM_SEED=%llu sim_test --gtest_filter='%s.%s'\n",
                  static_cast<unsigned long long>(seed_), test->test_suite_name(), test->name());
    }
  }

  void boot_all(const std::vector<std::string>& names) {
    for (const std::string& name : names) world.boot(name);
  }
  bool all_delivered() { return world.outstanding() == 0; }
  // "a" and "b" find each other, and what either says from then on arrives.
  void expect_linked_and_heard() {
    EXPECT_TRUE(world.run_until([&] { return world.all_linked(); }, 10s));
    const std::uint64_t before = world.last_number();
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(world.send("a", "b"));
      ASSERT_TRUE(world.send("b", "a"));
    }
    EXPECT_TRUE(world.run_until([&] { return world.outstanding_after(before) == 0; }, 5s));
  }

 private:
  std::uint64_t seed_;

 protected:
  World world;
};

TEST_P(Mesh, Connects) {
  boot_all({"a", "b", "c"});
  EXPECT_TRUE(world.run_until([&] { return world.all_linked(); }, 2s));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(world.send("a", "b"));
  EXPECT_TRUE(world.run_until([&] { return all_delivered(); }, 5s));
  EXPECT_EQ(world.delivered(), 100U);
}

TEST_P(Mesh, ConnectsAndDeliversUnderTenPercentLoss) {
  world.set_weather({.loss = 0.10, .duplication = 0.02, .delay = 20ms, .jitter = 10ms});
  boot_all({"a", "b", "c"});
  EXPECT_TRUE(world.run_until([&] { return world.all_linked(); }, 20s));
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(world.send("a", "b"));
    ASSERT_TRUE(world.send("b", "a"));
  }
  EXPECT_TRUE(world.run_until([&] { return all_delivered(); }, 120s));
  EXPECT_EQ(world.delivered(), 400U);
}

TEST_P(Mesh, SettlesGlareToOneLink) {
  // Both come up without the registry and then see each other in their first peer list.
  world.stop_registry();
  boot_all({"a", "b", "c", "d"});
  world.start_registry();
  EXPECT_TRUE(world.run_until([&] { return world.all_linked(); }, 5s));
  // A link that one side replaced later would lose what is under way.
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(world.send("a", "b"));
    ASSERT_TRUE(world.send("b", "a"));
    world.run_for(20ms);
  }
  EXPECT_TRUE(world.run_until([&] { return all_delivered(); }, 5s));
  EXPECT_EQ(world.delivered(), 100U);
}

TEST_P(Mesh, LosesNothingWhenTheRegistryRestarts) {
  boot_all({"a", "b", "c"});
  ASSERT_TRUE(world.run_until([&] { return world.all_linked(); }, 2s));
  const auto exchange = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (const char* from : {"a", "b", "c"})
        for (const char* to : {"a", "b", "c"})
          if (std::string_view(from) != to) ASSERT_TRUE(world.send(from, to));
      world.run_for(10ms);
      ASSERT_TRUE(world.all_linked());
    }
  };
  exchange(20);
  world.stop_registry();
  exchange(200);
  world.start_registry();
  exchange(200);
  EXPECT_TRUE(world.run_until([&] { return all_delivered(); }, 5s));
  EXPECT_EQ(world.failed_sends(), 0U);
  EXPECT_EQ(world.delivered(), 420U * 6);
}

TEST_P(Mesh, TakesACrashedPeerBack) {
  boot_all({"a", "b"});
  ASSERT_TRUE(world.run_until([&] { return world.all_linked(); }, 2s));
  world.crash("b");
  world.run_for(world.random().up_to(60s));
  world.boot("b");
  expect_linked_and_heard();
}

TEST_P(Mesh, TakesAPeerBackAtTheAddressThatItHad) {
  boot_all({"a", "b"});
  ASSERT_TRUE(world.run_until([&] { return world.all_linked(); }, 2s));
  for (int round = 0; round < 4; ++round) {
    // What was under way for the old session meets the new one, on the same addresses.
    for (int i = 0; i < 20; ++i) world.send("a", "b");
    const char* gone = round % 2 == 0 ? "b" : "a";
    world.crash(gone);
    world.run_for(world.random().up_to(round < 2 ? 20ms : 60s));
    world.boot(gone, {.same_address = true});
    expect_linked_and_heard();
  }
}

TEST_P(Mesh, KeepsRelayedLinksWhenTheCredentialsAreRenewed) {
  for (const char* name : {"a", "b", "c"}) world.boot(name, {.relay_only = true});
  ASSERT_TRUE(world.run_until([&] { return world.all_linked(); }, 5s));
  for (const mesh::LinkReport& link : world.node("a").links()) {
    ASSERT_TRUE(link.path);
    EXPECT_EQ(link.path->local_type, rtc::ice::CandidateType::relayed);
    EXPECT_EQ(link.path->remote_type, rtc::ice::CandidateType::relayed);
  }
  for (int round = 0; round < 3; ++round) {
    world.stop_registry();
    world.run_for(world.random().up_to(10s));
    world.start_registry();
    world.renew_credentials();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(world.send("a", "b"));
    // Long enough for the allocations and permissions to be refreshed.
    EXPECT_FALSE(world.run_until([&] { return !world.all_linked(); }, 15min));
  }
  EXPECT_EQ(world.delivered(), 30U);
}

TEST_P(Mesh, TellsThePeersWhenANodeShutsDown) {
  boot_all({"a", "b"});
  ASSERT_TRUE(world.run_until([&] { return world.all_linked(); }, 2s));
  world.shut_down("b");
  EXPECT_TRUE(world.run_until([&] { return world.node("a").open_peers().empty(); }, 1s));
}

TEST_P(Mesh, HealsAfterAnAsymmetricPartition) {
  boot_all({"a", "b", "c"});
  ASSERT_TRUE(world.run_until([&] { return world.all_linked(); }, 2s));
  world.set_weather("a", "b", {.cut = true});  // b still reaches a
  const Duration span = 10s + world.random().up_to(80s);
  // Both ends notice, the one that goes on hearing the other too.
  const Duration noticed = 31s;
  world.run_for(std::min(span, noticed));
  if (span > noticed) {
    for (const auto& [one, other] : {std::pair("a", "b"), std::pair("b", "a")}) {
      const auto open = world.node(one).open_peers();
      EXPECT_EQ(std::ranges::count(open, PeerId(other)), 0) << one;
    }
    world.run_for(span - noticed);
  }
  world.heal();
  EXPECT_TRUE(world.run_until([&] { return world.all_linked(); }, 90s));
  const std::uint64_t before = world.last_number();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(world.send("a", "b"));
  EXPECT_TRUE(world.run_until([&] { return world.outstanding_after(before) == 0; }, 30s));
}

TEST_P(Mesh, ToldOfEveryMessageToAPeerThatIsGone) {
  boot_all({"a", "b"});
  ASSERT_TRUE(world.run_until([&] { return world.all_linked(); }, 2s));
  world.shut_down("b");
  ASSERT_TRUE(world.run_until([&] { return world.node("a").open_peers().empty(); }, 1s));
  int taken = 0;
  for (int i = 0; i < 1000; ++i) taken += world.send("a", "b");
  EXPECT_GT(taken, 0);
  EXPECT_LE(taken, static_cast<int>(limits::pending_messages_max));
  EXPECT_TRUE(world.run_until([&] { return all_delivered(); }, 60s));
  EXPECT_EQ(world.failed_sends(), static_cast<std::size_t>(taken));
}

TEST_P(Mesh, SurvivesAStormAndHeals) {
  boot_all({"a", "b", "c", "d"});
  const std::vector<std::string> names = {"a", "b", "c", "d"};
  std::set<std::string> down;
  for (int step = 0; step < 30; ++step) {
    const std::string& one = names[world.random().below(names.size())];
    const std::string& other = names[world.random().below(names.size())];
    switch (world.random().below(8)) {
      case 0:
        if (down.insert(one).second) world.crash(one);
        break;
      case 1:
        if (down.insert(one).second) world.shut_down(one);
        break;
      case 2:
        if (down.erase(one) > 0) world.boot(one);
        break;
      case 3:
        world.set_weather(one, other, {.cut = true});
        break;
      case 4:
        world.set_weather({.loss = 0.2, .duplication = 0.1, .delay = 30ms, .jitter = 60ms});
        break;
      case 5:
        world.heal();
        break;
      case 6:
        world.stop_registry();
        break;
      default:
        world.start_registry();
    }
    for (int i = 0; i < 5; ++i)
      if (!down.contains(one) && one != other) world.send(one, other);
    world.run_for(world.random().up_to(5s));
  }
  world.heal();
  world.stop_registry();
  world.start_registry();
  for (const std::string& name : down) world.boot(name);
  EXPECT_TRUE(world.run_until([&] { return world.all_linked(); }, 120s));
  const std::uint64_t before = world.last_number();
  for (const std::string& from : names)
    for (const std::string& to : names)
      if (from != to) EXPECT_TRUE(world.send(from, to));
  EXPECT_TRUE(world.run_until([&] { return world.outstanding_after(before) == 0; }, 30s));
}

TEST_P(Mesh, RepeatsWithItsSeed) {
  world.set_weather({.loss = 0.05, .duplication = 0.02, .delay = 10ms, .jitter = 20ms});
  boot_all({"a", "b", "c"});
  ASSERT_TRUE(world.run_until([&] { return world.all_linked(); }, 20s));
  for (int i = 0; i < 100; ++i) world.send("a", "b");
  EXPECT_TRUE(world.run_until([&] { return all_delivered(); }, 60s));
  // tests/sim/run_seeds.py runs this twice and compares.
  std::printf("trace %016llx\n", static_cast<unsigned long long>(world.trace()));
}

INSTANTIATE_TEST_SUITE_P(Seeds, Mesh, ::testing::Values(1, 2, 3),
                         [](const auto& info) { return "seed" + std::to_string(info.param); });

}  // namespace
}  // namespace chatixia::sim
