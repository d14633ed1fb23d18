#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"
#include "betedge/core/request.hpp"
#include "betedge/core/table.hpp"
#include "betedge/ports/bytes.hpp"

// Reading files of the lake back: ours, and those of others as far as they go. A missing or
// unreadable file, and one that is neither Parquet nor Arrow, is storage_failed.
namespace betedge::columnar {

// A file that does not lie in a local folder.
struct RandomAccess {
  std::uint64_t size_bytes = 0;
  // Exactly `length` bytes from `offset`; called within size_bytes, on the caller's thread.
  std::function<Result<Bytes>(std::uint64_t offset, std::size_t length)> read;
};

// What a file says of itself.
struct FileFacts {
  FileFormat format = FileFormat::parquet;
  std::uint64_t rows = 0;
  std::vector<std::string> columns;
  // Told from the columns' types, so that it holds for files of others too.
  Layout layout{};
  // The file's own metadata by its names (file_metadata.hpp); empty for a file that is not ours.
  std::map<std::string, std::string> metadata;

  // Some of it, read; nullopt where the file does not say so.
  std::optional<DateRange> covers() const;
  std::optional<int> schema_version() const;
};
Result<FileFacts> read_facts(const std::filesystem::path& file);
Result<FileFacts> read_facts(RandomAccess file);

// The first rows as text, as `cat` shows them: numbers in their shortest exact form, instants as
// New York's wall-clock time, "2024-01-02T09:30:00.5"; an empty text for a null.
struct Preview {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};
Result<Preview> preview(const std::filesystem::path& file, std::size_t rows);
Result<Preview> preview(RandomAccess file, std::size_t rows);

// The digest of the values that lie in the file, to be compared with what its metadata says
// (digest.hpp). Reads all of it, a batch at a time; storage_failed when a column is of a type that
// our files do not have.
Result<std::string> digest_of(const std::filesystem::path& file);
Result<std::string> digest_of(RandomAccess file);

// The days that a file has rows of: those of its column `date`, as whole numbers (20240102) or
// date32, in order, each once; none when it has no such column. Reads all of it, whatever its other
// columns are, so that storage_failed says that some of it cannot be decoded.
Result<std::vector<Date>> days_of(RandomAccess file);

}  // namespace betedge::columnar
