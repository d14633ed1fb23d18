#include "fuzz/decoder_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  betedge::fuzz::decode_whole_and_cut(betedge::WireFormat::v3_csv, data, size);
  return 0;
}
