#include "frontend/constants.h"

#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/half.h"
#include "ir/packed.h"

namespace vaip::frontend {
namespace {

std::size_t checked_count(const TensorData& tensor, const std::string& what) {
  const std::int64_t count = ir::element_count(tensor.shape);
  const std::size_t element = ir::size_of(tensor.dtype);
  const std::size_t bytes = tensor.constant.size_bytes;
  if (element == 0) fail(ErrorKind::unsupported, "constant `", what, "` has the type ", ir::name(tensor.dtype));
  if (bytes % element != 0 || static_cast<std::uint64_t>(count) != bytes / element) {
    fail(ErrorKind::invalid_model, "constant `", what, "` has ", bytes, " bytes, which is not the size of ",
         ir::name(tensor.dtype), " ", ir::to_string(tensor.shape));
  }
  return static_cast<std::size_t>(count);
}

template <typename Stored, typename T>
std::vector<T> converted(const TensorData& tensor, std::size_t count) {
  std::vector<T> result(count);
  for (std::size_t i = 0; i < count; ++i) {
    Stored element;  // constants in a mapped file need not be aligned
    std::memcpy(&element, tensor.constant.data.get() + i * sizeof(Stored), sizeof(Stored));
    result[i] = static_cast<T>(element);
  }
  return result;
}

std::vector<std::int64_t> packed_elements(const TensorData& tensor, const std::string& what) {
  const auto count = static_cast<std::size_t>(ir::element_count(tensor.shape));
  if (tensor.constant.size_bytes < (count + 1) / 2) {
    fail(ErrorKind::invalid_model, "constant `", what, "` has ", tensor.constant.size_bytes,
         " bytes, which is not the size of ", ir::name(tensor.dtype), " ", ir::to_string(tensor.shape));
  }
  const auto integers = ir::unpack_4_bits(tensor.constant.as<std::uint8_t>(), count, tensor.dtype);
  return {integers.begin(), integers.end()};
}

}  // namespace

ir::Constant make_constant(std::vector<std::byte> bytes) {
  const auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return {std::shared_ptr<const std::byte>(owner, owner->data()), owner->size()};
}

std::vector<double> real_elements(const TensorData& tensor, const std::string& what) {
  const std::size_t count = checked_count(tensor, what);
  if (tensor.dtype == ir::DType::f32) return converted<float, double>(tensor, count);
  if (tensor.dtype == ir::DType::f64) return converted<double, double>(tensor, count);
  if (tensor.dtype == ir::DType::f16 || tensor.dtype == ir::DType::bf16) {
    std::vector<double> result;
    for (const std::uint16_t bits : converted<std::uint16_t, std::uint16_t>(tensor, count))
      result.push_back(tensor.dtype == ir::DType::f16 ? from_float16(bits) : from_bfloat16(bits));
    return result;
  }
  fail(ErrorKind::unsupported, "constant `", what, "` has the type ", ir::name(tensor.dtype), ", not float");
}

std::vector<float> float_elements(const TensorData& tensor, const std::string& what) {
  const std::size_t count = checked_count(tensor, what);
  if (tensor.dtype == ir::DType::f32) return converted<float, float>(tensor, count);
  fail(ErrorKind::unsupported, "constant `", what, "` has the type ", ir::name(tensor.dtype), ", not float");
}

std::vector<std::int64_t> integer_elements(const TensorData& tensor, const std::string& what) {
  if (ir::is_packed(tensor.dtype)) return packed_elements(tensor, what);
  const std::size_t count = checked_count(tensor, what);
  switch (tensor.dtype) {
    case ir::DType::u8:
    case ir::DType::boolean:
      return converted<std::uint8_t, std::int64_t>(tensor, count);
    case ir::DType::s8:
      return converted<std::int8_t, std::int64_t>(tensor, count);
    case ir::DType::u16:
      return converted<std::uint16_t, std::int64_t>(tensor, count);
    case ir::DType::s16:
      return converted<std::int16_t, std::int64_t>(tensor, count);
    case ir::DType::u32:
      return converted<std::uint32_t, std::int64_t>(tensor, count);
    case ir::DType::s32:
      return converted<std::int32_t, std::int64_t>(tensor, count);
    case ir::DType::s64:
      return converted<std::int64_t, std::int64_t>(tensor, count);
    default:
      fail(ErrorKind::unsupported, "constant `", what, "` has the type ", ir::name(tensor.dtype),
           ", not an integer one");
  }
}

}  // namespace vaip::frontend
