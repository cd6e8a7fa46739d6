#!/usr/bin/python3
"""Runs clang-format-19 over every C++ file: `--check` only tells, without it files are rewritten."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from project import ROOT, cxx_files

FILES_PER_RUN = 20


def main(arguments: list[str]) -> int:
    mode = ["--dry-run", "-Werror", "--ferror-limit=1"] if "--check" in arguments else ["-i"]
    paths = [str(path.relative_to(ROOT)) for path in cxx_files(ROOT)]
    batches = [paths[i : i + FILES_PER_RUN] for i in range(0, len(paths), FILES_PER_RUN)]

    def run(batch: list[str]) -> int:
        return subprocess.run(["clang-format-19", *mode, *batch], cwd=ROOT, check=False).returncode

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return 1 if any(list(pool.map(run, batches))) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
