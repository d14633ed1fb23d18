#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "betedge/columnar/column_chunk.hpp"

namespace betedge::columnar {

// Makes the pages of batch after batch, on the caller's thread or on two. With a second thread the
// caller goes on decoding while the last batch is encoded, and takes the columns that are left when
// it has the next one. The pages do not depend on how many threads made them.
//
// A second thread is started with the first full batch, so that small files have none, and only
// where a processor is left: a process has one such thread less than it has processors, whatever
// number of files it writes at a time.
class PageTeam {
 public:
  PageTeam(std::span<const Column> columns, std::size_t threads);
  ~PageTeam();
  PageTeam(const PageTeam&) = delete;
  PageTeam& operator=(const PageTeam&) = delete;

  // The first `rows` rows, the next page of every column; copied or encoded before this returns.
  // Throws what encoding the batch before threw.
  void add(const RowBuffer& batch, std::size_t rows);
  // Waits for the pages of all batches. Throws what encoding one threw.
  void finish();

  // Only between finish() and the next add().
  std::span<const std::unique_ptr<ColumnChunk>> chunks() const { return chunks_; }

  // As it was when the last batch but one was finished, and what is held of the last.
  std::size_t memory_bytes() const { return settled_bytes_ + held_bytes_; }

 private:
  bool start_second();
  void run_second();
  void make_pages(PageWorkspace& workspace);
  void note_memory();

  std::span<const Column> columns_;
  std::size_t most_threads_;
  std::vector<std::unique_ptr<ColumnChunk>> chunks_;
  std::vector<std::size_t> order_;  // the dearest columns first, so that both threads end together
  PageWorkspace workspace_;
  std::size_t settled_bytes_ = 0;
  std::size_t held_bytes_ = 0;

  // With a second thread alone.
  std::optional<RowBuffer> held_;  // the batch whose pages are being made
  std::optional<PageWorkspace> second_workspace_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_column_ = 0;  // in that order; of those that nobody has taken yet
  std::size_t busy_ = 0;         // threads that make a page
  bool is_ending_ = false;
  std::exception_ptr thrown_;
  std::thread second_;
};

}  // namespace betedge::columnar
