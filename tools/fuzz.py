#!/usr/bin/python3
"""Runs one fuzz target for some seconds and says how to repeat what it found.

The corpus in fuzz/corpus/TARGET is only read; new inputs go to build/fuzz/corpus/TARGET, crashes
to build/fuzz/findings.
"""

import argparse
import os
import re
import subprocess
import sys

from project import ROOT

BUILD = ROOT / "build" / "fuzz"
# The largest input, unless the target says otherwise in a line "// max_len: N".
INPUT_BYTES_MAX = 4096


def input_bytes_max(target: str) -> int:
    source = (ROOT / "fuzz" / "targets" / f"{target}.cpp").read_text()
    found = re.search(r"^// max_len: (\d+)$", source, re.M)
    return int(found.group(1)) if found else INPUT_BYTES_MAX


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog="example: ./dev fuzz stun 60")
    parser.add_argument("target")
    parser.add_argument("seconds", type=int)
    arguments = parser.parse_args()

    program = BUILD / "fuzz" / f"fuzz_{arguments.target}"
    finds = BUILD / "corpus" / arguments.target
    findings = BUILD / "findings"
    for folder in (finds, findings):
        folder.mkdir(parents=True, exist_ok=True)
    corpus = ROOT / "fuzz" / "corpus" / arguments.target
    before = set(findings.iterdir())

    command = [
        program, finds, *([corpus] if corpus.is_dir() else []),
        f"-max_total_time={arguments.seconds}",
        f"-max_len={input_bytes_max(arguments.target)}",
        "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
        f"-artifact_prefix={findings}/{arguments.target}-",
    ]
    environment = os.environ | {
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
    }
    process = subprocess.Popen(list(map(str, command)), env=environment, text=True,
                               stderr=subprocess.PIPE)
    speed = "?"
    for line in process.stderr or ():
        sys.stderr.write(line)
        if found := re.search(r"average_exec_per_sec:\s+(\d+)", line):
            speed = found.group(1)
    failed = process.wait() != 0

    print(f"{arguments.target}: {speed} runs/s, {len(list(finds.iterdir()))} new inputs in "
          f"{finds.relative_to(ROOT)}")
    for finding in sorted(set(findings.iterdir()) - before):
        print(f"found; repeat with: {program.relative_to(ROOT)} {finding.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
