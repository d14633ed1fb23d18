#include "betedge/core/error.hpp"

namespace betedge::core {

std::string_view to_text(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_request: return "invalid_request";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::fenced: return "fenced";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::timeout: return "timeout";
    case ErrorCode::upstream_unavailable: return "upstream_unavailable";
    case ErrorCode::upstream_throttled: return "upstream_throttled";
    case ErrorCode::upstream_failed: return "upstream_failed";
    case ErrorCode::upstream_refused: return "upstream_refused";
    case ErrorCode::upstream_too_large: return "upstream_too_large";
    case ErrorCode::upstream_denied: return "upstream_denied";
    case ErrorCode::upstream_garbled: return "upstream_garbled";
    case ErrorCode::storage_failed: return "storage_failed";
    case ErrorCode::storage_full: return "storage_full";
    case ErrorCode::storage_denied: return "storage_denied";
    case ErrorCode::store_unavailable: return "store_unavailable";
    case ErrorCode::internal: return "internal";
  }
  std::unreachable();
}

}  // namespace betedge::core
