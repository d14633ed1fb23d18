#include "betedge/core/dataset.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace betedge::core {
namespace {

TEST(Dataset, OfAnObjectIsThatOfTheRequestWhoseObjectItIs) {
  for (const auto kind : {Kind::option, Kind::stock}) {
    for (const auto schema : {Schema::quote, Schema::ohlc, Schema::eod}) {
      HistoricalRequest request{.kind = kind,
                                .root = *Symbol::parse("AAPL"),
                                .dates = {*parse_yyyymmdd("20240102"), *parse_yyyymmdd("20240105")},
                                .schema = schema,
                                .interval = std::chrono::minutes(15)};
      EXPECT_EQ(dataset_of(object_key(request, request.dates.first)), dataset_of(kind, schema));
      EXPECT_THAT(datasets(), ::testing::Contains(dataset_of(kind, schema)));
    }
  }
}

TEST(Dataset, OfAKeyIsOneOfFewWhateverTheKey) {
  EXPECT_EQ(dataset_of(*ObjectKey::parse("earnings/2024/01/data.parquet")), "earnings");
  EXPECT_EQ(dataset_of(*ObjectKey::parse("historical-stock/ticks/AAPL/data.parquet")), "other");
  EXPECT_EQ(dataset_of(*ObjectKey::parse("x")), "other");
}

}  // namespace
}  // namespace betedge::core
