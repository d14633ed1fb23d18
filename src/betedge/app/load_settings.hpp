#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "betedge/app/setting_sources.hpp"
#include "betedge/app/settings.hpp"
#include "betedge/core/error.hpp"

namespace betedge::app {

struct LoadedSettings {
  Settings settings;
  std::map<std::string, std::string, std::less<>>
      origins;                        // by name: "THETA_API in the environment"
  std::vector<std::string> warnings;  // one sentence each
};

// What the sources say (setting_sources.hpp), read by the table and checked together, over the
// defaults. invalid_request with one sentence: which setting, from where, what it must be.
Result<LoadedSettings> load_settings(const Outside& outside);

// `betedge config`: a line for each setting, "name = value  # origin", secrets masked.
enum class Listing : std::uint8_t {
  all,
  set,   // only those that some source sets
  json,  // of all an object a line: name, value, origin
  json_of_set,
};
std::string describe(const LoadedSettings& loaded, Listing listing = Listing::all);

}  // namespace betedge::app
