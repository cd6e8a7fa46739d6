#!/usr/bin/python3
"""Checks the Markdown: every relative link leads somewhere, every decision is in the index."""

import re
import sys
from pathlib import Path

from project import ROOT, files, report

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def dead_links(root: Path) -> list[str]:
    problems = []
    for path in files(root, (".md",)):
        for target in LINK.findall(FENCE.sub("", path.read_text())):
            if re.match(r"[a-z]+:|#", target):
                continue
            if not (path.parent / target.partition("#")[0]).exists():
                problems.append(f"{path.relative_to(root)}: dead link to {target}")
    return problems


def missing_decisions(root: Path) -> list[str]:
    folder = root / "docs" / "adr"
    if not (folder / "README.md").exists():
        return ["docs/adr/README.md: missing"] if folder.exists() else []
    index = (folder / "README.md").read_text()
    return [
        f"docs/adr/README.md: {page.name} is not listed"
        for page in sorted(folder.glob("[0-9]*.md"))
        if page.name not in index
    ]


def check(root: Path) -> list[str]:
    return dead_links(root) + missing_decisions(root)


if __name__ == "__main__":
    sys.exit(report(check(ROOT)))
