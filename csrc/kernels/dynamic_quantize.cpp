#include "kernels/dynamic_quantize.h"

#include <omp.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kernels/layers.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"
#include "kernels/rounding.h"

namespace vaip::kernels {
namespace {

constexpr float kHighest = 255.0F;

struct Extremes {
  float low = 0.0F, high = 0.0F;  // the range always holds zero
};

VAIP_MULTIVERSION Extremes extremes_of(const float* __restrict in, std::int64_t count) {
  float low = 0.0F, high = 0.0F;
  for (std::int64_t i = 0; i < count; ++i) {
    low = in[i] < low ? in[i] : low;
    high = in[i] > high ? in[i] : high;
  }
  return {low, high};
}

VAIP_MULTIVERSION void quantize_run(const float* __restrict in, std::int64_t count, float scale, float zero_point,
                                    std::uint8_t* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double steps = clamp(in[i] / scale, -zero_point, kHighest - zero_point);
    out[i] = static_cast<std::uint8_t>(round_half_even(steps) + static_cast<double>(zero_point));
  }
}

class DynamicQuantizeKernel : public Kernel {
 public:
  explicit DynamicQuantizeKernel(std::int64_t count) : count_(count) {}

  void execute(const ExecutionContext& context) const override {
    const auto* in = static_cast<const float*>(context.inputs[0]);
    const DynamicParameters parameters = dynamic_parameters(in, count_);
    quantize_dynamic(in, count_, parameters, static_cast<std::uint8_t*>(context.outputs[0]));
    *static_cast<float*>(context.outputs[1]) = parameters.scale;
    *static_cast<std::uint8_t*>(context.outputs[2]) = parameters.zero_point;
  }

 private:
  std::int64_t count_;
};

}  // namespace

DynamicParameters dynamic_parameters(const float* in, std::int64_t count) {
  std::vector<Extremes> partial(static_cast<std::size_t>(omp_get_max_threads()));
  parallel_for(
      count, 1,
      [&](std::int64_t begin, std::int64_t end, int thread) {
        partial[static_cast<std::size_t>(thread)] = extremes_of(in + begin, end - begin);
      },
      static_cast<int>(partial.size()));
  Extremes all;
  for (const Extremes& part : partial) all = {std::min(all.low, part.low), std::max(all.high, part.high)};
  DynamicParameters parameters;
  if (all.high != all.low) parameters.scale = (all.high - all.low) / kHighest;
  const float zero_point = 0.0F - all.low / parameters.scale;
  parameters.zero_point = static_cast<std::uint8_t>(round_half_even(clamp(zero_point, 0.0F, kHighest)));
  return parameters;
}

void quantize_dynamic(const float* in, std::int64_t count, const DynamicParameters& parameters, std::uint8_t* out) {
  parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end, int) {
    quantize_run(in + begin, end - begin, parameters.scale, parameters.zero_point, out + begin);
  });
}

std::unique_ptr<Kernel> make_dynamic_quantize(const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &q = operands.outputs[0];
  if (operands.outputs.size() != 3) fail(ErrorKind::internal, operands.outputs.size(), " outputs, not 3");
  if (x.dtype != ir::DType::f32 || q.dtype != ir::DType::u8)
    fail(ErrorKind::unsupported, "from ", ir::name(x.dtype), " to ", ir::name(q.dtype));
  if (x.strides != q.strides) fail(ErrorKind::internal, "input and output are laid out differently");
  return std::make_unique<DynamicQuantizeKernel>(x.count());
}

}  // namespace vaip::kernels
