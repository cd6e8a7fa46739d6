from in_tree import InTree

from ctest_summary import Counts, parse

REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="x" tests="5" failures="1" disabled="1" skipped="2">
  <testcase name="good" status="run"><system-out>fine \x1b</system-out></testcase>
  <testcase name="bad" status="fail"><failure message="Failed"/></testcase>
  <testcase name="off" status="disabled"/>
  <testcase name="skips" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
    <system-out>starting
no network namespaces here
</system-out></testcase>
  <testcase name="missing" status="notrun"><skipped message="Unable to find executable"/></testcase>
</testsuite>
"""


class CtestSummary(InTree):
    def test_counts_a_missing_program_as_failed_and_tells_why_a_test_was_skipped(self) -> None:
        counts = parse(self.write("junit.xml", REPORT))
        self.assertEqual(str(counts), "1 passed, 2 failed, 2 skipped")
        self.assertEqual(counts.failed, ["bad", "missing"])
        self.assertIn(("skips", "no network namespaces here"), counts.skipped)

    def test_an_empty_run_proves_nothing(self) -> None:
        self.assertFalse(Counts().ok)
        self.assertFalse(Counts(skipped=[("a", "b")]).ok)
        self.assertTrue(Counts(passed=1).ok)
