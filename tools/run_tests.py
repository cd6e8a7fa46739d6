#!/usr/bin/python3
"""Builds and runs the tests in stages and ends with one line: N passed, N failed, N skipped.

Without arguments: everything in the everyday build. With labels: only those. With --all: also
the sanitizers, the second compiler, clang-tidy and the long tests.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from ctest_summary import Counts, parse
from project import ROOT

LABELS = ("arch", "unit", "vectors", "sim", "fuzz", "interop", "e2e", "long")
HEADERS = "all_verify_interface_header_sets"
# What the tests need that run under sanitizers; the programs and benchmarks are left out.
CHECKED = ("src/all", "tests/vectors/all", "tests/sim/all")


@dataclass
class Stage:
    name: str
    about: str
    run: Callable[[], Counts]


@dataclass
class Outcome:
    name: str
    counts: Counts
    seconds: float


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def succeeds(*command: str) -> bool:
    print("$", *command, flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def one_test(name: str, passed: bool) -> Counts:
    return Counts(passed=1) if passed else Counts(failed=[name])


def build(preset: str, *targets: str) -> bool:
    return succeeds("cmake", "--preset", preset) and succeeds(
        "cmake", "--build", "--preset", preset, "--target", *targets)


def run_ctest(preset: str, *options: str) -> Counts:
    report = ROOT / "build" / preset / "junit.xml"
    report.unlink(missing_ok=True)
    succeeds("ctest", "--preset", preset, "--output-junit", str(report), *options)
    return parse(report) if report.exists() else Counts(failed=[f"{preset}: ctest"])


def build_and_test(preset: str, *options: str, targets: tuple[str, ...] = ("all",)) -> Counts:
    if not build(preset, *targets):
        return Counts(failed=[f"{preset}: build"])
    counts = run_ctest(preset, *options)
    if counts.total == 0:
        counts.failed.append(f"{preset}: no test ran")
    return counts


def everyday(labels: list[str]) -> Stage:
    if labels:
        # The preset leaves the long tests out; asking for them by name brings them in.
        options = ["-L", f"^({'|'.join(labels)})$"] + (["-LE", "^$"] if "long" in labels else [])
    else:
        options = []
    return Stage("dev", " ".join(labels) or "every label",
                 lambda: build_and_test("dev", *options, targets=("all", HEADERS)))


def thorough() -> list[Stage]:
    return [
        everyday([]),
        Stage("asan", "AddressSanitizer and UndefinedBehaviorSanitizer",
              lambda: build_and_test("asan", targets=(*CHECKED, "fuzz/all"))),
        Stage("tsan", "ThreadSanitizer", lambda: build_and_test("tsan", targets=CHECKED)),
        Stage("gcc", "g++, base to mesh", lambda: build_and_test("gcc")),
        Stage("tidy", "clang-tidy on every file", lambda: one_test(
            "tidy", build("dev", "all") and succeeds("/usr/bin/python3", "tools/tidy.py"))),
        Stage("long", "simulations with many seeds", lambda: build_and_test(
            "dev", "-L", "^long$", "-LE", "^$")),
    ]


def run(stages: list[Stage]) -> list[Outcome]:
    outcomes = []
    begin = time.monotonic()
    for number, stage in enumerate(stages, 1):
        start = time.monotonic()
        print(f"\n== {stage.name}: {stage.about} (stage {number} of {len(stages)}, "
              f"{clock(start - begin)} so far)", flush=True)
        counts = stage.run()
        outcomes.append(Outcome(stage.name, counts, time.monotonic() - start))
    return outcomes


def report(outcomes: list[Outcome]) -> Counts:
    total = Counts()
    print(f"\n{'stage':<10}{'passed':>8}{'failed':>8}{'skipped':>9}{'time':>8}")
    for outcome in outcomes:
        counts = outcome.counts
        print(f"{outcome.name:<10}{counts.passed:>8}{len(counts.failed):>8}"
              f"{len(counts.skipped):>9}{clock(outcome.seconds):>8}")
        total.add(counts)
    for outcome in outcomes:
        for name, reason in outcome.counts.skipped:
            print(f"skipped  {outcome.name}  {name}: {reason}")
        for name in outcome.counts.failed:
            print(f"FAILED   {outcome.name}  {name}")
    print(total)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog="example: ./dev test unit sim")
    parser.add_argument("labels", nargs="*", metavar="LABEL", help=" ".join(LABELS))
    parser.add_argument("--all", action="store_true", help="everything this machine can check")
    arguments = parser.parse_args()
    if arguments.all and arguments.labels:
        parser.error("--all runs every label; name labels or --all, not both")
    unknown = set(arguments.labels) - set(LABELS)
    if unknown:
        parser.error(f"no label {', '.join(sorted(unknown))}; there are: {' '.join(LABELS)}")
    os.environ.setdefault("CTEST_OUTPUT_ON_FAILURE", "1")
    stages = thorough() if arguments.all else [everyday(arguments.labels)]
    return 0 if report(run(stages)).ok else 1


if __name__ == "__main__":
    sys.exit(main())
