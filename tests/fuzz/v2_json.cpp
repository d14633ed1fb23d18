#include "fuzz/decoder_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  betedge::fuzz::decode_whole_and_cut(betedge::WireFormat::v2_json, data, size);
  return 0;
}
