#!/usr/bin/python3
"""Runs clang-tidy-19 over every source file of ours and remembers the clean ones.

A file is clean for as long as its text, every header of ours that it includes, its compile command
and the checks stay the same.
"""

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from project import ROOT

TIDY = "clang-tidy-19"


@dataclass(frozen=True)
class Unit:
    source: Path
    command: str
    output: str


def units(build: Path) -> list[Unit]:
    """One unit a source file of ours; generated sources in the build folder are left out."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["directory"], entry["file"])
        if not source.is_relative_to(ROOT) or source.is_relative_to(build):
            continue
        command = shlex.split(entry["command"])
        output = command[command.index("-o") + 1]
        found.setdefault(source, Unit(source, entry["command"], output))
    return sorted(found.values(), key=lambda unit: unit.source)


def dependencies(build: Path) -> dict[str, list[Path]]:
    """What each object was made from, as ninja recorded it: object -> our files."""
    text = subprocess.run(["ninja", "-C", str(build), "-t", "deps"],
                          capture_output=True, text=True, check=True).stdout
    result: dict[str, list[Path]] = {}
    current: list[Path] = []
    for line in text.splitlines():
        if line.startswith("    "):
            path = (build / line.strip()).resolve()
            if path.is_relative_to(ROOT):
                current.append(path)
        elif ":" in line:
            current = result.setdefault(line.partition(":")[0], [])
    return result


def key(unit: Unit, inputs: list[Path], common: bytes) -> str:
    digest = hashlib.sha256(common + unit.command.encode())
    for path in sorted({unit.source, *inputs}):
        digest.update(str(path).encode())
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: tools/tidy.py --build build/dev --jobs 2"
    )
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "dev",
                        help="a folder that has been built")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    cache = build / "tidy"
    cache.mkdir(exist_ok=True)

    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    common = version + (ROOT / ".clang-tidy").read_bytes()
    made_from = dependencies(build)
    found = units(build)
    if unbuilt := [unit for unit in found if unit.output not in made_from]:
        parser.error(f"{len(unbuilt)} files have never been built in {build}, the first is "
                     f"{unbuilt[0].source.relative_to(ROOT)}; build everything first")
    keys = {unit: key(unit, made_from[unit.output], common) for unit in found}
    due = [unit for unit, name in keys.items() if not (cache / name).exists()]
    print(f"tidy: {len(keys)} files, {len(keys) - len(due)} known to be clean", flush=True)

    def run(unit: Unit) -> subprocess.CompletedProcess[str]:
        return subprocess.run([TIDY, "--quiet", "-p", str(build), str(unit.source)],
                              capture_output=True, text=True, check=False)

    failed = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(run, unit): unit for unit in due}
        for done, future in enumerate(as_completed(running), 1):
            unit, result = running[future], future.result()
            print(f"[{done}/{len(due)}] {unit.source.relative_to(ROOT)}", flush=True)
            if result.returncode == 0:
                (cache / keys[unit]).touch()
            else:
                failed += 1
                print(result.stdout.strip() or result.stderr.strip(), flush=True)
    print(f"tidy: {failed} of {len(keys)} files need work" if failed else "tidy: clean")
    return 1 if failed or not keys else 0


if __name__ == "__main__":
    sys.exit(main())
