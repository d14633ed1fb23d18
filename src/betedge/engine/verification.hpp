#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "betedge/core/lake.hpp"
#include "betedge/core/request.hpp"
#include "betedge/engine/lake_walk.hpp"
#include "betedge/engine/object_reading.hpp"
#include "betedge/ports/runtime.hpp"

namespace betedge::engine {

// In what an object that was read whole differs from what it should be, and how: nullopt when it is
// what its own metadata and `recorded` say. An object that is in order and that nobody recorded is
// `unknown`.
struct Finding {
  Verdict verdict;
  std::string detail;
};
std::optional<Finding> finding_of(const ObjectKey& key, const ObjectReading& read,
                                  const std::optional<ObjectRecord>& recorded);

// Reads again what lies in the lake under keys of ours (core::facts_of) and compares it with what
// was recorded and with what each file says of itself: size, SHA-256, rows, the values' digest. An
// object that nobody recorded is named, and when it is in order it is recorded, so that it is known
// next time.
//
// Goes on only when it is asked for the next line, and holds a page of keys and one object's
// temporary file: whoever reads slowly holds up nobody. A difference is told only when the object
// and what is known of it are still the same after it was read: a job may have written it
// meanwhile.
class Verification {
 public:
  struct Ports {
    Runtime& runtime;
    JobStore& jobs;
    ObjectStore& lake;
  };
  // Downloads again what is named, and answers with the job's id.
  using Repair = std::function<Task<Result<std::string>>(Submission)>;
  struct Options {
    std::string prefix{};  // of the keys
    // Called at the end, once a series, for what can be downloaded again: none when it is empty.
    Repair repair{};
    // Called when this is dropped.
    std::function<void()> ended{};
    // A progress line comes when nothing has been told for so long.
    std::chrono::milliseconds silence{5'000};
  };
  Verification(Ports ports, Options options, std::stop_token stop);
  ~Verification();
  Verification(const Verification&) = delete;
  Verification& operator=(const Verification&) = delete;

  // The next line, nullopt after the last one. `cancelled` once stop was asked for. What goes wrong
  // with lake or store is a VerifyFailure.
  Task<Result<std::optional<VerifyLine>>> next();

 private:
  struct Series {
    HistoricalRequest request;
    std::vector<DateRange> periods{};
  };
  Task<Result<std::optional<VerifyLine>>> go_on();
  Task<Result<std::optional<Finding>>> check(LakeEntry entry);
  Task<Result<LakeEntry>> look_again(ObjectKey key);
  Task<Result<void>> adopt(const LakeEntry& entry, const ObjectReading& read);
  void note_for_repair(const ObjectKey& key);
  Task<Result<VerifyLine>> end();

  Ports ports_;
  Options options_;
  std::stop_token stop_;
  LakeWalk walk_;
  VerifyEnd told_{};
  SteadyTime last_line_;
  bool has_ended_ = false;
  std::map<std::string, Series> to_repair_{};  // by series and format
};

}  // namespace betedge::engine
