# Arrow and Parquet: the system's when there is one, else the pinned pyarrow wheel in .deps/venv, which
# carries headers and libraries (docs/dependencies.md). Defines Arrow::arrow_shared, Parquet::parquet_shared.
find_package(Arrow CONFIG QUIET)
find_package(Parquet CONFIG QUIET)
if(Arrow_FOUND AND Parquet_FOUND)
  message(STATUS "Arrow ${Arrow_VERSION}: the system's")
  return()
endif()

file(GLOB pyarrow_dirs "${PROJECT_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/pyarrow")
if(NOT pyarrow_dirs)
  message(FATAL_ERROR "Arrow was not found. Run tools/setup, which puts the pinned pyarrow wheel into .deps/venv.")
endif()
list(GET pyarrow_dirs 0 pyarrow_dir)
foreach(library arrow parquet)
  file(GLOB candidates "${pyarrow_dir}/lib${library}.so.*")
  list(GET candidates 0 location)
  set(BETEDGE_${library}_LIBRARY "${location}")
endforeach()
message(STATUS "Arrow: the pyarrow wheel's, ${BETEDGE_arrow_LIBRARY}")
add_library(Arrow::arrow_shared SHARED IMPORTED GLOBAL)
set_target_properties(Arrow::arrow_shared PROPERTIES
  IMPORTED_LOCATION "${BETEDGE_arrow_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${pyarrow_dir}/include")
add_library(Parquet::parquet_shared SHARED IMPORTED GLOBAL)
set_target_properties(Parquet::parquet_shared PROPERTIES
  IMPORTED_LOCATION "${BETEDGE_parquet_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${pyarrow_dir}/include"
  INTERFACE_LINK_LIBRARIES Arrow::arrow_shared)
