# chatixia_module(folder DEPENDS modules... LINKS libraries... TEST_LINKS libraries...): one folder
# is one static library, chatixia::<folder with _ for />. Headers, sources and x_test.cpp files sit
# together.
function(chatixia_module folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LINKS;TEST_LINKS")
  string(REPLACE "/" "_" name ${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  file(GLOB headers CONFIGURE_DEPENDS ${folder}/*.hpp)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  # A header whose source includes it first compiles alone in every build; the others are verified.
  set(header_only ${headers})
  list(TRANSFORM sources REPLACE "cpp$" "hpp" OUTPUT_VARIABLE sourced)
  list(REMOVE_ITEM header_only ${sourced})
  list(REMOVE_ITEM headers ${header_only})

  if(sources)
    add_library(chatixia_${name} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(chatixia_${name} PRIVATE chatixia::developer)
  else()
    add_library(chatixia_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(chatixia::${name} ALIAS chatixia_${name})
  target_sources(chatixia_${name} ${scope}
    FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${headers}
    FILE_SET header_only TYPE HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${header_only})
  set_target_properties(chatixia_${name} PROPERTIES INTERFACE_HEADER_SETS_TO_VERIFY header_only)
  target_compile_features(chatixia_${name} ${scope} cxx_std_23)
  list(TRANSFORM arg_DEPENDS REPLACE "/" "_")
  list(TRANSFORM arg_DEPENDS PREPEND chatixia::)
  target_link_libraries(chatixia_${name} ${scope} ${arg_DEPENDS} ${arg_LINKS})

  if(tests AND BUILD_TESTING)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE
      chatixia_${name} chatixia::developer chatixia::test_support ${arg_TEST_LINKS}
      GTest::gmock GTest::gtest_main)
    if(CHATIXIA_DEVELOPER)
      # Optimised, they take twice as long to compile and gain milliseconds.
      target_compile_options(${name}_test PRIVATE -O0)
    endif()
    gtest_discover_tests(${name}_test
      DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 30 PROPERTIES LABELS unit TIMEOUT 120)
  endif()
endfunction()
