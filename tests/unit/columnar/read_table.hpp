#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "betedge/core/error.hpp"
#include "betedge/ports/bytes.hpp"

namespace betedge::columnar::testing {

// A file's columns as Arrow itself reads them: the check on what our writer wrote, without our
// reader.
struct ReadTable {
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::uint32_t>> numbers;
  std::map<std::string, std::vector<double>> prices;
  std::map<std::string, std::vector<float>> narrow_prices;
  std::map<std::string, std::vector<std::string>> texts;
  std::vector<std::int64_t> row_groups;  // rows of each; of an Arrow file: of each batch
  std::size_t rows = 0;
};

// Throws when the file is of another shape than ours are.
ReadTable read_parquet(const Bytes& file);
ReadTable read_ipc(const Bytes& file);

}  // namespace betedge::columnar::testing
