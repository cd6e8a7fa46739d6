#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace chatixia::test {

// A program made of a few lines of shell; its path.
inline std::string make_script(const std::string& path, const std::string& body) {
  // Written beside and renamed: nobody can run a file that somebody still writes to.
  const std::string draft = path + ".draft";
  std::ofstream(draft) << "#!/bin/sh\n" << body << "\n";
  std::filesystem::permissions(draft, std::filesystem::perms::owner_all);
  std::filesystem::rename(draft, path);
  return path;
}

// What a file holds, empty when there is none.
inline std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace chatixia::test
