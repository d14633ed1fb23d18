#include "betedge/app/lake.hpp"

#include <utility>

#include "betedge/sinks/local_store.hpp"

namespace betedge::app {
namespace {

Result<sinks::S3Settings> s3_settings(const Settings& settings) {
  sinks::S3Settings s3;
  BETEDGE_TRY(s3.location, sinks::parse_s3_url(settings.lake_url));
  s3.endpoint = settings.s3_endpoint;
  s3.secure = settings.s3_secure;
  s3.region = settings.s3_region;
  s3.access_key = settings.s3_access_key;
  s3.secret_key = settings.s3_secret_key;
  s3.multipart_above = settings.s3_multipart_above;
  s3.part_size = settings.s3_part_size;
  s3.idle_timeout = settings.s3_timeout;
  return s3;
}

std::unexpected<Error> of_the_lake(const Settings& settings, Error error) {
  return fail_while("the lake " + settings.lake_url, std::move(error));
}

}  // namespace

bool is_bucket(const Settings& settings) {
  return settings.lake_url.starts_with("s3://");
}

Result<std::unique_ptr<ObjectStore>> open_folder(Runtime& runtime, const Settings& settings) {
  auto lake = sinks::LocalStore::open(runtime, settings.lake_url);
  if (!lake) return of_the_lake(settings, std::move(lake).error());
  return *std::move(lake);
}

Task<Result<std::unique_ptr<sinks::S3Store>>> open_bucket(Runtime& runtime, net::HttpClient& client,
                                                          Settings settings, std::stop_token stop,
                                                          std::stop_token stop_reading) {
  auto s3 = s3_settings(settings);
  if (!s3) co_return of_the_lake(settings, std::move(s3).error());
  auto lake = co_await sinks::S3Store::open(runtime, client, *std::move(s3), std::move(stop),
                                            std::move(stop_reading));
  if (!lake) co_return of_the_lake(settings, std::move(lake).error());
  co_return *std::move(lake);
}

}  // namespace betedge::app
