#include "net/line_reader.hpp"

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace chatixia::net {
namespace {

const std::string oversized = "<oversized>";

// Feeds `text` in pieces of at most `piece` bytes and returns what was cut.
std::vector<std::string> cut(LineReader& reader, std::string_view text, std::size_t piece) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto space = reader.space();
    EXPECT_FALSE(space.empty());
    const std::size_t size = std::min({piece, text.size(), space.size()});
    std::memcpy(space.data(), text.data(), size);
    reader.commit(size);
    text.remove_prefix(size);
    std::string_view line;
    for (auto kind = reader.next(line); kind != LineReader::Cut::nothing; kind = reader.next(line))
      out.emplace_back(kind == LineReader::Cut::line ? std::string(line) : oversized);
  }
  return out;
}

TEST(LineReader, CutsTheSameLinesHoweverTheyArrive) {
  const std::string text = "one\n\ntwo words\n" + std::string(99, 'a') + "\n" +
                           std::string(100, 'b') + "\n" + std::string(101, 'c') + "\n" +
                           std::string(5000, 'd') + "\nlast\n";
  const std::vector<std::string> expected = {
      "one",     "",        "two words", std::string(99, 'a'), std::string(100, 'b'),
      oversized, oversized, "last"};
  for (std::size_t piece = 1; piece <= 300; ++piece) {
    LineReader reader(100);
    EXPECT_EQ(cut(reader, text, piece), expected) << piece;
  }
  LineReader reader(100);
  EXPECT_EQ(cut(reader, text, text.size()), expected);
}

TEST(LineReader, HoldsALineOfTheLargestSize) {
  for (const std::size_t max : {1UL, 1000UL, 64UL * 1024, 272UL * 1024, 1024UL * 1024}) {
    LineReader reader(max);
    const std::string line(max, 'x');
    EXPECT_EQ(cut(reader, line + "\n", 4096), std::vector{line});
    EXPECT_EQ(cut(reader, line + "y\n", 4096), std::vector{oversized});
    EXPECT_EQ(cut(reader, "ab" + line + "\nk\n", 100'000),
              (std::vector<std::string>{oversized, "k"}));
  }
}

TEST(LineReader, ReportsAnEndlessLineOnceAndKeepsNothingOfIt) {
  LineReader reader(1000);
  const std::size_t endless = 10'000'000;
  EXPECT_EQ(cut(reader, std::string(endless, 'x'), 65'536), std::vector{oversized});
  EXPECT_EQ(cut(reader, "\nnext\n", 100), std::vector<std::string>{"next"});
}

TEST(LineReader, KeepsEveryByteValue) {
  std::string line;
  for (int i = 0; i < 256; ++i)
    if (i != '\n') line.push_back(static_cast<char>(i));
  LineReader reader(1000);
  EXPECT_EQ(cut(reader, line + "\n", 7), std::vector{line});
}

}  // namespace
}  // namespace chatixia::net
