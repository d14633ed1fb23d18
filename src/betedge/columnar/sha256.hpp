#pragma once

#include <memory>
#include <string>

#include "betedge/core/error.hpp"
#include "betedge/ports/bytes.hpp"

namespace betedge::columnar {

// The checksum of a whole file, piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(ByteView bytes);
  // 64 digits, lower case. Ends it.
  std::string hex();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

}  // namespace betedge::columnar
