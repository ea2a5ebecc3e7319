// What the kernel tests share: tensors as plain doubles in logical order, and a comparison with real arithmetic.
// Nothing here uses the code under test but to run it: orders, roundings and quantization are written out once more.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

#include "base/archive.h"
#include "check.h"
#include "kernels/kernel.h"

namespace vaip::test {

using ir::DType;
using ir::Shape;
using kernels::Layout;

using Index = std::vector<std::int64_t>;

inline std::int64_t count_of(const Shape& shape) {
  std::int64_t n = 1;
  for (const std::int64_t d : shape) n *= d;
  return n;
}

// Calls body(index) for every index of the shape, last dimension fastest.
inline void for_each_index(const Shape& shape, const std::function<void(const Index&)>& body) {
  Index index(shape.size(), 0);
  for (std::int64_t n = count_of(shape); n > 0; --n) {
    body(index);
    for (std::size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) index[d] = 0;
  }
}

inline std::int64_t row_major(const Shape& shape, const Index& index) {
  std::int64_t at = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) at = at * shape[d] + index[d];
  return at;
}

inline std::int64_t physical(const Shape& shape, const Index& index, Layout layout) {
  if (layout == Layout::row_major || shape.size() < 3) return row_major(shape, index);
  Shape moved = {shape[0]};
  Index at = {index[0]};
  for (std::size_t d = 2; d < shape.size(); ++d) {
    moved.push_back(shape[d]);
    at.push_back(index[d]);
  }
  moved.push_back(shape[1]);
  at.push_back(index[1]);
  return row_major(moved, at);
}

// A tensor: its description and its stored values in logical row-major order.
struct Tensor {
  ir::Value value;
  std::vector<double> stored;
  Layout layout = Layout::row_major;

  double scale(std::size_t entry = 0) const {
    return value.quant ? static_cast<double>(value.quant->scale[entry]) : 1.0;
  }
  double zero_point(std::size_t entry = 0) const { return value.quant ? value.quant->zero_point[entry] : 0; }
  double real(const Index& index) const {
    const std::size_t entry = value.quant && value.quant->scale.size() > 1
                                  ? static_cast<std::size_t>(index[static_cast<std::size_t>(value.quant->axis)])
                                  : 0;
    return (stored[static_cast<std::size_t>(row_major(value.shape, index))] - zero_point(entry)) * scale(entry);
  }
};

inline double type_lowest(DType dtype) {
  return dtype == DType::u8 || dtype == DType::u16 || dtype == DType::boolean ? 0.0
         : dtype == DType::s8                                                 ? -128.0
         : dtype == DType::s16                                                ? -32768.0
                                                                              : -2147483648.0;
}
inline double type_highest(DType dtype) {
  return dtype == DType::boolean ? 1.0
         : dtype == DType::u8    ? 255.0
         : dtype == DType::s8    ? 127.0
         : dtype == DType::u16   ? 65535.0
         : dtype == DType::s16   ? 32767.0
                                 : 2147483647.0;
}

inline Tensor describe(DType dtype, const Shape& shape) {
  Tensor t;
  t.value.dtype = dtype;
  t.value.shape = shape;
  return t;
}
inline Tensor describe(DType dtype, const Shape& shape, float scale, int zero_point) {
  Tensor t = describe(dtype, shape);
  t.value.quant = ir::QuantParams{{scale}, {zero_point}, 0};
  return t;
}

// The number of bfloat16 nearest to x, half to even, and the step between its neighbours.
inline double bf16_step(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1.0, std::max(exponent - 8, -133));
}
inline double nearest_bf16(double x) {
  if (!std::isfinite(x)) return x;
  const double step = bf16_step(x), rounded = std::nearbyint(x / step) * step;
  return std::fabs(rounded) < 0x1p128 ? rounded : std::copysign(std::numeric_limits<double>::infinity(), x);
}

// One as it is stored: the upper half of the float that it is.
struct StoredBf16 {
  std::uint16_t bits;
  StoredBf16() = default;
  explicit StoredBf16(double x) {
    const float value = static_cast<float>(nearest_bf16(x));
    std::uint32_t whole = 0;
    std::memcpy(&whole, &value, sizeof whole);
    bits = static_cast<std::uint16_t>(whole >> 16);
  }
  explicit operator double() const {
    const std::uint32_t whole = static_cast<std::uint32_t>(bits) << 16;
    float value = 0;
    std::memcpy(&value, &whole, sizeof value);
    return static_cast<double>(value);
  }
};

using Random = std::mt19937;

// Integers over the type's whole range with its ends over-represented; floats around zero.
inline void randomise(Tensor& t, Random& random) {
  t.stored.resize(static_cast<std::size_t>(count_of(t.value.shape)));
  for (double& v : t.stored) {
    if (t.value.dtype == DType::f32) {
      v = static_cast<double>(std::normal_distribution<float>(0.0F, 2.0F)(random));
      continue;
    }
    if (t.value.dtype == DType::bf16) {
      v = nearest_bf16(std::normal_distribution<double>(0.0, 2.0)(random));
      continue;
    }
    const double low = t.value.dtype == DType::s32 ? -100000 : type_lowest(t.value.dtype);
    const double high = t.value.dtype == DType::s32 ? 100000 : type_highest(t.value.dtype);
    const unsigned kind = random() % 8;
    v = kind == 0   ? low
        : kind == 1 ? high
                    : std::floor(low + (high - low + 1) * (static_cast<double>(random()) / 4294967296.0));
  }
}
template <typename... Args>
Tensor random_tensor(Random& random, Args&&... args) {
  Tensor t = describe(std::forward<Args>(args)...);
  randomise(t, random);
  return t;
}

// float16, by its definition.
struct StoredF16 {
  std::uint16_t bits;
  StoredF16() = default;
  explicit StoredF16(double x) {
    int exponent = 0;
    std::frexp(x, &exponent);
    const int lowest = x == 0.0 ? -24 : std::max(exponent - 11, -24);  // the exponent of the last bit
    const double steps = std::nearbyint(std::ldexp(std::fabs(x), -lowest));
    const bool finite = std::ldexp(steps, lowest) < 65536.0;
    // Numbers in order are their bits in order: 1024 steps to a binade.
    const double magnitude = !finite ? 31.0 * 1024.0 : steps + 1024.0 * (lowest + 24);
    bits = static_cast<std::uint16_t>(static_cast<unsigned>(magnitude) | (std::signbit(x) ? 0x8000U : 0U));
  }
  explicit operator double() const {
    const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const double magnitude = exponent == 0    ? std::ldexp(fraction, -24)
                             : exponent == 31 ? (fraction != 0 ? std::nan("") : HUGE_VAL)
                                              : std::ldexp(1024 + fraction, exponent - 25);
    return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
  }
};

template <typename Call>
void with_type(DType dtype, const Call& call) {
  switch (dtype) {
    case DType::bf16:
      return call(StoredBf16{});
    case DType::f16:
      return call(StoredF16{});
    case DType::u8:
      return call(std::uint8_t{});
    case DType::s8:
      return call(std::int8_t{});
    case DType::u16:
      return call(std::uint16_t{});
    case DType::s16:
      return call(std::int16_t{});
    case DType::s32:
      return call(std::int32_t{});
    case DType::u32:
      return call(std::uint32_t{});
    case DType::s64:
      return call(std::int64_t{});
    case DType::u64:
      return call(std::uint64_t{});
    case DType::boolean:
      return call(std::uint8_t{});
    case DType::f32:
      return call(float{});
    case DType::f64:
      return call(double{});
    default:
      std::abort();
  }
}

inline std::vector<std::byte> encode(const Tensor& t) {
  std::vector<std::byte> bytes;
  with_type(t.value.dtype, [&](auto element) {
    using T = decltype(element);
    bytes.resize(t.stored.size() * sizeof(T));
    for_each_index(t.value.shape, [&](const Index& index) {
      const T v = static_cast<T>(t.stored[static_cast<std::size_t>(row_major(t.value.shape, index))]);
      std::memcpy(bytes.data() + static_cast<std::size_t>(physical(t.value.shape, index, t.layout)) * sizeof(T), &v,
                  sizeof(T));
    });
  });
  return bytes;
}

inline void decode(Tensor& t, const std::vector<std::byte>& bytes) {
  t.stored.resize(static_cast<std::size_t>(count_of(t.value.shape)));
  with_type(t.value.dtype, [&](auto element) {
    using T = decltype(element);
    for_each_index(t.value.shape, [&](const Index& index) {
      T v;
      std::memcpy(&v, bytes.data() + static_cast<std::size_t>(physical(t.value.shape, index, t.layout)) * sizeof(T),
                  sizeof(T));
      t.stored[static_cast<std::size_t>(row_major(t.value.shape, index))] = static_cast<double>(v);
    });
  });
}

inline void make_constant(Tensor& t) {
  const std::vector<std::byte> bytes = encode(t);
  auto owned = std::make_shared<std::vector<std::byte>>(bytes);
  t.value.constant = ir::Constant{std::shared_ptr<const std::byte>(owned, owned->data()), owned->size()};
}

inline ir::Layer layer_of(ir::LayerAttrs attrs) {
  ir::Layer layer;
  layer.name = "layer0";
  layer.op = "Op";
  layer.attrs = std::move(attrs);
  return layer;
}

// Runs a kernel, which is not given inputs that it says it does not read.
inline void execute(const kernels::Kernel& kernel, std::vector<const void*> inputs, std::vector<void*>& outputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!kernel.reads(i)) inputs[i] = nullptr;
  const auto state = kernel.make_state();
  const std::size_t scratch_bytes = (kernel.scratch_bytes() + 127) / 64 * 64;
  std::unique_ptr<void, decltype(&std::free)> scratch(std::aligned_alloc(64, scratch_bytes), &std::free);
  std::memset(scratch.get(), 0xCB, scratch_bytes);
  kernel.execute({inputs.data(), outputs.data(), static_cast<std::byte*>(scratch.get()), state.get()});
}

// A kernel of the same layer that finds its weights packed, in a file as another process would.
struct KernelOfAnArchive {
  std::unique_ptr<ArchiveReader> archive;
  std::unique_ptr<kernels::Kernel> kernel;
};
inline KernelOfAnArchive remake(const kernels::LayerOperands& operands, kernels::KernelOptions options,
                                const ArchiveWriter& packed) {
  const auto path = std::filesystem::temp_directory_path() / ("vaip_kernel_" + std::to_string(::getpid()));
  packed.write(path.string(), {1, 2});
  KernelOfAnArchive result{ArchiveReader::open(path.string(), {1, 2}), nullptr};
  std::filesystem::remove(path);
  options.packed_to = nullptr;
  options.packed_from = result.archive.get();
  result.kernel = kernels::make_kernel(operands, options);
  result.archive->expect_end();
  return result;
}

// Makes the layer's kernel and runs it into `outputs`, whose description says what is expected of it. nullptr: an
// absent input.
inline void run_layer(const ir::Layer& layer, const std::vector<const Tensor*>& inputs,
                      const std::vector<Tensor*>& outputs, const kernels::KernelOptions& options = {}) {
  kernels::LayerOperands operands{layer, {}, {}};
  std::vector<std::vector<std::byte>> memory;
  std::vector<const void*> in;
  std::vector<void*> out;
  for (const Tensor* t : inputs) {
    operands.inputs.push_back(t != nullptr ? kernels::make_operand(t->value, t->layout) : kernels::Operand{});
    memory.push_back(t != nullptr ? encode(*t) : std::vector<std::byte>{});
    in.push_back(t != nullptr ? memory.back().data() : nullptr);
  }
  for (const Tensor* t : outputs) {
    operands.outputs.push_back(kernels::make_operand(t->value, t->layout));
    // Guard bytes on both sides: a kernel that writes beyond its output is found out.
    memory.emplace_back(operands.outputs.back().size_bytes() + 64, std::byte{0xA5});
    out.push_back(memory.back().data() + 32);
  }
  ArchiveWriter packed;
  kernels::KernelOptions packing = options;
  packing.packed_to = &packed;
  const auto kernel = kernels::make_kernel(operands, packing);
  execute(*kernel, in, out);
  const auto outputs_then = memory;
  for (std::size_t i = inputs.size(); i < memory.size(); ++i)
    std::fill(memory[i].begin(), memory[i].end(), std::byte{0xA5});
  const KernelOfAnArchive remade = remake(operands, options, packed);
  execute(*remade.kernel, in, out);
  CHECK(memory == outputs_then);
  CHECK_EQ(remade.kernel->implementation(), kernel->implementation());
  CHECK_EQ(remade.kernel->packed_bytes(), kernel->packed_bytes());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::vector<std::byte>& bytes = memory[inputs.size() + i];
    for (std::size_t g = 0; g < 32; ++g)
      if (bytes[g] != std::byte{0xA5} || bytes[bytes.size() - 1 - g] != std::byte{0xA5}) {
        CHECK(!"a kernel wrote outside of its output");
        break;
      }
    decode(*outputs[i], std::vector<std::byte>(bytes.begin() + 32, bytes.end() - 32));
  }
}

// What the output stores for a real number.
inline double quantized(const Tensor& out, double real) {
  if (out.value.dtype == DType::f32) return static_cast<double>(static_cast<float>(real));
  const double steps = std::nearbyint(real / out.scale()) + out.zero_point();
  if (!(steps >= type_lowest(out.value.dtype))) return type_lowest(out.value.dtype);
  return steps > type_highest(out.value.dtype) ? type_highest(out.value.dtype) : steps;
}

// Every element must be the quantized real number. Only where that number is within 1e-9 of a tie (steps of the
// output), and not with exact_ties, may it be the neighbour: there the order of double operations decides.
inline void expect_real(const Tensor& out, const std::function<double(const Index&)>& real, const std::string& what,
                        bool exact_ties = false) {
  int shown = 0;
  for_each_index(out.value.shape, [&](const Index& index) {
    const double wanted_real = real(index), wanted = quantized(out, wanted_real);
    const double got = out.stored[static_cast<std::size_t>(row_major(out.value.shape, index))];
    if (got == wanted || shown > 2) return;
    if (!exact_ties) {
      if (out.value.dtype == DType::f32) {
        if (std::fabs(got - wanted_real) <= 1e-6 * std::fabs(wanted_real) + 1e-30) return;
      } else {
        const double steps = wanted_real / out.scale(), distance = std::fabs(steps - std::floor(steps) - 0.5);
        if (distance < 1e-9 * (1.0 + std::fabs(steps)) && std::fabs(got - wanted) == 1.0) return;
      }
    }
    std::string where;
    for (const std::int64_t i : index) where += (where.empty() ? "[" : ",") + std::to_string(i);
    report(__FILE__, __LINE__,
           what + " at " + where + "]: got " + std::to_string(got) + ", wanted " + std::to_string(wanted) + " (" +
               std::to_string(wanted_real) + ")");
    ++shown;
  });
}

inline std::int64_t between(Random& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
}
template <typename T>
const T& pick(Random& random, const std::vector<T>& from) {
  return from[random() % from.size()];
}

// What an arithmetic layer computes of two real numbers.
inline double arithmetic(ir::ArithmeticAttrs::Op op, double a, double b) {
  using Op = ir::ArithmeticAttrs::Op;
  switch (op) {
    case Op::add:
      return a + b;
    case Op::sub:
      return a - b;
    case Op::mul:
      return a * b;
    case Op::div:
      return a / b;
    case Op::min:
      return b < a ? b : a;
    case Op::max:
      return b > a ? b : a;
    case Op::pow:
      return std::pow(a, b);
    case Op::prelu:
      return a < 0 ? a * b : a;
  }
  return 0;
}

}  // namespace vaip::test
