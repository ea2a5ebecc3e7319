#include "ir/dtype.h"

#include <array>
#include <limits>

#include "base/error.h"

namespace vaip::ir {
namespace {

struct Description {
  std::string_view name;
  std::size_t size;
  bool integer;
  std::int64_t lowest, highest;
};

template <typename T>
constexpr Description integer(std::string_view name) {
  // uint64's largest value does not fit the common type; no quantized tensor is that wide, so it is clipped.
  constexpr bool fits = std::numeric_limits<T>::digits <= 63;
  return {name, sizeof(T), true, static_cast<std::int64_t>(std::numeric_limits<T>::lowest()),
          fits ? static_cast<std::int64_t>(std::numeric_limits<T>::max()) : std::numeric_limits<std::int64_t>::max()};
}
constexpr Description plain(std::string_view name, std::size_t size) { return {name, size, false, 0, 0}; }

// In the order of the enumeration.
constexpr std::array<Description, 18> kTypes = {{
    plain("undefined", 0),
    plain("float", 4),
    plain("float16", 2),
    plain("bfloat16", 2),
    plain("double", 8),
    integer<std::uint8_t>("uint8"),
    integer<std::int8_t>("int8"),
    integer<std::uint16_t>("uint16"),
    integer<std::int16_t>("int16"),
    integer<std::uint32_t>("uint32"),
    integer<std::int32_t>("int32"),
    integer<std::uint64_t>("uint64"),
    integer<std::int64_t>("int64"),
    plain("bool", 1),
    {"uint4", 0, true, 0, 15},
    {"int4", 0, true, -8, 7},
    plain("string", 0),
    plain("other", 0),
}};
static_assert(static_cast<std::size_t>(DType::other) == 17);

const Description& describe(DType dtype) { return kTypes[static_cast<std::size_t>(dtype)]; }

const Description& describe_integer(DType dtype) {
  const Description& description = describe(dtype);
  if (!description.integer) fail(ErrorKind::internal, "the range of type ", description.name, " was asked for");
  return description;
}

}  // namespace

std::string_view name(DType dtype) { return describe(dtype).name; }
std::size_t size_of(DType dtype) { return describe(dtype).size; }
bool is_integer(DType dtype) { return describe(dtype).integer; }
std::int64_t lowest(DType integer_type) { return describe_integer(integer_type).lowest; }
std::int64_t highest(DType integer_type) { return describe_integer(integer_type).highest; }

DType from_onnx(int tensor_data_type) {
  // onnx.proto, TensorProto.DataType. What is not listed (complex, the 8-bit floats, ...) has no meaning here.
  switch (tensor_data_type) {
    case 0:
      return DType::undefined;
    case 1:
      return DType::f32;
    case 2:
      return DType::u8;
    case 3:
      return DType::s8;
    case 4:
      return DType::u16;
    case 5:
      return DType::s16;
    case 6:
      return DType::s32;
    case 7:
      return DType::s64;
    case 8:
      return DType::string;
    case 9:
      return DType::boolean;
    case 10:
      return DType::f16;
    case 11:
      return DType::f64;
    case 12:
      return DType::u32;
    case 13:
      return DType::u64;
    case 16:
      return DType::bf16;
    case 21:
      return DType::u4;
    case 22:
      return DType::s4;
    default:
      return DType::other;
  }
}

}  // namespace vaip::ir
