#pragma once

#include <cstddef>
#include <memory>
#include <stop_token>
#include <vector>

#include "betedge/columnar/object_encoder.hpp"
#include "betedge/engine/memory_budget.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::columnar {
class DaySplitter;
}

namespace betedge::engine {

// Objects in the making, of one request and a day each, or one object alone: the bytes of answers
// are encoded on the cpu pool and written to the lake as they come, and each object is published by
// itself. What is not published leaves no trace when this is dropped; after an error of an answer
// it is only good for that. Used by one coroutine at a time.
class Drafts {
 public:
  struct Object {
    columnar::ObjectSpec spec;
    Expected expected;  // what must lie there when it is published
  };
  // In date order, at least one.
  static Result<std::unique_ptr<Drafts>> open(Runtime& runtime, ObjectStore& lake,
                                              MemoryBudget& memory, std::vector<Object> objects);
  Drafts(const Drafts&) = delete;
  Drafts& operator=(const Drafts&) = delete;
  ~Drafts();

  // Waits until there is memory for more; false when stop was asked for first.
  Task<bool> admit(std::stop_token stop);
  // An answer: as ObjectEncoder has it. Errors are the encoder's and the lake's.
  Result<void> begin_answer(const Call& call, WireFormat format);
  Task<Result<void>> feed(Answer::Chunk chunk);
  Task<Result<void>> end_answer();

  std::size_t size() const { return objects_.size(); }
  // Of one object, after the last answer; none: there is nothing to publish.
  std::uint64_t rows(std::size_t object) const;
  // Ends its file and writes the last of it.
  Task<Result<columnar::FileSummary>> finish(std::size_t object);
  // Makes the finished object visible: ObjectWriter::commit.
  Task<Result<void>> publish(std::size_t object);

 private:
  struct Encoders;  // one object's, or what splits an answer by the day
  Drafts(Runtime& runtime, ObjectStore& lake, MemoryBudget& memory, std::vector<Object> objects,
         std::unique_ptr<Encoders> encoders);

  Task<Result<void>> write(std::size_t object, Bytes output);

  Runtime& runtime_;
  ObjectStore& lake_;
  std::vector<Object> objects_;
  MemoryBudget::Share memory_;
  std::unique_ptr<Encoders> encoders_;
  std::vector<std::unique_ptr<ObjectWriter>> writers_;  // each made with its first output
};

}  // namespace betedge::engine
