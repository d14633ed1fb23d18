# BETEDGE_SANITIZE: one tree with address, undefined and fuzzer-no-link serves the unit tests and the
# fuzzers; thread has a tree of its own.
if(BETEDGE_SANITIZE)
  add_compile_options(-fsanitize=${BETEDGE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BETEDGE_SANITIZE})
endif()
