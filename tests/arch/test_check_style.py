from in_tree import InTree

import check_style

BAD_LINES = {
    "clock": "auto now = std::chrono::steady_clock::now();",
    "thread": "std::this_thread::sleep_for(1s);",
    "socket": "const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);",
    "random": "std::random_device device;",
    "await": "if ((co_await one()) != 1) co_return;",
    "detached": "co_spawn(loop, run(), asio::detached);",
    "assert": "assert(ok);",
    "leftover": "// TO" "DO: later",
    "tab": "\tint a;",
    "space": "int a; ",
}
GOOD_LINES = (
    "void f(Instant now) { agent.socket(now); Agent::socket(now); }",
    "// steady_clock::now is read by the driver alone",
    'const char* text = "std::thread";',
    "const char quote = '\"'; const int seen = 1'000'000;",
    "if (int v = co_await one(); v != 1) co_return;",
    "const int v = co_await one();",
    "static_assert(sizeof(int) == 4);",
    "Duration lifetime(3); handle_time(now); x.time(now);",
)


class CheckStyle(InTree):
    def rules(self, where: str, text: str) -> list[str]:
        self.write(where, text)
        return [rule for rule, file, _ in check_style.find_problems(self.root) if file == where]

    def test_finds_each_violation(self) -> None:
        for rule, line in BAD_LINES.items():
            with self.subTest(rule):
                self.assertEqual(self.rules("src/mesh/bad.cpp", line + "\n"), [rule])

    def test_leaves_good_lines_alone(self) -> None:
        for line in GOOD_LINES:
            with self.subTest(line):
                self.assertEqual(self.rules("src/mesh/good.cpp", line + "\n"), [])

    def test_lets_net_use_the_kernel(self) -> None:
        text = BAD_LINES["socket"] + "\n" + BAD_LINES["clock"] + "\n"
        self.assertEqual(self.rules("src/net/udp.cpp", text), [])

    def test_finds_an_await_in_a_condition_of_several_lines(self) -> None:
        self.assertEqual(self.rules("src/net/a.cpp", "while (a &&\n       co_await b()) {}\n"),
                         ["await"])

    def test_finds_long_files_and_missing_newlines(self) -> None:
        self.assertEqual(self.rules("src/net/a.cpp", "\n" * (check_style.LINES_MAX + 1)),
                         ["length"])
        self.assertEqual(self.rules("src/net/a_test.cpp", "\n" * (check_style.LINES_MAX + 1)), [])
        self.assertEqual(self.rules("src/net/a_test.cpp", "\n" * (check_style.TEST_LINES_MAX + 1)),
                         ["length"])
        self.assertEqual(self.rules("src/net/a.cpp", "int a;"), ["newline"])

    def test_finds_a_header_outside_its_namespace(self) -> None:
        text = "#pragma once\nnamespace chatixia::mesh {}\n"
        self.assertEqual(self.rules("src/mesh/a.hpp", text), [])
        self.assertEqual(self.rules("src/rtc/ice/a.hpp", text), ["namespace"])
        self.assertEqual(self.rules("src/rtc/ice/a.hpp", "namespace chatixia::rtc::ice {}\n"),
                         ["once"])

    def test_wants_a_source_to_include_its_own_header_first(self) -> None:
        self.write("src/mesh/a.hpp", "#pragma once\nnamespace chatixia::mesh {}\n")
        good = '#include "mesh/a.hpp"\n\n#include <vector>\n'
        self.assertEqual(self.rules("src/mesh/a.cpp", good), [])
        self.assertEqual(self.rules("src/mesh/a.cpp", "#include <vector>\n" + good), ["header"])
        self.assertEqual(self.rules("src/mesh/a.cpp", ""), ["header"])
        self.assertEqual(self.rules("src/mesh/b.cpp", "#include <vector>\n"), [])

    def test_honours_an_exception_and_refuses_an_idle_one(self) -> None:
        self.write("src/mesh/a.cpp", "assert(ok);\n")
        self.write(check_style.EXCEPTIONS, "assert src/mesh/a.cpp for this test\n")
        self.assertEqual(check_style.check(self.root), [])
        self.write("src/mesh/a.cpp", "\n")
        self.assertIn("excuses nothing", check_style.check(self.root)[0])
