// Matrix products of two tensors that are only known at run time (attention), over batches with broadcasting.
#include <omp.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "kernels/centre.h"
#include "kernels/float_block.h"
#include "kernels/gemm.h"
#include "kernels/layers.h"
#include "kernels/linear.h"
#include "kernels/matmul_geometry.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace vaip::kernels {
namespace {

using dnnl::memory;

SourceRange range_of(const Operand& operand) {
  SourceRange range;
  range.dtype = operand.dtype;
  range.zero_point = operand.quant && operand.per_tensor() ? operand.quant->zero_point[0] : 0;
  return range;
}

// Terms of the sum that are exact in float whatever the operands' values; 0: not even one.
std::int64_t exact_depth(const Operand& a, const Operand& b, std::int64_t limit) {
  const SourceRange ra = range_of(a), rb = range_of(b);
  if (!ra.is_integer() || !rb.is_integer() || !a.per_tensor() || !b.per_tensor()) return 0;
  const std::int64_t largest = ra.centred().largest_magnitude() * rb.centred().largest_magnitude();
  return limit / std::max<std::int64_t>(largest, 1);
}

// Strides of [batch..., rows, columns] in a dense tensor that may keep its matrices transposed.
memory::dims matrix_strides(const ir::Shape& batch, std::int64_t rows, std::int64_t columns, bool transposed) {
  ir::Shape dims = batch;
  dims.push_back(rows);
  dims.push_back(columns);
  if (transposed) std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
  memory::dims strides = ir::row_major_strides(dims);
  if (transposed) std::swap(strides[strides.size() - 1], strides[strides.size() - 2]);
  return strides;
}

// oneDNN on centred floats, the depth cut into pieces whose sums are exact.
class BatchMatMulF32 : public Kernel {
 public:
  BatchMatMulF32(const MatMulGeometry& g, const Operand& a, const Operand& b, std::int64_t piece, Epilogue epilogue)
      : a_(a),
        b_(b),
        outputs_(g.batch_count() * g.rows * g.columns),
        macs_(outputs_ * g.depth),
        epilogue_(std::move(epilogue)) {
    const memory::dims strides_a = matrix_strides(g.batch_a, g.rows, g.depth, g.transposed_a);
    const memory::dims strides_b = matrix_strides(g.batch_b, g.depth, g.columns, g.transposed_b);
    const auto dims = [](const ir::Shape& batch, std::int64_t rows, std::int64_t columns) {
      memory::dims all = batch;
      all.push_back(rows);
      all.push_back(columns);
      return all;
    };
    std::size_t largest = 0;
    for (std::int64_t first = 0; first < g.depth; first += piece) {
      const std::int64_t depth = std::min(piece, g.depth - first);
      const memory::dims out = dims(g.batch, g.rows, g.columns);
      const dnnl::matmul::primitive_desc desc(
          onednn_engine(), memory::desc(dims(g.batch_a, g.rows, depth), memory::data_type::f32, strides_a),
          memory::desc(dims(g.batch_b, depth, g.columns), memory::data_type::f32, strides_b),
          memory::desc(out, memory::data_type::f32, ir::row_major_strides(out)), onednn_attributes());
      largest = std::max(largest, desc.scratchpad_desc().get_size());
      pieces_.push_back({first * strides_a.back(), first * strides_b[strides_b.size() - 2],
                         OneDnnPrimitive(dnnl::matmul(desc), {},
                                         {{DNNL_ARG_SRC, desc.src_desc()},
                                          {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                                          {DNNL_ARG_DST, desc.dst_desc()},
                                          {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}})});
    }
    const auto reserve = [this](std::size_t size) {
      const std::size_t offset = scratch_bytes_;
      scratch_bytes_ += aligned(size);
      return offset;
    };
    const auto outputs = static_cast<std::size_t>(outputs_);
    at_a_ = reserve(static_cast<std::size_t>(a.count()) * sizeof(float));
    at_b_ = reserve(static_cast<std::size_t>(b.count()) * sizeof(float));
    at_partial_ = reserve(outputs * sizeof(float));
    at_total_ = reserve(pieces_.size() > 1 ? outputs * sizeof(std::int32_t) : 0);
    at_onednn_ = reserve(largest);
  }

  void execute(const ExecutionContext& context) const override {
    const auto& state = static_cast<const State&>(*context.state);
    auto* a = reinterpret_cast<float*>(context.scratch + at_a_);
    auto* b = reinterpret_cast<float*>(context.scratch + at_b_);
    auto* partial = reinterpret_cast<float*>(context.scratch + at_partial_);
    auto* total = reinterpret_cast<std::int32_t*>(context.scratch + at_total_);
    centre_all(a_, context.inputs[0], a);
    centre_all(b_, context.inputs[1], b);
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const Piece& piece = pieces_[i];
      piece.product.execute(*state.runs[i],
                            {a + piece.offset_a, b + piece.offset_b, partial, context.scratch + at_onednn_});
      if (pieces_.size() == 1) break;
      parallel_for(outputs_, 1, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t j = begin; j < end; ++j)
          total[j] = (i == 0 ? 0 : total[j]) + static_cast<std::int32_t>(partial[j]);
      });
    }
    const EpilogueInputs added = epilogue_.inputs_of(context);
    parallel_for(outputs_, 1, [&](std::int64_t begin, std::int64_t end, int) {
      if (pieces_.size() > 1)
        epilogue_.run(total + begin, begin, end, added, context.outputs[0]);
      else
        epilogue_.run(partial + begin, begin, end, added, context.outputs[0]);
    });
  }
  std::size_t scratch_bytes() const override { return scratch_bytes_; }
  std::string implementation() const override {
    return pieces_.size() > 1 ? detail::concat("oneDNN matmul, f32 in ", pieces_.size(), " pieces")
                              : "oneDNN matmul, f32";
  }
  std::int64_t macs() const override { return macs_; }
  std::unique_ptr<KernelState> make_state() const override {
    auto state = std::make_unique<State>();
    for (const Piece& piece : pieces_) state->runs.push_back(piece.product.make_run());
    return state;
  }

 private:
  struct State : KernelState {
    std::vector<std::unique_ptr<OneDnnPrimitive::Run>> runs;
  };
  struct Piece {
    std::int64_t offset_a, offset_b;  // of the first of its depth
    OneDnnPrimitive product;
  };

  static void centre_all(const Operand& operand, const void* in, float* out) {
    const auto zero_point = static_cast<std::int32_t>(operand.affine().zero_point);
    const auto bytes = static_cast<std::int64_t>(ir::size_of(operand.dtype));
    parallel_for(operand.count(), 1, [&](std::int64_t begin, std::int64_t end, int) {
      centre(operand.dtype, static_cast<const std::byte*>(in) + begin * bytes, end - begin, zero_point, out + begin);
    });
  }

  Operand a_, b_;
  std::int64_t outputs_, macs_;
  Epilogue epilogue_;
  std::vector<Piece> pieces_;
  std::size_t at_a_ = 0, at_b_ = 0, at_partial_ = 0, at_total_ = 0, at_onednn_ = 0, scratch_bytes_ = 0;
};

// Our own loops. In double, for everything else: floats, wide integers, constants quantized along any axis. In float
// for bfloat16: oneDNN's float32 product sums in an order that depends on the team and the number of rows.
template <typename Real>
class BatchMatMulLoops : public Kernel {
 public:
  BatchMatMulLoops(const MatMulGeometry& g, const Operand& a, const Operand& b, Epilogue epilogue)
      : geometry_(g), a_(a), b_(b), epilogue_(std::move(epilogue)), threads_(omp_get_max_threads()) {
    const auto fix = [](Operand& operand, std::vector<double>& values) {
      if (operand.per_tensor()) return;
      if (!operand.constant) (void)operand.affine();  // throws
      values = real_values(operand);
      operand.dtype = ir::DType::f64;
      operand.quant.reset();
    };
    fix(a_, fixed_a_);
    fix(b_, fixed_b_);
    affine_a_ = {1.0, a_.affine().zero_point};
    affine_b_ = {1.0, b_.affine().zero_point};
    const auto bytes = [](std::int64_t count) { return aligned(static_cast<std::size_t>(count) * sizeof(Real)); };
    const std::int64_t packed = packed_size<Real>(g.depth, g.columns) * ir::element_count(g.batch_b);
    at_rows_ = bytes(packed);
    at_sums_ = at_rows_ + bytes(threads_ * kRows * g.depth);
    scratch_bytes_ = at_sums_ + bytes(threads_ * kRows * g.columns);
  }

  void execute(const ExecutionContext& context) const override {
    const MatMulGeometry& g = geometry_;
    const void* a = fixed_a_.empty() ? context.inputs[0] : fixed_a_.data();
    const void* b = fixed_b_.empty() ? context.inputs[1] : fixed_b_.data();
    const EpilogueInputs added = epilogue_.inputs_of(context);
    auto* packed = reinterpret_cast<Real*>(context.scratch);
    pack_all(b, packed, reinterpret_cast<Real*>(context.scratch + at_rows_));
    const std::int64_t blocks = (g.rows + kRows - 1) / kRows;
    parallel_for(
        g.batch_count() * blocks, std::min(kRows, g.rows) * g.depth * g.columns,
        [&](std::int64_t begin, std::int64_t end, int thread) {
          Real* rows = reinterpret_cast<Real*>(context.scratch + at_rows_) + thread * kRows * g.depth;
          Real* sums = reinterpret_cast<Real*>(context.scratch + at_sums_) + thread * kRows * g.columns;
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t item = task / blocks, first = task % blocks * kRows;
            const std::int64_t count = std::min(kRows, g.rows - first);
            const std::int64_t multiplied = (count + kGemmRows - 1) / kGemmRows * kGemmRows;
            const std::int64_t matrix = index_in(g.batch_a, item) * g.rows * g.depth;
            for (std::int64_t r = 0; r < multiplied; ++r) {
              const std::int64_t row = first + std::min(r, count - 1);
              const std::int64_t offset = matrix + (g.transposed_a ? row : row * g.depth);
              load_real(a_.dtype, a, offset, g.transposed_a ? g.rows : 1, g.depth, affine_a_, rows + r * g.depth);
            }
            multiply_rows<Real>(rows, g.depth, multiplied,
                                packed + index_in(g.batch_b, item) * packed_size<Real>(g.depth, g.columns), g.depth,
                                g.columns, sums, g.columns);
            const std::int64_t out = (item * g.rows + first) * g.columns;
            epilogue_.run(sums, out, out + count * g.columns, added, context.outputs[0]);
          }
        },
        threads_);
  }
  std::string implementation() const override {
    return std::is_same_v<Real, double> ? "loops in double" : "loops in float";
  }
  std::int64_t macs() const override {
    return geometry_.batch_count() * geometry_.rows * geometry_.columns * geometry_.depth;
  }
  std::size_t scratch_bytes() const override { return scratch_bytes_; }
  std::size_t packed_bytes() const override { return (fixed_a_.size() + fixed_b_.size()) * sizeof(double); }

 private:
  static constexpr std::int64_t kRows = 32;  // of a that share a pass over b

  // Which of the operand's matrices belongs to an item of the output's batch.
  std::int64_t index_in(const ir::Shape& own, std::int64_t item) const {
    std::int64_t index = 0, step = 1;
    for (std::size_t d = own.size(); d-- > 0;) {
      if (own[d] != 1) index += item % geometry_.batch[d] * step;
      item /= geometry_.batch[d];
      step *= own[d];
    }
    return index;
  }

  // line: room for a column per thread.
  void pack_all(const void* b, Real* packed, Real* line) const {
    const MatMulGeometry& g = geometry_;
    const std::int64_t panels = panel_count<Real>(g.columns);
    parallel_for(
        ir::element_count(g.batch_b) * panels, g.depth * kPanel<Real>,
        [&](std::int64_t begin, std::int64_t end, int thread) {
          Real* column = line + thread * kRows * g.depth;
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t matrix = task / panels * g.depth * g.columns;
            const std::int64_t first = task % panels * kPanel<Real>;
            const std::int64_t count = std::min(kPanel<Real>, g.columns - first);
            Real* out = packed + task * kPanel<Real> * g.depth;
            if (count < kPanel<Real>) std::fill_n(out, kPanel<Real> * g.depth, Real{0});
            if (!g.transposed_b) {
              for (std::int64_t k = 0; k < g.depth; ++k)
                load_real(b_.dtype, b, matrix + k * g.columns + first, 1, count, affine_b_, out + k * kPanel<Real>);
              continue;
            }
            for (std::int64_t c = 0; c < count; ++c) {
              load_real(b_.dtype, b, matrix + (first + c) * g.depth, 1, g.depth, affine_b_, column);
              for (std::int64_t k = 0; k < g.depth; ++k) out[k * kPanel<Real> + c] = column[k];
            }
          }
        },
        threads_);
  }

  MatMulGeometry geometry_;
  Operand a_, b_;
  Affine affine_a_, affine_b_;
  std::vector<double> fixed_a_, fixed_b_;  // constants whose parameters are applied
  Epilogue epilogue_;
  int threads_;
  std::size_t at_rows_ = 0, at_sums_ = 0, scratch_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> make_batch_matmul(const ir::MatMulAttrs& attrs, const LayerOperands& operands,
                                          const KernelOptions& options) {
  const Operand &a = operands.inputs[0], &b = operands.inputs[1], &y = operands.outputs[0];
  const MatMulGeometry geometry(attrs, operands);
  const std::int64_t piece = exact_depth(a, b, kExactInFloat);
  const bool fits = piece > 0 && geometry.depth > 0 && geometry.batch.size() + 2 <= DNNL_MAX_NDIMS &&
                    geometry.depth <= exact_depth(a, b, std::numeric_limits<std::int32_t>::max());
  if (options.path == ComputePath::int8) fail(ErrorKind::invalid_argument, "path int8 needs constant weights");
  if (options.path == ComputePath::bf16) fail(ErrorKind::invalid_argument, "path bf16 needs constant weights");
  const bool rounds = a.dtype == ir::DType::bf16 && b.dtype == ir::DType::bf16;  // in float32, which is enough
  if (options.path == ComputePath::f32 && !fits && !rounds)
    fail(ErrorKind::invalid_argument, "path f32 would not be exact");
  const auto scale_of = [](const Operand& o) { return o.per_tensor() ? o.affine().scale : 1.0; };
  std::vector<double> scale(static_cast<std::size_t>(geometry.columns), scale_of(a) * scale_of(b) * attrs.alpha);
  Epilogue epilogue(std::move(scale), geometry.bias, attrs.activation, y, geometry.addend);
  if (fits && options.path.value_or(ComputePath::f32) == ComputePath::f32)
    return std::make_unique<BatchMatMulF32>(geometry, a, b, piece, std::move(epilogue));
  if (rounds && options.path.value_or(ComputePath::f32) == ComputePath::f32) {
    epilogue.set_rounded_accumulators();
    return std::make_unique<BatchMatMulLoops<float>>(geometry, a, b, std::move(epilogue));
  }
  return std::make_unique<BatchMatMulLoops<double>>(geometry, a, b, std::move(epilogue));
}

}  // namespace vaip::kernels
