"""What the checks share: where the tree is and which of its files are ours."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CXX_FOLDERS = ("src", "apps", "tests", "fuzz", "bench", "examples")
CXX_SUFFIXES = (".cpp", ".hpp")
# Folders that tools make; whatever is in them is nobody's handwriting.
GENERATED = {"build", "node_modules", "dist", "__pycache__", ".git", ".venv", "corpus"}


def files(root: Path, suffixes: tuple[str, ...], folders: tuple[str, ...] = ("",)) -> Iterator[Path]:
    """Every file of ours with one of the suffixes, in a stable order."""
    for folder in folders:
        for here, subfolders, names in os.walk(root / folder):
            subfolders[:] = sorted(
                name for name in subfolders
                if name not in GENERATED and not name.endswith(".egg-info")
            )
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield Path(here, name)


def cxx_files(root: Path) -> list[Path]:
    return list(files(root, CXX_SUFFIXES, CXX_FOLDERS))


def report(problems: list[str]) -> int:
    """Prints them, one a line; the exit code of a check that found them."""
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0
