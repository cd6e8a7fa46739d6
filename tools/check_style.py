#!/usr/bin/python3
"""Finds what the compiler accepts and the project does not: see RULES.

An exception is one line in tools/style_exceptions.txt: the rule, the file, the reason. One that
excuses nothing is a problem too.
"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from project import CXX_SUFFIXES, ROOT, files, report

TEXT_SUFFIXES = CXX_SUFFIXES + (
    ".py", ".md", ".txt", ".cmake", ".sh", ".json", ".js", ".mjs", ".ts", ".tsx", ".toml", ".yaml",
)
EXCEPTIONS = "tools/style_exceptions.txt"
LINES_MAX = 400
TEST_LINES_MAX = 700  # a test file is a list, and longer than what it tests
LONG_SUFFIXES = CXX_SUFFIXES + (".py", ".mjs")

SANS_IO = ("src/base/", "src/json/", "src/crypto/", "src/protocol/", "src/rtc/", "src/mesh/")

CLOCK = re.compile(
    r"_clock::now\b|\bgettimeofday\s*\(|\bclock_gettime\s*\(|\bstd::time\b|(?<![\w.>:])time\s*\("
)
THREAD = re.compile(
    r"\bstd::(j?thread|this_thread|(recursive_|shared_|timed_)*mutex|condition_variable\w*|async"
    r"|future|lock_guard|scoped_lock|unique_lock)\b"
    r"|#\s*include\s+<(thread|mutex|shared_mutex|condition_variable|future)>"
    r"|\bpthread_\w+\s*\(|(?<![\w.>:])(::)?u?(nano)?sleep\s*\("
)
SOCKET = re.compile(
    r"(?<![\w.>:])(::)?(socket|sendto|recvfrom|sendm?msg|recvm?msg|getaddrinfo|getifaddrs"
    r"|epoll_\w+|setsockopt|ioctl)\s*\("
    r"|#\s*include\s+<(sys/socket\.h|sys/epoll\.h|netdb\.h|ifaddrs\.h|poll\.h)>"
)
RANDOM = re.compile(r"\bstd::(random_device|mt19937\w*|rand)\b|(?<![\w.>:])s?rand\s*\(|\bRAND_\w+\s*\(")
DETACHED = re.compile(r"\b(asio|net)::detached\b|\bdetached\.hpp\b")
ASSERT = re.compile(r"(?<![\w.])assert\s*\(|#\s*include\s+<cassert>")
# Split, so that this file does not find itself.
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|WI" r"P)\b")
CONDITION = re.compile(r"\b(if|while|switch)\s*(?:constexpr\s*)?\(")


def strip_comments(text: str) -> str:
    """Blanks comments and string literals, keeping every line where it is."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
    return token.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def matches(pattern: re.Pattern[str]) -> Callable[[str], Iterator[int]]:
    return lambda text: (match.start() for match in pattern.finditer(text))


def awaits_in_condition(text: str) -> Iterator[int]:
    """g++ 12 miscompiles `if (co_await f())`; `if (auto v = co_await f(); v)` is right."""
    for match in CONDITION.finditer(text):
        depth, end = 1, match.end()
        while end < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        condition = text[match.end() : end]
        if "co_await" in condition.rpartition(";")[2]:
            yield match.start()


def longer_than(lines_max: int) -> Callable[[str], Iterator[int]]:
    return lambda text: iter([0] if text.count("\n") > lines_max else [])


def no_final_newline(text: str) -> Iterator[int]:
    if text and not text.endswith("\n"):
        yield len(text) - 1


def no_pragma_once(text: str) -> Iterator[int]:
    if "#pragma once\n" not in text:
        yield 0


@dataclass(frozen=True)
class Rule:
    name: str
    message: str
    find: Callable[[str], Iterator[int]]
    suffixes: tuple[str, ...] = CXX_SUFFIXES
    folders: tuple[str, ...] = ("",)
    # Whether comments and strings count.
    prose: bool = False
    but: tuple[str, ...] = ()  # starts or ends of files that are left out


RULES = (
    Rule("clock", "reads a clock; take `now` as a parameter", matches(CLOCK), folders=SANS_IO),
    Rule("thread", "uses a thread, a lock or a sleep", matches(THREAD), folders=SANS_IO),
    Rule("socket", "calls the kernel; that is net/'s work", matches(SOCKET), folders=SANS_IO),
    Rule("random", "draws randomness that was not handed in", matches(RANDOM), folders=SANS_IO,
         but=("src/crypto/", "_test.cpp")),
    Rule("await", "awaits inside a condition; name what you await", awaits_in_condition),
    Rule("detached", "detaches a coroutine; give it an owner", matches(DETACHED)),
    Rule("assert", "use expects(), which also holds in release builds", matches(ASSERT)),
    Rule("once", "lacks #pragma once", no_pragma_once, suffixes=(".hpp",)),
    Rule("length", f"is longer than {TEST_LINES_MAX} lines; split it by what it tests",
         longer_than(TEST_LINES_MAX), LONG_SUFFIXES, prose=True),
    Rule("length", f"is longer than {LINES_MAX} lines; look for the noun that hides in it",
         longer_than(LINES_MAX), LONG_SUFFIXES, prose=True, but=("_test.cpp", "tests/")),
    Rule("leftover", "holds a leftover note", matches(LEFTOVER), TEXT_SUFFIXES, prose=True),
    Rule("tab", "holds a tab", matches(re.compile("\t")), TEXT_SUFFIXES, prose=True),
    Rule("space", "ends a line with a space", matches(re.compile(r" +$", re.M)),
         TEXT_SUFFIXES, prose=True),
    Rule("newline", "lacks the final newline", no_final_newline, TEXT_SUFFIXES, prose=True),
)


def namespace_problem(where: str, text: str) -> str | None:
    """src/rtc/ice is namespace chatixia::rtc::ice; src/base is chatixia itself."""
    if not where.startswith("src/") or not where.endswith(".hpp"):
        return None
    folder = where.split("/")[1:-1]
    expected = "::".join(["chatixia"] + ([] if folder == ["base"] else folder))
    if re.search(rf"^namespace {expected}\b", text, re.M):
        return None
    return f"declares nothing in namespace {expected}"


def own_header_problem(root: Path, where: str, text: str) -> str | None:
    """What a source includes first compiles alone, so the build verifies only the other headers."""
    header = Path(where).with_suffix(".hpp")
    if not where.startswith("src/") or not where.endswith(".cpp") or not (root / header).exists():
        return None
    own = f'#include "{header.relative_to("src").as_posix()}"'
    first = re.search(r"^#include.*$", text, re.M)
    return None if first and first.group() == own else "does not include its own header first"


def find_problems(root: Path) -> Iterator[tuple[str, str, str]]:
    """(rule, file, what is wrong where)"""
    for path in files(root, TEXT_SUFFIXES):
        where = path.relative_to(root).as_posix()
        if path.name == "package-lock.json":
            continue
        prose = path.read_text()
        is_cxx = where.endswith(CXX_SUFFIXES)
        code = strip_comments(prose) if is_cxx else prose
        for rule in RULES:
            if not where.endswith(rule.suffixes) or not where.startswith(rule.folders):
                continue
            if where.endswith(rule.but) or where.startswith(rule.but):
                continue
            text = prose if rule.prose else code
            for position in rule.find(text):
                line = text.count("\n", 0, position) + 1
                yield rule.name, where, f"{where}:{line}: {rule.message} [{rule.name}]"
        if is_cxx and (problem := namespace_problem(where, code)):
            yield "namespace", where, f"{where}: {problem} [namespace]"
        if is_cxx and (problem := own_header_problem(root, where, prose)):
            yield "header", where, f"{where}: {problem} [header]"


def read_exceptions(root: Path) -> dict[tuple[str, str], str]:
    exceptions = {}
    path = root / EXCEPTIONS
    for line in path.read_text().splitlines() if path.exists() else []:
        if not line or line.startswith("#"):
            continue
        rule, where, reason = line.split(maxsplit=2)
        exceptions[rule, where] = reason
    return exceptions


def check(root: Path) -> list[str]:
    exceptions = read_exceptions(root)
    used = set()
    problems = []
    for rule, where, problem in find_problems(root):
        if (rule, where) in exceptions:
            used.add((rule, where))
        else:
            problems.append(problem)
    for rule, where in exceptions.keys() - used:
        problems.append(f"{EXCEPTIONS}: {rule} {where} excuses nothing")
    return sorted(problems)


if __name__ == "__main__":
    sys.exit(report(check(ROOT)))
