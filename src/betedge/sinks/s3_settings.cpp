#include "betedge/sinks/s3_settings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "betedge/core/object_key.hpp"

namespace betedge::sinks {

Result<S3Location> parse_s3_url(std::string_view url) {
  // Somebody may have put a user and password into it.
  const auto shown = url.find('@') == std::string_view::npos ? url : "the lake's URL";
  const auto wrong = [shown](std::string_view why) {
    return fail(ErrorCode::invalid_request,
                fmt::format("{} is not a lake in S3: {}; write s3://bucket or s3://bucket/prefix",
                            shown, why));
  };
  constexpr std::string_view kScheme = "s3://";
  if (!url.starts_with(kScheme)) return wrong("it does not begin with s3://");
  const auto rest = url.substr(kScheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  S3Location location{std::string(rest.substr(0, slash)), std::string(rest.substr(slash))};
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  if (location.bucket.size() < 3 || location.bucket.size() > 63 ||
      !std::ranges::all_of(location.bucket, fits)) {
    return wrong("a bucket's name is 3 to 63 letters, digits, dots or dashes");
  }
  auto& prefix = location.prefix;
  while (prefix.ends_with('/')) prefix.pop_back();
  if (!prefix.empty()) prefix.erase(0, 1);
  if (!prefix.empty() && !ObjectKey::parse(prefix)) return wrong("its prefix cannot be a path");
  return location;
}

}  // namespace betedge::sinks
