# find_package(betedge): the C++ SDK, target betedge::sdk. What it links is found here.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(fmt)
find_dependency(OpenSSL)
find_dependency(CURL)
include(${CMAKE_CURRENT_LIST_DIR}/betedgeTargets.cmake)
