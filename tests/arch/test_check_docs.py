from in_tree import InTree

import check_docs


class CheckDocs(InTree):
    def test_finds_a_dead_link_and_follows_live_ones(self) -> None:
        self.write("docs/a.md", "[b](b.md#part) [c](gone.md) [d](https://example.net)\n")
        self.write("docs/b.md", "```\n[not a link](nowhere)\n```\n")
        self.assertEqual(check_docs.check(self.root), ["docs/a.md: dead link to gone.md"])

    def test_finds_a_decision_that_the_index_lacks(self) -> None:
        self.write("docs/adr/README.md", "- [one](0001-one.md)\n")
        self.write("docs/adr/0001-one.md", "# One\n")
        self.write("docs/adr/0002-two.md", "# Two\n")
        self.assertEqual(check_docs.check(self.root),
                         ["docs/adr/README.md: 0002-two.md is not listed"])
