# How everything is compiled: file names relative to the checkout (so that a build is the same wherever
# it lies), lld when it is there, and ccache when it is there. ccache is a convenience: the figures that
# are promised for build times hold without it.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  find_program(BETEDGE_LLD NAMES ld.lld-19 ld.lld)
  if(BETEDGE_LLD)
    add_link_options(--ld-path=${BETEDGE_LLD})
  endif()
endif()

find_program(BETEDGE_CCACHE ccache)
if(BETEDGE_CCACHE)
  # The base directory lets two checkouts share what they compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
    ${BETEDGE_CCACHE})
endif()
