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

  // The first `rows` rows, the next page of every column; taken, copied or encoded before this
  // returns: of a batch that is all taken, other arrays lie in the buffer afterwards, and its rows
  // are nobody's. Throws what encoding the batch before threw.
  void add(RowBuffer& batch, std::size_t rows);
  // Waits for the pages of all batches. Throws what encoding one threw.
  void finish();

  using Chunks = std::span<const std::unique_ptr<ColumnChunk>>;
  // Only between finish() and the next add().
  Chunks chunks() const { return chunks_; }
  // What finish() leaves, for the caller, who clears it before the next time; the pages of what is
  // added from now on are another row group's. So the second thread has work while one is written.
  Chunks begin_group();

  // As it was when the last batch but one was finished, and what is held of the last.
  std::size_t memory_bytes() const { return settled_bytes_ + held_bytes_; }

 private:
  std::vector<std::unique_ptr<ColumnChunk>> make_chunks() const;
  bool start_second();
  void run_second();
  void make_pages(PageWorkspace& workspace);
  void note_memory();

  std::span<const Column> columns_;
  std::size_t most_threads_;
  std::vector<std::unique_ptr<ColumnChunk>> chunks_;
  std::vector<std::unique_ptr<ColumnChunk>> ended_;  // of the row group before; none in the first
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
