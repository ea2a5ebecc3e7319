#include "kernels/srs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace vaip::kernels {
namespace {

using Kind = ir::Activation::Kind;
using Arithmetic = ir::ArithmeticAttrs::Op;
using Reduce = ir::ReduceAttrs::Op;

// What the device has instead of divisions and of arbitrary slopes. Sources: the rewrites of AMD Quark 0.13 for XINT8
// (quark/onnx/postprocess/simulation/simulate_dpu.py), and the integer reference kernels of Vitis AI 3.5
// (src/vai_library/cpu_task/ops), which have the same numbers.

// A hard sigmoid's slope for 1/6: HARD_SIGMOID_SCALE in quark/onnx/quantization/quant_utils.py; hard-sigmoid-fix.
constexpr double kSixth = 2731.0 / 16384.0;
// A leaky ReLU's slope is k / 256: convert_leaky_relu_to_dpu_version().
constexpr double kSlopeSteps = 256.0;
// The mean of a square window: _get_avgpool_scale() in convert_avg_pool_to_dpu_version(); pool-fix.
struct WindowConstant {
  std::int64_t side;
  double multiplier, power;
};
constexpr std::array<WindowConstant, 5> kWindowConstants = {
    {{3, 7.0, 64.0}, {5, 10.0, 256.0}, {6, 7.0, 256.0}, {7, 21.0, 1024.0}, {14, 21.0, 4096.0}}};
constexpr std::int64_t kLargestSide = 255;  // ibid.: beyond, the mean is not an operation of the device: taken as it is

bool about(double value, double wanted) { return std::fabs(value - wanted) <= 1e-6 * std::fabs(wanted); }

double rounded(double x, Rounding rounding) {
  with_rounder(rounding, [&](auto round) { x = round(x); });
  return x;
}

template <typename Attrs, typename = void>
struct HasActivation : std::false_type {};
template <typename Attrs>
struct HasActivation<Attrs, std::void_t<decltype(std::declval<Attrs&>().activation)>> : std::true_type {};

// What the layer applies to its result, or to its input where it is nothing else; null: it has no place for that.
ir::Activation* activation_of(ir::LayerAttrs& attrs) {
  return std::visit(
      [](auto& a) -> ir::Activation* {
        using Attrs = std::decay_t<decltype(a)>;
        if constexpr (std::is_same_v<Attrs, ir::ElementwiseAttrs>)
          return &a.function;
        else if constexpr (HasActivation<Attrs>::value)
          return &a.activation;
        else
          return nullptr;
      },
      attrs);
}

bool is_hard_sigmoid(const ir::Activation& f) {
  if (!about(f.alpha, 1.0 / 6.0)) return false;
  // Quark's XINT8 flow writes the device's slope as a factor behind the operator.
  return (f.kind == Kind::hard_sigmoid && f.beta == 0.5) ||
         (f.kind == Kind::scaled_hard_sigmoid && about(f.beta, 6.0 * kSixth));
}

void store_slopes(ir::Activation& f) {
  if (f.kind == Kind::leaky_relu) f.alpha = round_half_even(f.alpha * kSlopeSteps) / kSlopeSteps;
  if (f.kind == Kind::hard_sigmoid && is_hard_sigmoid(f)) f = {Kind::hard_sigmoid, kSixth, 3.0 * kSixth};
}

// Makes f a function of numbers counted in `unit`. False where that is not the same function but for its limits.
bool change_unit(ir::Activation& f, double unit) {
  switch (f.kind) {
    case Kind::none:
    case Kind::identity:
    case Kind::relu:
    case Kind::leaky_relu:
    case Kind::neg:
    case Kind::abs:
      return true;
    case Kind::linear:
      return f.beta == 0.0;
    case Kind::clip:
      f.alpha /= unit;
      f.beta /= unit;
      return true;
    default:
      return false;
  }
}

bool is_quantized(const Operand& x) { return x.present() && x.quant && x.quant->block == 0 && ir::is_integer(x.dtype); }
bool is_narrow(const Operand& x) {  // of 16 bits or fewer: what the device multiplies
  return is_quantized(x) && ir::highest(x.dtype) <= std::numeric_limits<std::uint16_t>::max();
}

double scale_of(const Operand& x) { return static_cast<double>(x.quant->scale[0]); }

// 16 bits of mantissa are a float.
void set_scale(Operand& x, double scale) { x.quant->scale = {static_cast<float>(scale)}; }

std::int64_t window_side(const ir::ReduceAttrs& attrs, const ir::Shape& x) {
  return attrs.all_from_axis2 && x.size() > 2 ? square_side(ir::Shape(x.begin() + 2, x.end())) : 0;
}

// A factor behind a mean that stands for the device's multiplier, by Quark's XINT8 flow, is not applied once more.
void drop_mean_correction(ir::Activation& f, std::int64_t count, std::int64_t side) {
  const MeanFactor device = mean_factor(1.0, count, side, {Rounding::conv_even, true});
  if (f.kind == Kind::linear && f.beta == 0.0 &&
      about(f.alpha, static_cast<double>(count) * device.scale / device.divisor))
    f = {};
}

// A layer in the making.
class FixedPoint {
 public:
  FixedPoint(ir::Layer& layer, LayerOperands& operands, Rounding rounding)
      : layer_(layer), inputs_(operands.inputs), output_(operands.outputs[0]), rounding_(rounding) {}

  // Whether the device computes the layer in integers up to its last step; it is changed only if so.
  bool apply() {
    if (!is_quantized(output_) || !output_.per_tensor()) return false;
    return std::visit([this](auto& attrs) { return take(attrs); }, layer_.attrs);
  }

 private:
  template <typename Attrs>
  bool take(Attrs&) {
    return false;
  }
  bool take(ir::QuantizeAttrs&) { return rescale_each(); }
  bool take(ir::DequantizeAttrs&) { return rescale_each(); }
  bool take(ir::RequantizeAttrs&) { return rescale_each(); }
  bool take(ir::ResizeAttrs&) { return rescale_each(); }
  bool take(ir::CumSumAttrs&) { return rescale_each(); }
  bool take(ir::WhereAttrs&) { return rescale_each(1); }  // the first input is the condition
  bool take(ir::ElementwiseAttrs& a) {
    return is_hard_sigmoid(a.function) ? take_hard_sigmoid(a.function) : rescale_each();
  }
  bool take(ir::ArithmeticAttrs& a) {
    if (a.op == Arithmetic::mul) return rescale_product();
    return (a.op == Arithmetic::add || a.op == Arithmetic::sub || a.op == Arithmetic::min || a.op == Arithmetic::max) &&
           rescale_each();
  }
  bool take(ir::PoolAttrs& a) {
    if (a.op == ir::PoolAttrs::Op::average && ratio_is_power_of_two())
      drop_mean_correction(a.activation, ir::element_count(a.kernel), square_side(a.kernel));
    return rescale_each();
  }
  bool take(ir::ReduceAttrs& a) {
    if (a.op != Reduce::mean && a.op != Reduce::sum && a.op != Reduce::max && a.op != Reduce::min) return false;
    const Operand& x = inputs_[0];
    if (a.op == Reduce::mean && output_.count() > 0 && ratio_is_power_of_two())
      drop_mean_correction(a.activation, x.count() / output_.count(), window_side(a, x.shape));
    return rescale_each();
  }
  bool take(ir::ConvAttrs&) { return rescale_accumulators(0, 1.0, nullptr); }
  bool take(ir::ConvTransposeAttrs&) { return rescale_accumulators(1, 1.0, nullptr); }
  bool take(ir::MatMulAttrs& a) {
    const Operand& b = inputs_[1];
    if (!b.per_tensor() && (!b.constant || b.rank() != 2)) return false;
    if (!rescale_accumulators(a.transpose_b ? 0 : 1, a.alpha, &a.beta)) return false;
    a.alpha = 1.0;
    return true;
  }

  bool ratio_is_power_of_two() const {
    return is_quantized(inputs_[0]) && is_power_of_two(scale_of(inputs_[0]) / scale_of(output_));
  }

  bool change_activation_unit() {
    ir::Activation* f = activation_of(layer_.attrs);
    return f == nullptr || change_unit(*f, scale_of(output_));
  }

  // Sums and selections: every input is shifted, and multiplied where need be, to the steps of the output.
  bool rescale_each(std::size_t first = 0) {
    const auto begin = inputs_.begin() + static_cast<std::ptrdiff_t>(std::min(first, inputs_.size()));
    if (!std::all_of(begin, inputs_.end(), is_quantized) || !change_activation_unit()) return false;
    for (auto x = begin; x != inputs_.end(); ++x)
      for (float& scale : x->quant->scale)
        scale = static_cast<float>(srs_factor(static_cast<double>(scale) / scale_of(output_)));
    set_scale(output_, 1.0);
    return true;
  }

  // Products of elements: one factor for all.
  bool rescale_product() {
    if (!std::all_of(inputs_.begin(), inputs_.end(), is_quantized)) return false;
    const auto per_axis = [](const Operand& x) { return !x.per_tensor(); };
    if (std::count_if(inputs_.begin(), inputs_.end(), per_axis) > 1 || !change_activation_unit()) return false;
    auto carrier = std::find_if(inputs_.begin(), inputs_.end(), per_axis);
    if (carrier == inputs_.end()) carrier = inputs_.begin();
    double others = 1.0;
    for (auto x = inputs_.begin(); x != inputs_.end(); ++x) {
      if (x == carrier) continue;
      others *= scale_of(*x);
      set_scale(*x, 1.0);
    }
    for (float& scale : carrier->quant->scale)
      scale = static_cast<float>(srs_factor(static_cast<double>(scale) * others / scale_of(output_)));
    set_scale(output_, 1.0);
    return true;
  }

  // max(0, min(1, x / 6 + 1/2)) as (x + 3), cut off at 0 and 6, times the device's sixth.
  bool take_hard_sigmoid(ir::Activation& f) {
    Operand& x = inputs_[0];
    if (!is_quantized(x) || !x.per_tensor()) return false;
    const double three = rounded(3.0 / scale_of(x), rounding_);
    if (three > 0x1p30) return false;
    const double factor = srs_factor(scale_of(x) * kSixth / scale_of(output_));
    x.quant->zero_point[0] -= static_cast<std::int32_t>(three);
    f = {Kind::clip, 0.0, 2.0 * three * factor};
    set_scale(x, factor);
    set_scale(output_, 1.0);
    return true;
  }

  // Sums of products. beta: multiplies the bias; null: 1.
  bool rescale_accumulators(int channel_axis, double alpha, double* beta) {
    Operand &x = inputs_[0], &w = inputs_[1];
    if (!is_narrow(x) || !is_narrow(w) || !x.per_tensor() || alpha == 0.0) return false;
    if (!w.per_tensor() && w.quant->axis != channel_axis) return false;
    std::vector<double> units;
    for (const float scale : w.quant->scale) units.push_back(static_cast<double>(scale) * scale_of(x) * alpha);
    std::vector<float> factors;
    for (const double unit : units) factors.push_back(static_cast<float>(srs_factor(unit / scale_of(output_))));
    Operand bias = inputs_.size() > 2 ? inputs_[2] : Operand{};
    if (bias.present() && !rescale_bias(bias, units, factors, beta == nullptr ? 1.0 : *beta)) return false;
    if (!change_activation_unit()) return false;
    if (bias.present()) inputs_[2] = std::move(bias);
    if (beta != nullptr) *beta = 1.0;
    set_scale(x, 1.0);
    w.quant->scale = factors;
    set_scale(output_, 1.0);
    return true;
  }

  // A constant becomes integers in units of the accumulators; a tensor is added as another input of a sum.
  bool rescale_bias(Operand& bias, const std::vector<double>& units, const std::vector<float>& factors, double beta) {
    if (!bias.constant) {
      if (!is_quantized(bias) || !bias.per_tensor()) return false;
      set_scale(bias, srs_factor(scale_of(bias) * beta / scale_of(output_)));
      return true;
    }
    const std::int64_t channels = bias.shape.empty() ? 1 : bias.shape.back();
    const auto entries = static_cast<std::int64_t>(units.size());
    if (entries > 1 && (channels == 0 || channels % entries != 0)) return false;
    const auto unit = [&](std::size_t i) { return units[i % static_cast<std::size_t>(channels) % units.size()]; };
    const std::vector<double> real = real_values(bias);
    const bool counts_units = are_accumulator_units(bias, unit, beta);
    auto integers = std::make_shared<std::vector<std::int32_t>>();
    for (std::size_t i = 0; i < real.size(); ++i) {
      const double steps = counts_units ? static_cast<double>(bias.constant->as<std::int32_t>()[i])
                                        : rounded(clamp(real[i] * beta / unit(i), kLowest, kHighest), rounding_);
      integers->push_back(static_cast<std::int32_t>(steps));
    }
    bias.dtype = ir::DType::s32;
    bias.constant = ir::Constant{{integers, reinterpret_cast<const std::byte*>(integers->data())},
                                 integers->size() * sizeof(std::int32_t)};
    ir::QuantParams quant{factors, std::vector<std::int32_t>(factors.size(), 0), std::max(bias.rank() - 1, 0), 0};
    if (entries > 1) {
      quant.scale.clear();
      for (std::size_t i = 0; i < static_cast<std::size_t>(channels); ++i)
        quant.scale.push_back(factors[i % factors.size()]);
      quant.zero_point.assign(quant.scale.size(), 0);
    }
    bias.quant = std::move(quant);
    return true;
  }

  // As quantizers write a bias: its scale is that of the products, rounded to float32.
  template <typename Unit>
  static bool are_accumulator_units(const Operand& bias, const Unit& unit, double beta) {
    if (bias.dtype != ir::DType::s32 || !bias.quant || beta != 1.0) return false;
    const ir::QuantParams& quant = *bias.quant;
    if (std::any_of(quant.zero_point.begin(), quant.zero_point.end(), [](std::int32_t z) { return z != 0; }))
      return false;
    if (!quant.per_tensor() && (bias.rank() != 1 || quant.block != 0)) return false;
    for (std::size_t i = 0; i < static_cast<std::size_t>(bias.shape.empty() ? 1 : bias.shape.back()); ++i) {
      const auto scale = static_cast<double>(quant.scale[quant.per_tensor() ? 0 : i]);
      if (std::fabs(scale / unit(i) - 1.0) > std::numeric_limits<float>::epsilon()) return false;
    }
    return true;
  }

  static constexpr double kLowest = std::numeric_limits<std::int32_t>::min();
  static constexpr double kHighest = std::numeric_limits<std::int32_t>::max();

  ir::Layer& layer_;
  std::vector<Operand>& inputs_;
  Operand& output_;
  Rounding rounding_;
};

}  // namespace

double srs_factor(double real) {
  int exponent = 0;
  const double fraction = std::frexp(real, &exponent);
  return std::ldexp(round_half_even(fraction * 0x1p16), exponent - 16);
}

Operand in_steps(Operand operand) {
  if (operand.quant) std::fill(operand.quant->scale.begin(), operand.quant->scale.end(), 1.0F);
  return operand;
}

std::int64_t square_side(const ir::Shape& window) {
  return window.size() == 2 && window[0] == window[1] ? window[0] : 0;
}

MeanFactor mean_factor(double scale, std::int64_t count, std::int64_t side, const LastStep& last_step) {
  const auto terms = static_cast<double>(count);
  if (!last_step.fixed_point || count < 1) return {scale, terms};
  if (!is_power_of_two(scale)) return {srs_factor(scale / terms), 1.0};
  if (side > kLargestSide) return {scale, terms};
  for (const WindowConstant& window : kWindowConstants)
    if (window.side == side) return {scale * window.multiplier, window.power};
  // The best k / 2^n; of equal ones that with the smallest n (ibid., and _get_reduce_mean_scale()).
  int exponents = 7;
  while (std::ldexp(1.0, exponents - 7) < terms) ++exponents;
  MeanFactor best{};
  double least = std::numeric_limits<double>::infinity();
  for (int n = 0; n < exponents; ++n) {
    const double power = std::ldexp(1.0, n), multiplier = round_half_even(power / terms);
    const double difference = std::fabs(multiplier / power - 1.0 / terms);
    if (difference >= least) continue;
    least = difference;
    best = {scale * multiplier, power};
  }
  return best;
}

DeviceLayer::DeviceLayer(const LayerOperands& given, Rounding rounding)
    : layer_(given.layer), operands_{layer_, given.inputs, given.outputs, given.in_place} {
  const bool moves = ir::is_data_movement(layer_) || layer_.as<ir::GatherAttrs>() || layer_.as<ir::TopKAttrs>();
  const bool fixed_point = moves || FixedPoint(layer_, operands_, rounding).apply();
  if (ir::Activation* f = activation_of(layer_.attrs)) store_slopes(*f);
  for (Operand& output : operands_.outputs) output.last_step = {rounding, fixed_point};
}

}  // namespace vaip::kernels
