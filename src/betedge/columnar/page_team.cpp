#include "betedge/columnar/page_team.hpp"

#include "betedge/columnar/decoder.hpp"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <utility>

namespace betedge::columnar {

namespace {

// How many second threads may still be started.
std::atomic<int>& free_threads() {
  static std::atomic<int> count = static_cast<int>(std::thread::hardware_concurrency()) - 1;
  return count;
}

bool take_thread() {
  int left = free_threads().load();
  while (left > 0)
    if (free_threads().compare_exchange_weak(left, left - 1)) return true;
  return false;
}

bool is_price(ColumnType type) {
  return type == ColumnType::float64 || type == ColumnType::float32;
}

}  // namespace

PageTeam::PageTeam(std::span<const Column> columns, std::size_t threads)
    : columns_(columns), most_threads_(threads), next_column_(columns.size()) {
  chunks_ = make_chunks();
  for (const bool prices : {true, false})
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (is_price(columns[i].type) == prices) order_.push_back(i);
}

std::vector<std::unique_ptr<ColumnChunk>> PageTeam::make_chunks() const {
  std::vector<std::unique_ptr<ColumnChunk>> chunks;
  for (const Column& column : columns_) chunks.push_back(ColumnChunk::make(column.type));
  return chunks;
}

PageTeam::Chunks PageTeam::begin_group() {
  finish();
  if (ended_.empty()) ended_ = make_chunks();
  std::swap(chunks_, ended_);
  return ended_;
}

PageTeam::~PageTeam() {
  if (!second_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  second_.join();
  ++free_threads();
}

void PageTeam::add(RowBuffer& batch, std::size_t rows) {
  finish();
  if (!second_.joinable() && !(rows == kBatchRows && start_second())) {
    for (std::size_t i = 0; i < chunks_.size(); ++i)
      chunks_[i]->add_page(batch, i, rows, workspace_);
    note_memory();
    return;
  }
  held_->resize(0);
  if (rows == batch.size() && batch.capacity() == held_->capacity()) {
    batch.swap_rows(*held_);  // with its words
    batch.resize(rows);
  } else {
    held_->append(batch, 0, rows);
  }
  held_bytes_ = held_->memory_bytes();
  {
    const std::scoped_lock lock(mutex_);
    next_column_ = 0;
  }
  changed_.notify_all();
}

void PageTeam::finish() {
  if (!second_.joinable()) return;
  make_pages(workspace_);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return busy_ == 0; });
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  lock.unlock();
  note_memory();
}

bool PageTeam::start_second() {
  if (most_threads_ < 2 || !take_thread()) return false;
  try {
    held_.emplace(columns_, kBatchRows);
    second_workspace_.emplace();
    second_ = std::thread([this] { run_second(); });
  } catch (const std::system_error&) {  // the system has no thread for us: it goes on alone
    ++free_threads();
    most_threads_ = 1;
    return false;
  } catch (...) {
    ++free_threads();
    throw;
  }
  return true;
}

void PageTeam::run_second() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return is_ending_ || next_column_ < chunks_.size(); });
    if (is_ending_) return;
    lock.unlock();
    make_pages(*second_workspace_);
    lock.lock();
  }
}

// Of the columns that nobody has taken, one after the other.
void PageTeam::make_pages(PageWorkspace& workspace) {
  std::unique_lock lock(mutex_);
  while (next_column_ < chunks_.size()) {
    const std::size_t column = order_[next_column_++];
    ++busy_;
    lock.unlock();
    std::exception_ptr thrown;
    try {
      chunks_[column]->add_page(*held_, column, held_->size(), workspace);
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    if (thrown) {
      thrown_ = thrown;
      next_column_ = chunks_.size();
    }
    if (--busy_ == 0) changed_.notify_all();
  }
}

void PageTeam::note_memory() {
  settled_bytes_ = workspace_.memory_bytes();
  if (second_workspace_) settled_bytes_ += second_workspace_->memory_bytes();
  for (const auto* const chunks : {&chunks_, &ended_})
    for (const auto& chunk : *chunks) settled_bytes_ += chunk->memory_bytes();
}

}  // namespace betedge::columnar
