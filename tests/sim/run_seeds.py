"""Runs every scenario of the simulator with many seeds, each in a process of its own.

usage: run_seeds.py SIM_TEST FIRST COUNT
       run_seeds.py SIM_TEST --repeat SEED   one seed twice; the traces must be equal
"""

import os
import re
import subprocess
import sys
import time


def scenarios(program: str) -> list[str]:
    listing = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, check=True)
    return [
        f"Seeds/Mesh.{line.split('/')[0].strip()}/seed1"
        for line in listing.stdout.splitlines()
        if line.strip().endswith("# GetParam() = 1")
    ]


def run(program: str, scenario: str, seed: int) -> subprocess.CompletedProcess:
    return subprocess.run(
        [program, f"--gtest_filter={scenario}"],
        env={**os.environ, "CHATIXIA_SIM_SEED": str(seed)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def trace(program: str, seed: int) -> str:
    result = run(program, "Seeds/Mesh.RepeatsWithItsSeed/seed1", seed)
    found = re.search(r"^trace (\w+)$", result.stdout, re.M)
    if result.returncode != 0 or not found:
        sys.exit(result.stdout + result.stderr)
    return found.group(1)


def main() -> int:
    program = sys.argv[1]
    if sys.argv[2] == "--repeat":
        seed = int(sys.argv[3])
        first, second, other = trace(program, seed), trace(program, seed), trace(program, seed + 1)
        print(f"seed {seed}: {first} and {second}; seed {seed + 1}: {other}")
        return 0 if first == second != other else 1

    first, count = int(sys.argv[2]), int(sys.argv[3])
    failures, started = 0, time.monotonic()
    names = scenarios(program)
    for seed in range(first, first + count):
        for scenario in names:
            result = run(program, scenario, seed)
            if result.returncode != 0:
                failures += 1
                print(result.stdout[-3000:], result.stderr[-2000:], sep="\n")
                print(f"failed: CHATIXIA_SIM_SEED={seed} {program} --gtest_filter={scenario}", flush=True)
    runs = count * len(names)
    print(f"{runs} runs of {len(names)} scenarios in {time.monotonic() - started:.0f} s, {failures} failed")
    return 1 if failures or not names else 0


if __name__ == "__main__":
    sys.exit(main())
