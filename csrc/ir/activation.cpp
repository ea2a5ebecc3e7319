// The scalar functions, in float64: what the tables and kernels of the host are made and checked with.
#include <array>
#include <cmath>

#include "ir/layer.h"

namespace vaip::ir {
namespace {

using Kind = Activation::Kind;

double sigmoid(double x) {
  if (x >= 0) return 1.0 / (1.0 + std::exp(-x));
  const double e = std::exp(x);  // never overflows for negative x
  return e / (1.0 + e);
}
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double clip(double x, double low, double high) {
  const double raised = x < low ? low : x;
  return raised > high ? high : raised;  // the maximum wins where it is below the minimum, as ONNX has it
}
double gelu(double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }
double gelu_tanh(double x) {
  const double two_over_pi = 2.0 / std::acos(-1.0);
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(two_over_pi) * (x + 0.044715 * x * x * x)));  // ONNX Gelu-20
}
double round_half_to_even(double x) {
  const double nearest = std::round(x);  // half away from zero, whatever the thread's rounding mode
  return std::fabs(x - std::trunc(x)) == 0.5 ? 2.0 * std::round(x / 2.0) : nearest;
}

}  // namespace

std::string_view name(Kind kind) {
  constexpr std::array<std::string_view, 35> names = {"none",
                                                      "relu",
                                                      "clip",
                                                      "leaky_relu",
                                                      "elu",
                                                      "sigmoid",
                                                      "hard_sigmoid",
                                                      "hard_swish",
                                                      "swish",
                                                      "tanh",
                                                      "gelu",
                                                      "gelu_tanh",
                                                      "softplus",
                                                      "mish",
                                                      "exp",
                                                      "log",
                                                      "sqrt",
                                                      "reciprocal",
                                                      "neg",
                                                      "abs",
                                                      "erf",
                                                      "floor",
                                                      "ceil",
                                                      "round",
                                                      "sign",
                                                      "identity",
                                                      "linear",
                                                      "scaled_hard_sigmoid",
                                                      "celu",
                                                      "selu",
                                                      "softsign",
                                                      "shrink",
                                                      "thresholded_relu",
                                                      "sin",
                                                      "cos"};
  static_assert(static_cast<std::size_t>(Kind::cos) + 1 == names.size());
  return names[static_cast<std::size_t>(kind)];
}

double apply(const Activation& activation, double x) {
  const double alpha = activation.alpha, beta = activation.beta;
  switch (activation.kind) {
    case Kind::none:
    case Kind::identity:
      return x;
    case Kind::relu:
      return x < 0 ? 0.0 : x;
    case Kind::clip:
      return clip(x, alpha, beta);
    case Kind::leaky_relu:
      return x < 0 ? alpha * x : x;
    case Kind::elu:
      return x < 0 ? alpha * std::expm1(x) : x;
    case Kind::sigmoid:
      return sigmoid(x);
    case Kind::hard_sigmoid:
      return clip(alpha * x + beta, 0.0, 1.0);
    case Kind::hard_swish:
      return x * clip(x / 6.0 + 0.5, 0.0, 1.0);
    case Kind::swish:
      return x * sigmoid(alpha * x);
    case Kind::tanh:
      return std::tanh(x);
    case Kind::gelu:
      return gelu(x);
    case Kind::gelu_tanh:
      return gelu_tanh(x);
    case Kind::softplus:
      return softplus(x);
    case Kind::mish:
      return x * std::tanh(softplus(x));
    case Kind::exp:
      return std::exp(x);
    case Kind::log:
      return std::log(x);
    case Kind::sqrt:
      return std::sqrt(x);
    case Kind::reciprocal:
      return 1.0 / x;
    case Kind::neg:
      return -x;
    case Kind::abs:
      return std::fabs(x);
    case Kind::erf:
      return std::erf(x);
    case Kind::floor:
      return std::floor(x);
    case Kind::ceil:
      return std::ceil(x);
    case Kind::round:
      return round_half_to_even(x);
    case Kind::sign:
      return x > 0 ? 1.0 : x < 0 ? -1.0 : x;
    case Kind::linear:
      return alpha * x + beta;
    case Kind::scaled_hard_sigmoid:
      return beta * clip(alpha * x + 0.5, 0.0, 1.0);
    case Kind::celu:
      return x < 0 ? alpha * std::expm1(x / alpha) : x;
    case Kind::selu:
      return beta * (x < 0 ? alpha * std::expm1(x) : x);
    case Kind::softsign:
      return x / (1.0 + std::fabs(x));
    case Kind::shrink:
      return x < -alpha ? x + beta : x > alpha ? x - beta : 0.0;
    case Kind::thresholded_relu:
      return x > alpha ? x : 0.0;
    case Kind::sin:
      return std::sin(x);
    case Kind::cos:
      return std::cos(x);
  }
  return x;
}

bool is_data_movement(const Layer& layer) {
  return layer.as<ConcatAttrs>() || layer.as<PadAttrs>() || layer.as<ReshapeAttrs>() || layer.as<TransposeAttrs>() ||
         layer.as<SliceAttrs>() || layer.as<SplitAttrs>() || layer.as<ExpandAttrs>() || layer.as<TileAttrs>() ||
         layer.as<GatherAttrs>() || layer.as<SpaceDepthAttrs>();
}

}  // namespace vaip::ir
