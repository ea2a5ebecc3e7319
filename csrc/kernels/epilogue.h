// The last step of a convolution or matrix product: exact accumulators in, results out. Arithmetic with a constant per
// channel is the same step.
//
//   out = Q(activation((acc + integer_bias[c]) * scale[c] + real_bias[c] + addend))
//
// as if in double, rounded once by the output's mode, or where float32 is enough, in that. Activations that only cut
// off (none, relu, clip) become limits on the result, which is the same because Q is monotone.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/compute_path.h"
#include "kernels/kernel.h"
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

  bool is_repeated() const;  // the same in all rows
};

// What else a product reads when it runs; null where it has none, or has it folded in.
struct EpilogueInputs {
  const void* bias = nullptr;
  const void* addend = nullptr;
};

class Epilogue {
 public:
  // product_scale: the real value of one unit of each output channel's accumulator. addend: a tensor that is added to
  // the sum, for outputs that are floats.
  Epilogue(std::vector<double> product_scale, Bias bias, const ir::Activation& activation, const Operand& output,
           Bias addend = {});

  // Accumulators come with these integers added, one per channel.
  void subtract(const std::vector<double>& shares);
  // Real numbers that are added to the products, one per channel.
  void add_per_channel(const std::vector<double>& offsets);
  // No accumulator exceeds this. Lets results be computed in float32 without doubt more often.
  void set_largest_accumulator(std::int64_t largest);
  // Accumulators that are floats are sums rounded to float32: so may be what follows, where that is enough
  // for the output.
  void set_rounded_accumulators();

  std::int64_t channels() const { return channels_; }
  // Of the layer's inputs.
  EpilogueInputs inputs_of(const ExecutionContext& context) const {
    return {bias_by_element_ ? context.inputs[2] : nullptr, addend_.operand.present() ? context.inputs[3] : nullptr};
  }

  // Elements [begin, end) of the output [rows][channels] from their accumulators, of which acc[0] is the first.
  // Acc is std::int32_t, float or double; or of 8 or 16 bits, where what is multiplied is a tensor and nothing else.
  template <typename Acc>
  void run(const Acc* acc, std::int64_t begin, std::int64_t end, const EpilogueInputs& inputs, void* output) const;

 private:
  void fold_bias();
  void prepare();
  // Real units, for the output elements [begin, begin + count), which may span rows.
  template <typename Real>
  void load(const Bias& bias, const void* data, std::int64_t begin, std::int64_t count, Real* out) const;
  // Element `at` is the first of `output`.
  void run_floats(const float* acc, std::int64_t channel, std::int64_t count, std::int64_t at, const void* addend,
                  void* output) const;
  template <typename Acc>
  void run_block(const Acc* acc, std::int64_t channel, std::int64_t count, std::int64_t at, const double* real_bias,
                 const void* addend, void* output) const;
  // To elements [at, at + count) of an output whose rows are apart.
  void store_rows(const std::byte* block, std::int64_t at, std::int64_t count, std::byte* output) const;

  std::int64_t channels_;
  std::int64_t largest_accumulator_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t width_;  // length of the parameter rows: a multiple of channels_, so that short rows vectorise
  std::vector<double> integer_bias_, scale_, real_bias_;
  Bias bias_, addend_;
  bool bias_by_element_ = false;     // it is not folded into integer_bias_ and real_bias_, but loaded
  std::vector<double> bias_values_;  // of a constant that is
  bool only_cuts_;                   // the parameters are in units of the output's scale, and low_/high_ do the rest
  double low_, high_;
  ir::Activation activation_;
  Quantizer quantizer_;
  Rows rows_;              // of the output
  bool rows_are_apart_;    // and so are written by way of a block that is dense
  bool in_float_ = false;  // see set_rounded_accumulators()
  // Results of 8 bits: what float32 needs to be tried first.
  FloatAttempt attempt_;
  std::vector<float> float_scale_, float_bias_;
};

}  // namespace vaip::kernels
