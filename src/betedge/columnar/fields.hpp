#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

// Numbers, days and times of the vendor's text, read by hand.
//
// Every function reads from `p` and returns the first byte it did not take, or nullptr when the
// text is not of the form asked for. None looks at more than the first byte that does not fit, so
// the bytes need no length as long as one follows that fits nowhere (a line end, a bracket).
namespace betedge::columnar {

constexpr unsigned digit_of(char c) {
  return static_cast<unsigned>(static_cast<unsigned char>(c)) - '0';
}

inline const char* read_uint32(const char* p, std::uint32_t& value) {
  const char* const start = p;
  std::uint64_t number = 0;
  for (unsigned digit = digit_of(*p); digit <= 9; digit = digit_of(*++p))
    number = number * 10 + digit;
  const auto digits = p - start;
  if (digits == 0 || digits > 10 || number > std::numeric_limits<std::uint32_t>::max())
    return nullptr;
  value = static_cast<std::uint32_t>(number);
  return p;
}

inline constexpr std::size_t kMostPriceDigits = 40;

// "12", "12.34"; digits on both sides of a point. The double nearest to the decimal text.
inline const char* read_price(const char* p, double& value) {
  static constexpr std::array<double, 16> kPowersOfTen = {
      1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const char* const start = p;
  std::uint64_t mantissa = 0;
  for (unsigned digit = digit_of(*p); digit <= 9; digit = digit_of(*++p))
    mantissa = mantissa * 10 + digit;
  const auto whole = static_cast<std::size_t>(p - start);
  if (whole == 0) return nullptr;
  std::size_t scale = 0;
  if (*p == '.') {
    const char* const fraction = ++p;
    for (unsigned digit = digit_of(*p); digit <= 9; digit = digit_of(*++p))
      mantissa = mantissa * 10 + digit;
    scale = static_cast<std::size_t>(p - fraction);
    if (scale == 0) return nullptr;
  }
  if (whole + scale <= 15) {
    // Both are exact doubles (below 2^53 and 10^22), so their quotient is the nearest double.
    value = static_cast<double>(mantissa) / kPowersOfTen[scale];
    return p;
  }
  if (whole + scale > kMostPriceDigits) return nullptr;
  const auto read = std::from_chars(start, p, value, std::chars_format::fixed);
  return read.ec == std::errc() && read.ptr == p ? p : nullptr;
}

// "20240102" or "2024-01-02" -> 20240102. The form only; whether it is a real day is for the
// caller.
inline const char* read_day(const char* p, std::uint32_t& yyyymmdd) {
  std::uint32_t number = 0;
  bool dashed = false;
  for (int place = 0; place < 8; ++place) {
    if (place == 4 && *p == '-') {
      dashed = true;
      ++p;
    } else if (place == 6 && dashed) {
      if (*p != '-') return nullptr;
      ++p;
    }
    const unsigned digit = digit_of(*p);
    if (digit > 9) return nullptr;
    number = number * 10 + digit;
    ++p;
  }
  yyyymmdd = number;
  return p;
}

// "09:30:00", "17:15:02.5", "17:15:02.043" -> milliseconds since midnight. Up to three digits of
// fraction, aligned left: the terminal trims trailing zeros (THETA.md 2.5).
inline const char* read_time_of_day(const char* p, std::uint32_t& milliseconds) {
  const auto two_digits = [&p](unsigned below) -> unsigned {
    const unsigned tens = digit_of(p[0]);
    if (tens > 9) return below;
    const unsigned units = digit_of(p[1]);
    if (units > 9) return below;
    p += 2;
    return tens * 10 + units;
  };
  const unsigned hours = two_digits(24);
  if (hours >= 24 || *p != ':') return nullptr;
  ++p;
  const unsigned minutes = two_digits(60);
  if (minutes >= 60 || *p != ':') return nullptr;
  ++p;
  const unsigned seconds = two_digits(60);
  if (seconds >= 60) return nullptr;
  std::uint32_t total = ((hours * 60 + minutes) * 60 + seconds) * 1000;
  if (*p == '.') {
    ++p;
    std::uint32_t weight = 100;
    unsigned digit = digit_of(*p);
    if (digit > 9) return nullptr;
    for (; digit <= 9; digit = digit_of(*++p)) {
      if (weight == 0) return nullptr;
      total += digit * weight;
      weight /= 10;
    }
  }
  milliseconds = total;
  return p;
}

// "220.000" -> 220000. Refuses what is no whole number of thousandths.
inline const char* read_dollars_as_thousandths(const char* p, std::uint32_t& thousandths) {
  std::uint64_t number = 0;
  const char* const start = p;
  for (unsigned digit = digit_of(*p); digit <= 9; digit = digit_of(*++p))
    number = number * 10 + digit;
  if (p == start || p - start > 10) return nullptr;
  int places = 0;
  if (*p == '.') {
    unsigned digit = digit_of(*++p);
    if (digit > 9) return nullptr;
    for (; digit <= 9; digit = digit_of(*++p)) {
      if (places < 3) {
        number = number * 10 + digit;
        ++places;
      } else if (digit != 0) {
        return nullptr;
      }
    }
  }
  for (; places < 3; ++places) number *= 10;
  if (number > std::numeric_limits<std::uint32_t>::max()) return nullptr;
  thousandths = static_cast<std::uint32_t>(number);
  return p;
}

}  // namespace betedge::columnar
