#pragma once

#include <cstdint>
#include <string_view>

// Chance as a function of what it is for: the simulator's every "random" value is one of these, so
// that it does not depend on what was asked before.
namespace betedge::sim {

// splitmix64's finaliser (Steele, Lea, Flood 2014): every input bit reaches every output bit.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  return mix(mix(a) ^ b);
}
constexpr std::uint64_t mix(std::uint64_t seed, std::string_view text) {
  for (const char c : text) seed = mix(seed, static_cast<unsigned char>(c));
  return mix(seed, text.size());
}

// Uniform in [0, 1).
constexpr double unit(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

// Near enough to a standard normal for prices: the sum of four uniforms, so at most 3.46 either
// way, and the same on every machine.
constexpr double bell(std::uint64_t bits) {
  const auto part = [bits](int shift) {
    return static_cast<double>((bits >> shift) & 0xffff) / 65536.0;
  };
  return (part(0) + part(16) + part(32) + part(48) - 2.0) * 1.7320508075688772;
}

}  // namespace betedge::sim
