#pragma once

#include <memory>
#include <stop_token>

#include "betedge/app/settings.hpp"
#include "betedge/core/error.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/ports/task.hpp"
#include "betedge/sinks/s3_store.hpp"

namespace betedge::app {

bool is_bucket(const Settings& settings);

// The folder that lake.url names: made when it is missing, and locked. Blocks: call it before the
// loop runs, or where nothing else does. The error says which lake.
Result<std::unique_ptr<ObjectStore>> open_folder(Runtime& runtime, const Settings& settings);

// The bucket that lake.url names. The error says which lake. Runtime and client outlive it; the
// stops are S3Store::open's.
Task<Result<std::unique_ptr<sinks::S3Store>>> open_bucket(Runtime& runtime, net::HttpClient& client,
                                                          Settings settings, std::stop_token stop,
                                                          std::stop_token stop_reading = {});

}  // namespace betedge::app
