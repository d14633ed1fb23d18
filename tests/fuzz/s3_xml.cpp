#include <cstdlib>
#include <string_view>

#include "betedge/sinks/s3_xml.hpp"

// Whatever an S3 server answers, no document is read as something it is not: a listing's objects
// have keys, and what is cut anywhere is refused whole.

using namespace betedge::sinks;

namespace {

void insist(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view xml(reinterpret_cast<const char*>(data), size);
  const auto error = parse_s3_error(xml);
  insist(error.code.size() + error.region.size() <= size);
  if (const auto listing = parse_s3_listing(xml)) {
    for (const auto& object : listing->objects) insist(!object.key.empty());
    // Without its last end tag it is no document.
    const auto end = xml.rfind("</");
    insist(end != std::string_view::npos && !parse_s3_listing(xml.substr(0, end)));
  }
  if (const auto uploads = parse_s3_uploads(xml)) {
    for (const auto& upload : uploads->uploads) insist(!upload.key.empty() && !upload.id.empty());
    if (uploads->next) insist(!uploads->next->key_marker.empty());
  }
  if (const auto id = parse_s3_upload_id(xml)) insist(!id->empty());
  // A document is of one kind.
  insist(!(is_s3_completion(xml) && parse_s3_listing(xml)));
  return 0;
}
