#!/usr/bin/python3
"""Keeps every include in src/ true to the module list in src/CMakeLists.txt.

A module may include itself, the modules that its DEPENDS names, and the libraries that its LINKS
names; DEPENDS may name only modules listed above.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from project import ROOT, files, report

MODULE = re.compile(r"^chatixia_module\(([^)]*)\)", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)

# Which LINKS entry allows an include that starts so. The longest start that fits decides.
LIBRARIES = {
    "boost/": {"Boost::headers"},
    "boost/json": {"Boost::json"},
    "openssl/": {"OpenSSL::Crypto", "OpenSSL::SSL"},
    "openssl/ssl.h": {"OpenSSL::SSL"},
    "usrsctp.h": {"${CHATIXIA_USRSCTP}"},
    "spdlog/": {"spdlog::spdlog"},
    "CLI/": {"CLI11::CLI11"},
    "sqlite3.h": {"SQLite::SQLite3"},
}
# fmt stands in for the std::format that the standard library lacks.
EVERYWHERE = ("fmt/", "sys/", "net/if", "netinet/", "arpa/", "linux/")
TESTS_ONLY = ("gtest/", "gmock/")
TEST_FOLDERS = ("support", "vectors")  # below tests/, with what tests share


@dataclass
class Module:
    depends: set[str]
    links: set[str]


def declared_modules(text: str) -> dict[str, Module]:
    """The modules in file order; a line that starts with # declares nothing."""
    modules = {}
    for arguments in MODULE.findall(text):
        name, *words = arguments.split()
        module = Module(set(), set())
        into = module.depends
        for word in words:
            if word == "DEPENDS":
                into = module.depends
            elif word == "LINKS":
                into = module.links
            elif word == "TEST_LINKS":
                into = set()  # what only the module's tests link is no layer
            else:
                into.add(word)
        modules[name] = module
    return modules


def quoted_problem(name: str, module: Module, include: str, is_test: bool) -> str | None:
    folder, _, _ = include.rpartition("/")
    if not folder:
        return f'"{include}" needs its folder: "{name}/{include}"'
    if folder == name or folder in module.depends:
        return None
    if folder in TEST_FOLDERS and is_test:
        return None
    return f"{name} may not include {folder}/"


def angled_problem(name: str, module: Module, include: str, is_test: bool) -> str | None:
    if include.startswith(EVERYWHERE) or (is_test and include.startswith(TESTS_ONLY)):
        return None
    start = max((s for s in LIBRARIES if include.startswith(s)), key=len, default=None)
    if start is not None:
        if module.links & LIBRARIES[start]:
            return None
        return f"{name} does not link the library of <{include}>"
    if "/" in include:
        return f"<{include}> belongs to no library known to tools/check_layers.py"
    return None


def file_problems(name: str, module: Module, path: Path) -> list[str]:
    is_test = path.stem.endswith("_test") or path.stem.startswith("test_")
    problems = []
    for quoted, angled in INCLUDE.findall(path.read_text()):
        problem = (
            quoted_problem(name, module, quoted, is_test)
            if quoted
            else angled_problem(name, module, angled, is_test)
        )
        if problem:
            problems.append(problem)
    return problems


def check(root: Path) -> list[str]:
    src = root / "src"
    modules = declared_modules((src / "CMakeLists.txt").read_text())
    problems = []
    above: set[str] = set()
    for name, module in modules.items():
        for missing in sorted(module.depends - above):
            problems.append(f"src/CMakeLists.txt: {name} depends on {missing}, not listed above it")
        above.add(name)
    for path in files(src, (".cpp", ".hpp")):
        name = path.parent.relative_to(src).as_posix()
        where = path.relative_to(root)
        if name not in modules:
            problems.append(f"{where}: {name} is no module in src/CMakeLists.txt")
            continue
        problems += [f"{where}: {p}" for p in file_problems(name, modules[name], path)]
    return problems


if __name__ == "__main__":
    sys.exit(report(check(ROOT)))
