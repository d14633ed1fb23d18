#include "betedge/engine/lake_walk.hpp"

#include <iterator>
#include <utility>

namespace betedge::engine {

LakeWalk::LakeWalk(JobStore& jobs, ObjectStore& lake, std::string prefix, std::string after,
                   std::size_t page)
    : jobs_(jobs), lake_(lake), prefix_(std::move(prefix)), page_(page) {
  found_.after = after;
  known_.after = std::move(after);
}

// A page may be empty and go on, so that it takes a loop.
Task<Result<void>> LakeWalk::fill_up() {
  while (found_.entries.empty() && found_.after) {
    BETEDGE_CO_TRY(auto page, co_await lake_.list(prefix_, *found_.after, page_));
    found_.entries.assign(std::make_move_iterator(page.objects.begin()),
                          std::make_move_iterator(page.objects.end()));
    found_.after = std::move(page.next_after);
  }
  while (known_.entries.empty() && known_.after) {
    BETEDGE_CO_TRY(auto page, co_await jobs_.list_known(prefix_, *known_.after, page_));
    known_.entries.assign(std::make_move_iterator(page.keys.begin()),
                          std::make_move_iterator(page.keys.end()));
    known_.after = std::move(page.next_after);
  }
  co_return Result<void>{};
}

Task<Result<std::optional<LakeEntry>>> LakeWalk::next() {
  BETEDGE_CO_TRY_VOID(co_await fill_up());
  auto& found = found_.entries;
  auto& known = known_.entries;
  if (found.empty() && known.empty()) co_return std::nullopt;
  const bool is_found = !found.empty() && (known.empty() || found.front().key <= known.front().key);
  const bool is_known = !known.empty() && (found.empty() || known.front().key <= found.front().key);
  LakeEntry entry{.key = is_found ? found.front().key : known.front().key,
                  .found = {},
                  .recorded = {},
                  .failure = {}};
  if (is_found) {
    entry.found = std::move(found.front().info);
    found.pop_front();
  }
  if (is_known) {
    entry.recorded = std::move(known.front().object);
    entry.failure = std::move(known.front().failure);
    known.pop_front();
  }
  co_return entry;
}

}  // namespace betedge::engine
