from in_tree import InTree

import check_layers

MODULES = """\
# chatixia_module(ghost DEPENDS nothing) is a comment.
chatixia_module(base)
chatixia_module(net      DEPENDS base LINKS Boost::headers)
chatixia_module(rtc/sctp DEPENDS base)
chatixia_module(mesh     DEPENDS base
                         rtc/sctp TEST_LINKS chatixia::virtual_clock)
"""


class CheckLayers(InTree):
    def setUp(self) -> None:
        super().setUp()
        self.write("src/CMakeLists.txt", MODULES)

    def problems(self, where: str, text: str) -> list[str]:
        self.write(where, text)
        return check_layers.check(self.root)

    def test_allows_what_is_declared(self) -> None:
        text = '#include <vector>\n#include "rtc/sctp/a.hpp"\n#include "base/b.hpp"\n'
        self.assertEqual(self.problems("src/mesh/node.hpp", text), [])

    def test_finds_an_include_that_is_not_declared(self) -> None:
        self.assertEqual(self.problems("src/rtc/sctp/crc.cpp", '#include "mesh/node.hpp"\n'),
                         ["src/rtc/sctp/crc.cpp: rtc/sctp may not include mesh/"])

    def test_finds_an_include_without_its_folder(self) -> None:
        self.assertIn("needs its folder", self.problems("src/mesh/a.cpp", '#include "b.hpp"\n')[0])

    def test_finds_a_dependency_on_a_lower_line(self) -> None:
        self.write("src/CMakeLists.txt", "chatixia_module(a DEPENDS b)\nchatixia_module(b)\n")
        self.assertEqual(check_layers.check(self.root),
                         ["src/CMakeLists.txt: a depends on b, not listed above it"])

    def test_finds_a_folder_that_is_no_module(self) -> None:
        self.assertIn("is no module", self.problems("src/secret/a.cpp", "")[0])

    def test_finds_a_library_that_is_not_linked(self) -> None:
        self.assertEqual(self.problems("src/mesh/a.cpp", "#include <boost/asio.hpp>\n"),
                         ["src/mesh/a.cpp: mesh does not link the library of <boost/asio.hpp>"])
        self.assertEqual(len(self.problems("src/net/a.cpp", "#include <boost/asio.hpp>\n")), 1)

    def test_finds_a_library_that_nobody_knows(self) -> None:
        self.assertIn("no library known", self.problems("src/net/a.cpp", "#include <qt/q.h>\n")[0])

    def test_allows_test_libraries_in_tests_only(self) -> None:
        self.assertEqual(self.problems("src/base/a_test.cpp", "#include <gtest/gtest.h>\n"), [])
        self.assertEqual(len(self.problems("src/base/a.cpp", "#include <gtest/gtest.h>\n")), 1)
