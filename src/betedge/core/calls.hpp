#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "betedge/core/plan.hpp"

// Joining and cutting upstream calls: the same rows by fewer, or by smaller ones.
namespace betedge::core {

// The most rows that a call which was joined out of several may bring (THETA.md 1.1: a v2 terminal
// pages at half of it, and may be told to page at ten times as many).
inline constexpr std::uint64_t kMostTicks = 1'000'000;

// The most rows that a stock's or an underlying's call can bring: one a step of the interval and a
// session, from the window's start to its end, both included; one a session of eod. A side that is
// left out is that of the regular session, 09:30 or 16:00.
std::uint64_t most_ticks(const Call& call);

// The one call for all that these ask for, when they are alike but for their dates and follow each
// other; nullopt otherwise, and of fewer than two. It may name days that none of them does.
std::optional<Call> joined(std::span<const Call> calls);

// The two calls that bring what this one does, in the order of its rows within a contract: of
// several sessions half of them each; of one, half of the interval's steps each, the second one
// beginning on a step and the first one ending a millisecond before it, so that it does not matter
// whether the vendor takes a window's end as within. Sides of the window that are left out stay so.
// nullopt when the call is of one session and one step, or of one session's eod.
std::optional<std::array<Call, 2>> halves(const Call& call);

// The calls, one an expiration, that bring what this one does, `expirations` being the contracts'
// that the vendor has. Those before the call's first day had expired and are left out. Empty when
// the call is no option's, or is of one expiration already.
std::vector<Call> by_expiration(const Call& call, std::span<const Date> expirations);

}  // namespace betedge::core
