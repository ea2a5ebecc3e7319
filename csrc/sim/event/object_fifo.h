// Buffers in a memory, and the locks with which one producer and one consumer hand them to each other.
#pragma once

#include <algorithm>
#include <cstdint>

namespace vaip::sim::event {

class ObjectFifo {
 public:
  explicit ObjectFifo(std::int64_t buffers) : buffers_(buffers) {}

  // The producer's side: fill a buffer, then hand it over.
  bool has_room() const { return acquired_ - released_ < buffers_; }
  void acquire() {
    ++acquired_;
    peak_ = std::max(peak_, acquired_ - released_);
  }
  void publish() { ++published_; }

  // The consumer's side. Objects are numbered from 0 and released in order.
  bool holds(std::int64_t object) const { return object < published_; }
  void release() { ++released_; }

  std::int64_t peak() const { return peak_; }  // most buffers in use at a time

 private:
  std::int64_t buffers_;
  std::int64_t acquired_ = 0, published_ = 0, released_ = 0, peak_ = 0;
};

}  // namespace vaip::sim::event
