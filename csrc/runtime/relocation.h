// Where the elements of dense memory are once they have moved into strided memory, and what that makes of views of it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ir/shape.h"

namespace vaip::runtime {

// Elements at offset + the sum of index * stride, the indices of a box of `shape`.
struct View {
  std::int64_t offset = 0;
  ir::Shape shape, strides;
};

class Relocation {
 public:
  // The elements of `from`, which are all of a memory of so many elements, move to those of `to`, which has the same
  // shape. Nothing where they are not all.
  static std::optional<Relocation> create(const View& from, const View& to, std::int64_t elements);

  // The same elements after the move; nothing where no strides describe them.
  std::optional<View> apply(const View& view) const;

 private:
  // Steps of the same distance before the move, and after it.
  struct Loop {
    std::int64_t size, from, to;
  };
  std::vector<Loop> loops_;  // outermost first, all over the memory
  std::int64_t offset_ = 0;
};

}  // namespace vaip::runtime
