# betedge_module(name SOURCES a.cpp … [USES targets seen in our headers] [PRIVATELY_USES targets])
# One folder = one module = one static library = one namespace; headers are included by path from src/.
function(betedge_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;USES;PRIVATELY_USES")
  add_library(betedge_${name} STATIC ${arg_SOURCES})
  add_library(betedge::${name} ALIAS betedge_${name})
  target_include_directories(betedge_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  # Libraries of headers alone are needed to compile us, and not by whoever links what is installed.
  set(privately ${arg_PRIVATELY_USES} betedge_warnings)
  list(TRANSFORM privately REPLACE "^(Boost::headers|nlohmann_json::nlohmann_json|betedge_warnings)$" "$<BUILD_INTERFACE:\\1>")
  target_link_libraries(betedge_${name} PUBLIC ${arg_USES} PRIVATE ${privately})
  set_target_properties(betedge_${name} PROPERTIES EXPORT_NAME ${name})
endfunction()

# betedge_test(name SOURCES a.cpp … USES targets): one GoogleTest program, found by ctest as `name.*`.
function(betedge_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;USES")
  add_executable(test_${name} ${arg_SOURCES})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(test_${name} PRIVATE
    BETEDGE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" BETEDGE_SHARED_DATA="${PROJECT_SOURCE_DIR}/../shared/data")
  target_link_libraries(test_${name} PRIVATE ${arg_USES} GTest::gmock GTest::gtest_main betedge_warnings)
  add_test(NAME ${name} COMMAND test_${name})
endfunction()

# betedge_fuzzer(name SOURCES a.cpp … USES targets): a libFuzzer program with its seeds in
# tests/fuzz/corpus/<name>, built only where the tree is instrumented for it. ctest runs it, as
# `fuzz_<name>`, for a bounded number of inputs, always the same ones; the `fuzz` shard goes on for minutes.
function(betedge_fuzzer name)
  if(NOT BETEDGE_SANITIZE MATCHES "fuzzer-no-link")
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "RUNS" "SOURCES;USES")
  if(NOT arg_RUNS)
    set(arg_RUNS 20000)
  endif()
  add_executable(fuzz_${name} ${arg_SOURCES})
  target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(fuzz_${name} PRIVATE ${arg_USES} betedge_warnings)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  # New inputs go to the first folder; the seeds are only read.
  set(found ${CMAKE_CURRENT_BINARY_DIR}/found/${name})
  file(MAKE_DIRECTORY ${found})
  add_test(NAME fuzz_${name}
    COMMAND fuzz_${name} -runs=${arg_RUNS} -seed=1 -max_len=4096 -timeout=30 -rss_limit_mb=2048
            -artifact_prefix=${found}/ ${found} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT 600)
endfunction()
