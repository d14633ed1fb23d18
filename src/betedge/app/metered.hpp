#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "betedge/ports/metrics.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/ports/source.hpp"

// What stands at a door and counts what goes through: the doors themselves need not know.
namespace betedge::app {

// The source, with every call's time, outcome and bytes counted. `upstream` is the label:
// "thetadata". A call that is dropped before its end, since it was asked to stop, counts as
// `cancelled`. All outlive it and its answers.
std::unique_ptr<Source> make_metered_source(Source& source, Runtime& runtime, Metrics& metrics,
                                            std::string upstream);

// The lake, with the time of every put and the bytes published counted. Time counts while the lake
// works, not while an object waits for its next bytes. `backend` is the label: "folder" or "s3". A
// writer dropped before its commit has put nothing and is not counted.
std::unique_ptr<ObjectStore> make_metered_lake(std::unique_ptr<ObjectStore> lake, Runtime& runtime,
                                               Metrics& metrics, std::string_view backend);

}  // namespace betedge::app
