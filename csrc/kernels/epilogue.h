// The last step of a convolution or matrix product: exact accumulators in, results out.
//
//   out = Q(activation((acc + integer_bias[c]) * scale[c] + real_bias[c]))
//
// as if in double, rounded once by the output's mode, or where float32 is enough, in that. Activations that only cut
// off (none, relu, clip) become limits on the result, which is the same because Q is monotone.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/compute_path.h"
#include "kernels/operand.h"
#include "kernels/real_block.h"
#include "kernels/rounding.h"

namespace vaip::kernels {

struct Bias {
  Operand operand;    // not present(): none
  double beta = 1.0;  // multiplies it
  // How it is repeated over the rows of the output: the rows' dimensions, its stride along each and along the channels.
  ir::Shape row_dims, row_strides;
  std::int64_t channel_stride = 0;
};

class Epilogue {
 public:
  // product_scale: the real value of one unit of each output channel's accumulator.
  Epilogue(std::vector<double> product_scale, Bias bias, const ir::Activation& activation, const Operand& output);

  // Accumulators come with these integers added, one per channel.
  void subtract(const std::vector<double>& shares);
  // No accumulator exceeds this. Lets results be computed in float32 without doubt more often.
  void set_largest_accumulator(std::int64_t largest);
  // Accumulators that are floats are sums rounded to float32: so may be what follows, where the output is bfloat16.
  void set_rounded_accumulators();

  std::int64_t channels() const { return channels_; }
  bool reads_bias() const { return bias_by_element_; }  // at run time

  // Elements [begin, end) of the dense output [rows][channels] from their accumulators, of which acc[0] is the first.
  // Acc is std::int32_t, float or double. bias: the bias tensor, for reads_bias().
  template <typename Acc>
  void run(const Acc* acc, std::int64_t begin, std::int64_t end, const void* bias, void* output) const;

 private:
  void fold_bias();
  void prepare();
  void load_bias(const void* data, std::int64_t begin, std::int64_t count, double* out) const;
  void run_floats(const float* acc, std::int64_t channel, std::int64_t count, std::int64_t at, void* output) const;
  template <typename Acc>
  void run_block(const Acc* acc, std::int64_t channel, std::int64_t count, std::int64_t at, const double* real_bias,
                 void* output) const;

  std::int64_t channels_;
  std::int64_t largest_accumulator_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t width_;  // length of the parameter rows: a multiple of channels_, so that short rows vectorise
  std::vector<double> integer_bias_, scale_, real_bias_;
  Bias bias_;
  bool bias_by_element_ = false;     // it is not folded into integer_bias_ and real_bias_, but loaded
  std::vector<double> bias_values_;  // of a constant that is
  bool only_cuts_;                   // the parameters are in units of the output's scale, and low_/high_ do the rest
  double low_, high_;
  ir::Activation activation_;
  Quantizer quantizer_;
  bool in_float_ = false;  // see set_rounded_accumulators()
  // Results of 8 bits: what float32 needs to be tried first.
  FloatAttempt attempt_;
  std::vector<float> float_scale_, float_bias_;
};

}  // namespace vaip::kernels
