#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "betedge/sim/data.hpp"

namespace betedge::sim {

// Recorded answers: a folder with a manifest.json whose `responses[]` have `endpoint`
// ("/v2/bulk_hist/option/quote"), `params` (root, start_date, end_date, ivl) and `file`, the
// gzipped v2 JSON of it, one page each.
//
// A call is answered from the recording of just its days; else from one that holds them (a day out
// of a month's file, a month out of a year's); else from all that lie in its days, put together.
// What is not there is no data.
class Replay final : public DataSource {
 public:
  // Reads the manifest. invalid_request: it is missing or is none.
  static Result<std::unique_ptr<Replay>> open(std::filesystem::path folder);

  Result<std::size_t> read(const Query& query, const RowSink& sink) const override;

  std::size_t recordings() const;

 private:
  struct Recording {
    DateRange dates;
    std::filesystem::path file;
  };
  using Series = std::tuple<Kind, Schema, std::string, std::uint32_t>;  // symbol, interval
  std::vector<Recording> recordings_for(const Query& query) const;
  static Result<void> read_file(const std::filesystem::path& file, const Query& query,
                                const RowSink& sink);

  std::filesystem::path folder_;
  std::map<Series, std::vector<Recording>> series_;
};

}  // namespace betedge::sim
