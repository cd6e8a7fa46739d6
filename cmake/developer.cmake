# Everything that concerns only those who work on the project: warnings, sanitizers, fuzzing.
# Targets take it as chatixia::developer; nothing is set globally.
add_library(chatixia_developer INTERFACE)
add_library(chatixia::developer ALIAS chatixia_developer)

set(CHATIXIA_SANITIZE "" CACHE STRING "Comma-separated list for -fsanitize=")
option(CHATIXIA_FUZZ "Build the libFuzzer targets (clang)" OFF)

if(CHATIXIA_DEVELOPER)
  target_compile_options(chatixia_developer INTERFACE
    -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-align
    -Woverloaded-virtual -Wimplicit-fallthrough -Wundef)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # Known false alarms of g++ 12 in inlined std::string, std::optional and std::variant code.
    target_compile_options(chatixia_developer INTERFACE
      -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds
      -Wno-stringop-overread -Wno-dangling-pointer -Wno-free-nonheap-object -Wno-dangling-else
      -Wno-missing-field-initializers)
  else()
    target_compile_options(chatixia_developer INTERFACE
      -Wno-missing-field-initializers -Wno-missing-designated-field-initializers)
  endif()
  set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

if(CHATIXIA_SANITIZE)
  target_compile_options(chatixia_developer INTERFACE
    -fsanitize=${CHATIXIA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(chatixia_developer INTERFACE -fsanitize=${CHATIXIA_SANITIZE})
endif()
if(CHATIXIA_FUZZ)
  target_compile_options(chatixia_developer INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_link_options(chatixia_developer INTERFACE -fuse-ld=lld)
endif()
