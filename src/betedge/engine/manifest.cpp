#include "betedge/engine/manifest.hpp"

#include <utility>

#include "betedge/wire/lake.hpp"

namespace betedge::engine {

namespace {
constexpr std::size_t kPage = 500;  // objects at a time: some 100 KB of text
}  // namespace

ObjectKey manifest_key(const JobId& job) {
  return ObjectKey::parse("manifests/" + job.text() + ".json").value();
}

ManifestText::ManifestText(JobStore& jobs, JobInfo job) : jobs_(jobs), job_(std::move(job)) {}

Task<Result<std::string>> ManifestText::next() {
  switch (part_) {
    case Part::head: {
      part_ = Part::objects;
      wire::Manifest head{.job_id = job_.job_id.text(),
                          .state = std::string(to_text(job_.state())),
                          .created_at = to_iso_text(job_.created_at),
                          .finished_at = {},
                          .request_json = job_.request_json,
                          .objects = {}};
      if (job_.finished_at) head.finished_at = to_iso_text(*job_.finished_at);
      co_return wire::manifest_head_json(head);
    }
    case Part::objects: co_return co_await objects();
    case Part::nothing: break;
  }
  co_return std::string();
}

Task<Result<std::string>> ManifestText::objects() {
  ItemFilter filter{.state = {}, .from_seq = from_, .limit = kPage};
  BETEDGE_CO_TRY(auto page, co_await jobs_.list_items(job_.job_id, filter));
  std::string text;
  for (auto& item : page.items) {
    wire::ManifestObject object{.key = item.key.text(),
                                .state = std::string(to_text(item.state)),
                                .rows = item.rows,
                                .bytes = item.bytes,
                                .sha256 = std::move(item.sha256),
                                .note = std::move(item.note),
                                .error = std::move(item.error)};
    if (item.state == ItemState::skipped && object.sha256.empty()) {
      BETEDGE_CO_TRY(const auto recorded, co_await jobs_.find_object(item.key));
      if (recorded) {
        object.rows = recorded->rows;
        object.bytes = recorded->size_bytes;
        object.sha256 = recorded->sha256;
      }
    }
    text += wire::manifest_object_json(object, std::exchange(is_first_, false));
  }
  if (page.next) {
    from_ = *page.next;
  } else {
    part_ = Part::nothing;
    text += wire::manifest_tail_json();
  }
  co_return text;
}

}  // namespace betedge::engine
