#pragma once

#include <cstddef>
#include <cstdint>

#include "betedge/ports/source.hpp"

namespace betedge::fuzz {

// Feeds the input to the decoder of this wire form, once whole and once in pieces, and aborts
// unless both are refused as garbled, or both give the same rows.
//
// Byte 0 chooses kind, schema and role; byte 1 how the pieces are cut; the rest is the body, in
// which a form feed begins a new page.
void decode_whole_and_cut(WireFormat format, const std::uint8_t* data, std::size_t size);

}  // namespace betedge::fuzz
