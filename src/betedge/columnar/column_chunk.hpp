#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "betedge/columnar/row_buffer.hpp"
#include "betedge/ports/bytes.hpp"

struct ZSTD_CCtx_s;

namespace betedge::columnar {

// What columns need while a page is made, and can share: memory that was just used is in the cache,
// and a zstd context takes as long to make as a small page to compress. Not for two threads at a
// time.
class PageWorkspace {
 public:
  PageWorkspace();
  PageWorkspace(PageWorkspace&&) noexcept;
  PageWorkspace& operator=(PageWorkspace&&) noexcept;
  ~PageWorkspace();

  // The compressed bytes, valid until the next call. Throws std::bad_alloc.
  ports::ByteView compress(ports::ByteView page, int zstd_level);
  std::size_t memory_bytes() const;

  struct Run {
    std::uint32_t index;
    std::size_t length;
  };
  std::vector<std::uint16_t> indices;
  std::vector<Run> runs;
  std::vector<float> narrow;
  ports::Bytes raw;

 private:
  std::unique_ptr<ZSTD_CCtx_s, std::size_t (*)(ZSTD_CCtx_s*)> context_;
  ports::Bytes compressed_;
};

// One column of one row group in the making, a "column chunk" of the Parquet format
// (https://parquet.apache.org/docs/file-format/): a dictionary of its values in the order in which
// they came first, and data pages of indices into it.
//
// Arrow's writer makes the same pages out of finished columns, but hashes every value of every row,
// packs indices to odd numbers of bits, which zstd then cannot match, and looks for the extremes
// once more. Here an index has 8 or 16 bits, so that equal rows are equal bytes; what stands still
// from row to row is written as runs; and extremes are those of the dictionary's entries in use
// (docs/performance.md has what each is worth).
class ColumnChunk {
 public:
  struct Page {
    ports::Bytes bytes;           // compressed
    std::size_t raw_bytes = 0;    // before that
    std::size_t rows = 0;         // one value each
    bool is_plain = false;        // values as they are, not indices
    std::string least, greatest;  // as Parquet's statistics have them
  };

  // For a column of a RowBuffer. As float32 its prices are rounded to the nearest.
  static std::unique_ptr<ColumnChunk> make(ColumnType type);
  virtual ~ColumnChunk() = default;

  // Encodes the first `rows` rows of the buffer's column as the next page.
  virtual void add_page(const RowBuffer& buffer, std::size_t column, std::size_t rows,
                        PageWorkspace& workspace) = 0;

  const std::vector<Page>& pages() const { return pages_; }
  // The dictionary as its page has it, before compression; empty when every page is plain.
  virtual ports::Bytes dictionary() const = 0;
  virtual std::size_t dictionary_size() const = 0;
  // Some page is plain: the column had more values than a dictionary takes.
  bool is_plain() const { return is_plain_; }
  // Of all pages.
  virtual std::string least() const = 0;
  virtual std::string greatest() const = 0;

  std::size_t memory_bytes() const { return page_bytes_ + dictionary_bytes(); }
  // A new row group begins.
  virtual void clear() = 0;

 protected:
  virtual std::size_t dictionary_bytes() const = 0;

  void keep_page(Page page, PageWorkspace& workspace, ports::ByteView raw, int zstd_level);

  std::vector<Page> pages_;
  std::size_t page_bytes_ = 0;
  bool is_plain_ = false;
};

}  // namespace betedge::columnar
