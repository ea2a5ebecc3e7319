#include "ir/shape.h"

#include <algorithm>

#include "base/error.h"

namespace vaip::ir {

bool is_static(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](std::int64_t dim) { return dim >= 0; });
}

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0)
      fail(ErrorKind::internal, "the element count of the dynamic shape ", to_string(shape), " was asked for");
    if (__builtin_mul_overflow(count, dim, &count)) {
      fail(ErrorKind::invalid_model, "shape ", to_string(shape), " has more elements than 64 bits can count");
    }
  }
  return count;
}

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::string to_string(const Shape& shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (const std::int64_t dim : shape) {
    if (!text.empty()) text += 'x';
    text += dim == kDynamic ? std::string("?") : std::to_string(dim);
  }
  return text;
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < result.size(); ++i) {  // from the last dimension
    const std::int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t db = i < b.size() ? b[b.size() - 1 - i] : 1;
    std::int64_t& dim = result[result.size() - 1 - i];
    if (da == db || db == 1) {
      dim = da;
    } else if (da == 1) {
      dim = db;
    } else if (da == kDynamic || db == kDynamic) {
      dim = da == kDynamic ? db : da;  // the unknown one can only be 1 or the known one
    } else {
      fail(ErrorKind::invalid_model, "shapes ", to_string(a), " and ", to_string(b), " do not broadcast");
    }
  }
  return result;
}

}  // namespace vaip::ir
