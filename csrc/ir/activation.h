// Scalar functions: what element-wise layers compute, and what other layers apply to their results.
#pragma once

#include <cstdint>
#include <string_view>

namespace vaip::ir {

// Scalar functions R -> R, as ONNX defines them. alpha/beta are the operator's attributes of these names
// (clip: alpha = min, beta = max; hard_sigmoid: max(0, min(1, alpha*x + beta)); leaky_relu, elu, celu: alpha; swish:
// x * sigmoid(alpha*x); selu: alpha and beta = gamma; shrink: alpha = lambd, beta = bias; thresholded_relu: alpha).
// Quark's XINT8 flow puts a Mul by a constant behind some of them, which the device does not execute separately:
// linear: alpha*x + beta; scaled_hard_sigmoid: beta * max(0, min(1, alpha*x + 0.5)).
struct Activation {
  enum class Kind : std::uint8_t {
    none,
    relu,
    clip,
    leaky_relu,
    elu,
    sigmoid,
    hard_sigmoid,
    hard_swish,
    swish,
    tanh,
    gelu,
    gelu_tanh,
    softplus,
    mish,
    exp,
    log,
    sqrt,
    reciprocal,
    neg,
    abs,
    erf,
    floor,
    ceil,
    round,
    sign,
    identity,
    linear,
    scaled_hard_sigmoid,
    celu,
    selu,
    softsign,
    shrink,
    thresholded_relu,
    sin,
    cos,
  };
  Kind kind = Kind::none;
  double alpha = 0.0;
  double beta = 0.0;
};
std::string_view name(Activation::Kind kind);
double apply(const Activation& activation, double x);  // the definition, in float64

}  // namespace vaip::ir
