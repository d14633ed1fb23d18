#include "betedge/core/dataset.hpp"

#include <array>
#include <utility>

namespace betedge::core {

std::string_view dataset_of(Kind kind, Schema schema) {
  switch (kind) {
    case Kind::option:
      switch (schema) {
        case Schema::quote: return "option_quote";
        case Schema::ohlc: return "option_ohlc";
        case Schema::eod: return "option_eod";
      }
      break;
    case Kind::stock:
      switch (schema) {
        case Schema::quote: return "stock_quote";
        case Schema::ohlc: return "stock_ohlc";
        case Schema::eod: return "stock_eod";
      }
      break;
    case Kind::earnings: return "earnings";
  }
  std::unreachable();
}

std::string_view dataset_of(const ObjectKey& key) {
  struct Layout {
    std::string_view prefix;
    std::string_view dataset;
  };
  static constexpr std::array<Layout, 7> kLayouts{{
      {"historical-options/quote/", "option_quote"},
      {"historical-options/ohlc/", "option_ohlc"},
      {"historical-options/eod/", "option_eod"},
      {"historical-stock/quote/", "stock_quote"},
      {"historical-stock/ohlc/", "stock_ohlc"},
      {"historical-stock/eod/", "stock_eod"},
      {"earnings/", "earnings"},
  }};
  for (const auto& layout : kLayouts)
    if (key.text().starts_with(layout.prefix)) return layout.dataset;
  return "other";
}

std::span<const std::string_view> datasets() {
  static constexpr std::array<std::string_view, 7> kDatasets{
      "option_quote", "option_ohlc", "option_eod", "stock_quote",
      "stock_ohlc",   "stock_eod",   "earnings"};
  return kDatasets;
}

}  // namespace betedge::core
