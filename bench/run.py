#!/usr/bin/python3
"""Measures, and prints one table: run.py [--build=DIR] [--json=FILE] [--quick] [micro] [path]

`path` compares the whole way of a message with other data-channel stacks and with the bare hops,
interleaved in rounds; each cell is the median of the rounds, with least and most in brackets.
`micro` runs the programs in DIR/bench/micro.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "path"))

import lab  # noqa: E402
import suite  # noqa: E402


class Results:
    """Samples by figure and column."""

    def __init__(self):
        self._samples = {}

    def record(self, figure, column, value):
        self._samples.setdefault((figure, column), []).append(value)

    def median(self, figure, column):
        samples = self._samples.get((figure, column))
        return statistics.median(samples) if samples else None

    def extent(self, figure, column):
        samples = self._samples.get((figure, column))
        return [min(samples), max(samples)] if samples else None

    def cell(self, figure, column):
        median = self.median(figure, column)
        if median is None:
            return "-"
        least, most = self.extent(figure, column)
        return f"{_short(median)} ({_short(least)}-{_short(most)})"


def _short(value):
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


COLUMNS = ("ours", *suite.PEERS, "bare")


def print_table(results):
    rows = [("figure", "unit", "better", *COLUMNS)]
    for figure in suite.FIGURES:
        cells = [results.cell(figure.name, column) for column in COLUMNS]
        rows.append((figure.name, figure.unit, figure.better, *cells))
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        text = [row[index].ljust(widths[index]) for index in range(3)]
        text += [row[index].rjust(widths[index]) for index in range(3, len(row))]
        print("  ".join(text).rstrip())


def as_json(results):
    rounded = lambda value: None if value is None else round(value, 3)  # noqa: E731
    entries = []
    for figure in suite.FIGURES:
        median = {column: rounded(results.median(figure.name, column)) for column in COLUMNS}
        extents = {column: results.extent(figure.name, column) for column in COLUMNS}
        entries.append(
            {
                "name": figure.name,
                "unit": figure.unit,
                "better": figure.better,
                "ours": median["ours"],
                "peers": {peer: median[peer] for peer in suite.PEERS if median[peer] is not None},
                "bare": median["bare"],
                "range": {column: extent for column, extent in extents.items() if extent},
            }
        )
    return entries


def run_path(build, effort):
    began = time.monotonic()
    results = Results()

    def progress(text):
        print(f"[{time.monotonic() - began:4.0f} s] {text}", file=sys.stderr, flush=True)

    measuring = suite.Suite(build, effort, results.record, progress)
    measuring.run()
    print_table(results)
    print("\nOthers run in Node through their bindings; p99 and p50 are over one round's samples.")
    for _, failure in measuring.failures:
        print(f"failed: {failure}")
    failed = any(column in ("ours", "bare") for column, _ in measuring.failures)
    return as_json(results), 1 if failed else 0


def run_micro(build):
    programs = sorted(path for path in (build / "bench/micro").glob("*_bench") if path.is_file())
    for program in programs:
        subprocess.run([program], check=True)
    if not programs:
        print("no micro benchmarks are built")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("kinds", nargs="*", metavar="micro|path", help="default: both")
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build/release")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures of `path` here")
    parser.add_argument("--quick", action="store_true", help="a smoke run of under a minute")
    parser.add_argument("--rounds", type=int, help="rounds instead of three")
    arguments = parser.parse_args()
    kinds = arguments.kinds or ["micro", "path"]
    if unknown := set(kinds) - {"micro", "path"}:
        parser.error(f"no kind {', '.join(sorted(unknown))}; there are micro and path")

    status = 0
    if "path" in kinds:
        lab.enter_namespace()
    if "micro" in kinds:
        run_micro(arguments.build.resolve())
    if "path" in kinds:
        effort = suite.QUICK if arguments.quick else suite.FULL
        if arguments.rounds:
            effort = dataclasses.replace(effort, rounds=arguments.rounds)
        entries, status = run_path(arguments.build.resolve(), effort)
        if arguments.json:
            arguments.json.write_text(json.dumps(entries, indent=1) + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
