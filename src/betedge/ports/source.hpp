#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "betedge/core/plan.hpp"
#include "betedge/ports/bytes.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::ports {

// The form in which a vendor sends rows; columnar decodes each (THETA.md 1.4, 1.5, 2.4, 4).
enum class WireFormat : std::uint8_t { v3_csv, v2_csv, v2_json, nasdaq_json };

// One call's answer, as it arrives. It may come in several documents (v2's pages); each begins
// anew, with its own header. Dropping it lets the connection and the upstream slot go.
class Answer {
 public:
  struct Chunk {
    Bytes bytes;
    bool begins_document = false;
  };
  virtual ~Answer() = default;

  virtual WireFormat format() const = 0;

  // The next bytes; nullopt after the last ones of the last document, which is a promise that the
  // answer came whole as far as the transport can tell. Errors are of the upstream_* codes,
  // `cancelled` or `timeout`.
  virtual Task<Result<std::optional<Chunk>>> next() = 0;
};

// Where rows come from: a vendor's terminal, or a scripted one in tests. Safe for several
// coroutines.
class Source {
 public:
  virtual ~Source() = default;

  // Sends the call, waiting for a free upstream slot first. nullopt: the vendor says there is no
  // data (472), which is a fact and not an error. `stop` gives up at the next suspension, also
  // later in the answer's next().
  virtual Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call call,
                                                                    std::stop_token stop) = 0;

  // Why the upstream, as far as it is known just now, cannot serve this call ("interval 90s is not
  // one that a v3 terminal serves: 1m, 5m, …"); nullopt when it can, or when that is not known yet.
  virtual std::optional<std::string> refusal(const Call& call) const = 0;

  // Whether one call may ask for several days of this kind of rows, as far as it is known: a chain
  // over more than a day is not served everywhere (THETA.md 1.9). Asked before each call, since a
  // source may learn it from a refusal.
  virtual bool takes_spans(const Call& call) const {
    static_cast<void>(call);
    return false;
  }

  // The expirations whose contracts the call may name, in order, for cutting up a call that is too
  // large. nullopt where the vendor has no such list.
  virtual Task<Result<std::optional<std::vector<Date>>>> expirations(Call call,
                                                                     std::stop_token stop);

  // What answers there, as far as it is known: "v3", "v2"; empty when it is not.
  virtual std::string version() const { return {}; }

  // Asked while the circuit is open and before the first fetch: is the upstream there? An error
  // says why not, in words for the job's `waiting_for`.
  virtual Task<Result<void>> probe(std::stop_token stop) = 0;
};

inline Task<Result<std::optional<std::vector<Date>>>> Source::expirations(Call, std::stop_token) {
  co_return std::optional<std::vector<Date>>{};
}

}  // namespace betedge::ports
