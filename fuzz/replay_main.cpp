#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<char> read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void replay(const std::filesystem::path& path) {
  // An exact copy on the heap, so that AddressSanitizer sees a read past the end.
  const std::vector<char> text = read(path);
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  std::printf("%s\n", path.c_str());
  std::fflush(stdout);  // after a crash the last line names the culprit
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

// Runs a fuzz target over every file of the directories given, without libFuzzer.
int main(int count, char** arguments) {
  LLVMFuzzerTestOneInput(nullptr, 0);
  for (int i = 1; i < count; ++i) {
    std::error_code missing;  // a target may have no corpus yet
    for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[i], missing))
      if (entry.is_regular_file()) replay(entry.path());
  }
}
