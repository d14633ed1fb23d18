#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace betedge::app {

// What a check found, in a sentence, and what to do about it; no remedy where all is well.
struct Finding {
  enum class Verdict : std::uint8_t { good, doubtful, bad };
  std::string check;  // "lake"
  Verdict verdict = Verdict::good;
  std::string found;
  std::string remedy{};
};

// How what was found is judged, apart from the finding out.
namespace doctor {

// What the terminal answered to one small call of the kind that jobs make, which takes the tier
// VALUE (THETA.md 1.2, 2.2): the only way to learn of an account's tier, which no request tells.
struct Trial {
  std::string_view of;  // "options", "stocks"
  int status = 0;       // 0: no answer
  std::string said;     // its body, or why there is no answer
};

// A status request to the terminal, as far as it came.
struct Terminal {
  std::string url;          // as asked
  bool is_there = false;    // somebody listens
  int status = 0;           // of its answer
  std::string said;         // its body, or why there is no answer
  std::string version{};    // "v3", "v2"
  bool is_exposed = false;  // its port listens beyond loopback on this machine
  std::vector<Trial> trials{};
};
// It is there, and is logged in and connected.
bool is_ready(const Terminal& terminal);
Finding judge_terminal(const Terminal& terminal);

// Free and all bytes of the disk that a folder is on.
Finding judge_disk(std::string_view folder, std::uint64_t free_bytes, std::uint64_t all_bytes);

// Whether the kernel takes the clock for kept by somebody (adjtimex).
Finding judge_clock(bool is_synchronised);

// The address to listen on: `error` is errno of a bind, 0 when it is free; `server` is the version
// of a betedge that answers there.
Finding judge_port(std::string_view address, int error, const std::optional<std::string>& server);

}  // namespace doctor

// `betedge doctor [--json]`: settings, lake, store, disk, port, terminal and clock, each with its
// remedy where something is wrong. Asks the terminal for two small answers, behind a server's own
// calls for up to 30 s each. Changes nothing but for a probe in the lake, which it removes
// (a bucket's stays, as at every start). May be run beside a server. 0, or 3 when something is bad.
int run_doctor(const std::vector<std::string>& arguments);

}  // namespace betedge::app
