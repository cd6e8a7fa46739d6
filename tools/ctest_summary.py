#!/usr/bin/python3
"""Counts the tests in a file that `ctest --output-junit` wrote."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

# A reason has to fit one line of the report.
REASON_CHARACTERS_MAX = 160


@dataclass
class Counts:
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # name, reason

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    @property
    def total(self) -> int:
        return self.passed + len(self.failed) + len(self.skipped)

    @property
    def ok(self) -> bool:
        """Nothing failed, and something ran: an empty run proves nothing."""
        return not self.failed and self.passed > 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"


def skip_reason(case: ElementTree.Element) -> str:
    """The last line that the test printed before it stopped."""
    lines = [line.strip() for line in (case.findtext("system-out") or "").splitlines()]
    lines = [line for line in lines if line and not line.startswith("[")]
    return lines[-1][:REASON_CHARACTERS_MAX] if lines else "no reason given"


def parse(report: Path) -> Counts:
    counts = Counts()
    # ctest copies what a test printed as it is; XML has no place for control characters.
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "?", report.read_text(errors="replace"))
    for case in ElementTree.fromstring(text).iter("testcase"):
        name, status = case.get("name", "?"), case.get("status")
        skipped = case.find("skipped")
        if status == "run" and case.find("failure") is None:
            counts.passed += 1
        elif status == "disabled":
            counts.skipped.append((name, "disabled"))
        elif skipped is not None and skipped.get("message", "").startswith("SKIP_"):
            counts.skipped.append((name, skip_reason(case)))
        else:
            # ctest says "notrun" for a missing program too; that is no skip.
            counts.failed.append(name)
    return counts


def main(arguments: list[str]) -> int:
    counts = Counts()
    for report in arguments:
        counts.add(parse(Path(report)))
    print(counts)
    return 0 if counts.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
