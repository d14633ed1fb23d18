add_library(betedge_warnings INTERFACE)
target_compile_options(betedge_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wunused
  $<$<CXX_COMPILER_ID:Clang>:-Wno-unused-command-line-argument>)
