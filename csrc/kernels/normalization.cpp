// Normalization: elements minus their mean, over their spread, times a scale, plus a bias.
//
// Every kind is y = (multiplier * x - offset) / divisor * scale + bias with the first three measured on a set of
// elements. Quantized elements are measured as integers; with n of them, S their sum and Q that of their squares,
//
//   (x - mean) / sqrt(variance + epsilon) = (n q - S) / sqrt(n Q - S^2 + n^2 epsilon / s^2)
//
// so that only the division, the root and what follows round, in double.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/error.h"
#include "kernels/channel_arithmetic.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/multiversion.h"
#include "kernels/normalization.h"
#include "kernels/real_block.h"

namespace vaip::kernels {
namespace {

using ir::DType;
using Op = ir::NormalizationAttrs::Op;

__extension__ using Wide = __int128;  // n Q and S^2 of many 16-bit integers

// Sums over integers, exact in 64 bits for up to 2^31 elements.
struct Sums {
  std::int64_t values = 0, squares = 0;
};

template <typename T, bool kMagnitudes>
VAIP_MULTIVERSION void add_row(const T* __restrict in, std::int64_t count, std::int32_t zero_point, Sums& sums) {
  // 2^15 squares of 8 bits fit 32 bits, which vectorise better.
  using Partial = std::conditional_t<sizeof(T) == 1, std::int32_t, std::int64_t>;
  constexpr std::int64_t kPiece = std::int64_t{1} << 15;
  for (std::int64_t begin = 0; begin < count; begin += kPiece) {
    const std::int64_t end = std::min(count, begin + kPiece);
    Partial values = 0, squares = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const auto q = static_cast<Partial>(in[i]);
      const auto magnitude = static_cast<Partial>(q < zero_point ? zero_point - q : q - zero_point);
      values += kMagnitudes ? magnitude : q;
      squares += kMagnitudes ? 0 : q * q;
    }
    sums.values += values;
    sums.squares += squares;
  }
}

// One element of each of `count` sets.
template <typename T, bool kMagnitudes>
VAIP_MULTIVERSION void add_elements(const T* __restrict in, std::int64_t count, std::int32_t zero_point,
                                    std::int64_t* __restrict values, std::int64_t* __restrict squares) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto q = static_cast<std::int64_t>(in[i]);
    values[i] += kMagnitudes ? (q < zero_point ? zero_point - q : q - zero_point) : q;
    squares[i] += kMagnitudes ? 0 : q * q;
  }
}

// kCells, kParameters: whether the elements' numbers differ; else there is one for all.
template <bool kCells, bool kParameters>
VAIP_MULTIVERSION void normalise(double* __restrict x, std::int64_t count, const double* __restrict multiplier,
                                 const double* __restrict offset, const double* __restrict divisor,
                                 const double* __restrict scale, const double* __restrict bias) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t c = kCells ? i : 0, p = kParameters ? i : 0;
    x[i] = (x[i] * multiplier[c] - offset[c]) / divisor[c] * scale[p] + bias[p];
  }
}

// Which elements are measured together.
struct Sets {
  std::vector<bool> measured;         // dimensions along which a set extends
  std::int64_t channels_per_set = 1;  // sets of several channels are measured channel by channel, then put together
};

Sets sets_of(const ir::NormalizationAttrs& attrs, const Operand& x) {
  const auto rank = static_cast<std::size_t>(x.rank());
  Sets sets{std::vector<bool>(rank, false), 1};
  const bool along_axis = attrs.op == Op::layer || attrs.op == Op::rms || attrs.op == Op::l1 || attrs.op == Op::l2;
  if (along_axis) {
    const std::int64_t axis = attrs.axis < 0 ? attrs.axis + x.rank() : attrs.axis;
    if (axis < 0 || axis >= x.rank())
      fail(ErrorKind::invalid_model, "axis ", attrs.axis, " of a tensor of rank ", x.rank());
    const bool to_the_end = attrs.op == Op::layer || attrs.op == Op::rms;
    for (std::size_t d = static_cast<std::size_t>(axis); d < (to_the_end ? rank : static_cast<std::size_t>(axis) + 1);
         ++d)
      sets.measured[d] = true;
    return sets;
  }
  if (rank < 2 || (attrs.op == Op::group && (attrs.groups < 1 || x.shape[1] % attrs.groups != 0)))
    fail(ErrorKind::invalid_model, "an input ", ir::to_string(x.shape), " in ", attrs.groups, " groups");
  if (attrs.op == Op::batch) return sets;
  for (std::size_t d = 2; d < rank; ++d) sets.measured[d] = true;
  if (attrs.op == Op::group) sets.channels_per_set = x.shape[1] / attrs.groups;
  return sets;
}

class NormalizationKernel : public Kernel {
 public:
  NormalizationKernel(const ir::NormalizationAttrs& attrs, const LayerOperands& operands)
      : NormalizationKernel(attrs, operands, sets_of(attrs, operands.inputs[0])) {}

  std::size_t scratch_bytes() const override {
    return attrs_.op == Op::batch ? 0
                                  : static_cast<std::size_t>(cells_) * (3 * sizeof(double) + 2 * sizeof(std::int64_t));
  }
  std::size_t packed_bytes() const override {
    return (scale_.values.size() + bias_.values.size() + fixed_.size()) * sizeof(double);
  }

  void execute(const ExecutionContext& context) const override {
    if (elements_.element_count() == 0) return;
    const double* measured = fixed_.data();
    if (attrs_.op != Op::batch) {
      auto* cells = reinterpret_cast<double*>(context.scratch);
      measure(context.inputs[0], cells);
      measured = cells;
    }
    elements_.for_each_run(kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
      double block[kBlock], gathered[5][kBlock];
      const std::array<std::int64_t, LoopNest::kMaxOperands>& strides = elements_.inner().strides;
      load_real(dtype_, context.inputs[0], at[1], strides[1], count, loaded_, block);
      const bool differ[] = {strides[2] != 0, strides[3] != 0 || strides[4] != 0};  // cells, parameters
      const auto dense = [&](const double* values, std::size_t operand, double* buffer) {
        values += at[operand];
        if (strides[operand] == 1 || !differ[operand == 2 ? 0 : 1]) return values;
        for (std::int64_t i = 0; i < count; ++i) buffer[i] = values[i * strides[operand]];
        return static_cast<const double*>(buffer);
      };
      const auto function = differ[0] ? (differ[1] ? normalise<true, true> : normalise<true, false>)
                                      : (differ[1] ? normalise<false, true> : normalise<false, false>);
      function(block, count, dense(measured, 2, gathered[0]), dense(measured + cells_, 2, gathered[1]),
               dense(measured + 2 * cells_, 2, gathered[2]), dense(scale_.values.data(), 3, gathered[3]),
               dense(bias_.values.data(), 4, gathered[4]));
      apply(attrs_.activation, block, count);
      store_real(quantizer_, block, context.outputs[0], at[0], strides[0], count);
    });
  }

 private:
  NormalizationKernel(const ir::NormalizationAttrs& attrs, const LayerOperands& operands, const Sets& sets);

  // Calls body(first element's x offset, first cell, count, the elements' x stride) for runs of cells, in parallel.
  template <typename Body>
  void for_each_cell_run(const Body& body) const {
    const std::int64_t stride = kept_.inner().strides[0], size = measured_.element_count();
    // Cells whose elements are neighbours are measured side by side, others one by one.
    const std::int64_t piece =
        stride == 1 ? std::clamp(kParallelGrain / std::max<std::int64_t>(size, 1), std::int64_t{64}, kBlock) : 1;
    kept_.for_each_run(piece, body, size);
  }

  void measure(const void* x, double* cells) const {
    switch (dtype_) {
      case DType::u8:
        return measure_integers(static_cast<const std::uint8_t*>(x), cells);
      case DType::s8:
        return measure_integers(static_cast<const std::int8_t*>(x), cells);
      case DType::u16:
        return measure_integers(static_cast<const std::uint16_t*>(x), cells);
      case DType::s16:
        return measure_integers(static_cast<const std::int16_t*>(x), cells);
      default:
        return measure_reals(x, cells);
    }
  }

  template <typename T>
  void measure_integers(const T* x, double* cells) const {
    auto* values = reinterpret_cast<std::int64_t*>(cells + 3 * cells_);
    auto* squares = values + cells_;
    const auto zero_point = static_cast<std::int32_t>(affine_.zero_point);
    const auto visit = [&](auto magnitudes) {
      constexpr bool kMagnitudes = decltype(magnitudes)::value;
      for_each_cell_run([&](const LoopNest::Offsets& at, std::int64_t count) {
        std::fill_n(values + at[1], count, 0);
        std::fill_n(squares + at[1], count, 0);
        Sums sums;
        const LoopNest::Loop& inner = measured_.inner();
        LoopNest::Cursor cursor(measured_, 0);
        for (std::int64_t run = 0; run < measured_.run_count(); ++run, cursor.advance()) {
          const T* from = x + at[0] + cursor.offsets()[0];
          if (count == 1 && inner.strides[0] == 1) {
            add_row<T, kMagnitudes>(from, inner.size, zero_point, sums);
          } else {
            for (std::int64_t i = 0; i < inner.size; ++i)
              add_elements<T, kMagnitudes>(from + i * inner.strides[0], count, zero_point, values + at[1],
                                           squares + at[1]);
          }
        }
        values[at[1]] += sums.values;
        squares[at[1]] += sums.squares;
      });
    };
    if (attrs_.op == Op::l1)
      visit(std::true_type{});
    else
      visit(std::false_type{});
    for (std::int64_t first = 0; first < cells_; first += per_set_) {
      Sums set;
      for (std::int64_t c = first; c < first + per_set_; ++c) {
        set.values += values[c];
        set.squares += squares[c];
      }
      write_set(cells, first, from_sums(set));
    }
  }

  struct Measured {
    double multiplier = 1.0, offset = 0.0, divisor = 1.0;
  };

  Measured from_sums(const Sums& sums) const {
    const auto n = static_cast<double>(set_size_);
    const double unit = affine_.scale * affine_.scale;
    if (attrs_.op == Op::l1) return over(static_cast<double>(sums.values));
    if (attrs_.op == Op::l2 || attrs_.op == Op::rms) {
      const auto zero = static_cast<Wide>(affine_.zero_point);
      const auto centred = static_cast<double>(sums.squares - 2 * zero * sums.values + zero * zero * set_size_);
      return over(std::sqrt(attrs_.op == Op::l2 ? centred : centred / n + attrs_.epsilon / unit));
    }
    const auto spread =
        static_cast<double>(static_cast<Wide>(set_size_) * sums.squares - static_cast<Wide>(sums.values) * sums.values);
    return {n, static_cast<double>(sums.values), std::sqrt(spread + n * n * attrs_.epsilon / unit)};
  }

  // x over a norm of its set; where that is 0 so is x, and so is the result.
  Measured over(double norm) const {
    const bool norm_only = attrs_.op == Op::l1 || attrs_.op == Op::l2;
    return {1.0, 0.0, norm_only && norm == 0.0 ? 1.0 : norm};
  }

  void write_set(double* cells, std::int64_t first, const Measured& set) const {
    std::fill_n(cells + first, per_set_, set.multiplier);
    std::fill_n(cells + cells_ + first, per_set_, set.offset);
    std::fill_n(cells + 2 * cells_ + first, per_set_, set.divisor);
  }

  // Real numbers, in two passes: the mean first. One set after the other, so that the order of additions is fixed.
  void measure_reals(const void* x, double* cells) const {
    const std::int64_t sets = cells_ / per_set_;
    parallel_for(sets, set_size_, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t set = begin; set < end; ++set) {
        const double mean = centres_ ? sum(x, set, [](double v) { return v; }) / static_cast<double>(set_size_) : 0.0;
        const double total =
            sum(x, set, [&](double v) { return attrs_.op == Op::l1 ? std::fabs(v) : (v - mean) * (v - mean); });
        const auto n = static_cast<double>(set_size_);
        Measured measured{1.0, mean, std::sqrt(total / n + attrs_.epsilon)};
        if (attrs_.op == Op::l1) measured = over(total);
        if (attrs_.op == Op::l2) measured = over(std::sqrt(total));
        write_set(cells, set * per_set_, measured);
      }
    });
  }

  template <typename Term>
  double sum(const void* x, std::int64_t set, const Term& term) const {
    double total = 0.0, block[kBlock];
    for (std::int64_t cell = set * per_set_; cell < (set + 1) * per_set_; ++cell) {
      LoopNest::Cursor cursor(measured_, 0);
      const LoopNest::Loop& inner = measured_.inner();
      for (std::int64_t run = 0; run < measured_.run_count(); ++run, cursor.advance()) {
        for (std::int64_t first = 0; first < inner.size; first += kBlock) {
          const std::int64_t count = std::min(kBlock, inner.size - first);
          load_real(dtype_, x,
                    cell_offsets_[static_cast<std::size_t>(cell)] + cursor.offsets()[0] + first * inner.strides[0],
                    inner.strides[0], count, loaded_, block);
          for (std::int64_t i = 0; i < count; ++i) total += term(block[i]);
        }
      }
    }
    return total;
  }

  ir::NormalizationAttrs attrs_;
  DType dtype_;
  Affine affine_;  // of the input
  Affine loaded_;  // what it is read with: its own where real numbers are measured, else what leaves integers
  Quantizer quantizer_;
  bool centres_;  // the mean is subtracted
  // A cell is the part of a set that is measured at once. For each there are three numbers, which all of its elements
  // share: multipliers of all cells, then offsets, then divisors.
  std::int64_t cells_ = 1, per_set_ = 1, set_size_ = 1;
  LoopNest kept_{{}, {}};                   // over the cells; operands x, cells
  LoopNest measured_{{}, {}};               // over a cell's elements; operand x
  std::vector<std::int64_t> cell_offsets_;  // in x, for real numbers
  LoopNest elements_{{}, {}};               // operands y, x, cells, scale, bias
  NormalizationParameter scale_, bias_;
  std::vector<double> fixed_;  // the cells of `batch`
};

NormalizationKernel::NormalizationKernel(const ir::NormalizationAttrs& attrs, const LayerOperands& operands,
                                         const Sets& sets)
    : attrs_(attrs),
      dtype_(operands.inputs[0].dtype),
      affine_(operands.inputs[0].affine()),
      quantizer_(make_quantizer(operands.outputs[0])),
      centres_(attrs.op == Op::layer || attrs.op == Op::instance || attrs.op == Op::group),
      per_set_(sets.channels_per_set) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  const std::size_t rank = x.shape.size();
  const bool integers = ir::is_integer(dtype_) && ir::size_of(dtype_) <= 2 && attrs.op != Op::batch;
  loaded_ = integers ? Affine{1.0, centres_ ? 0.0 : affine_.zero_point} : affine_;

  ir::Shape kept_dims, kept_x, kept_cells, measured_dims, measured_x, cell_strides(rank, 0);
  if (attrs.op == Op::batch) {
    cells_ = x.shape[1];
    cell_strides[1] = 1;
  } else {
    // In the order in which the input has them, so that neighbours have neighbouring cells.
    std::vector<std::size_t> kept;
    for (std::size_t d = rank; d-- > 0;)
      if (!sets.measured[d]) kept.push_back(d);
    std::stable_sort(kept.begin(), kept.end(),
                     [&](std::size_t a, std::size_t b) { return x.strides[a] < x.strides[b]; });
    for (const std::size_t d : kept) {
      cell_strides[d] = cells_;
      cells_ *= x.shape[d];
    }
  }
  for (std::size_t d = 0; d < rank; ++d) {
    const bool measured = sets.measured[d];
    (measured ? measured_dims : kept_dims).push_back(x.shape[d]);
    (measured ? measured_x : kept_x).push_back(x.strides[d]);
    if (!measured) kept_cells.push_back(cell_strides[d]);
  }
  kept_ = LoopNest(kept_dims, {kept_x, kept_cells});
  measured_ = LoopNest(measured_dims, {measured_x});
  set_size_ = measured_.element_count() * per_set_;

  scale_ = normalization_parameter(attrs, operands, 1, 1.0);
  bias_ = normalization_parameter(attrs, operands, 2, 0.0);
  if (attrs.op == Op::batch) {
    const std::vector<double> mean = normalization_parameter(attrs, operands, 3, 0.0).values,
                              variance = normalization_parameter(attrs, operands, 4, 1.0).values;
    fixed_.assign(mean.size(), 1.0);
    fixed_.insert(fixed_.end(), mean.begin(), mean.end());
    for (const double v : variance) fixed_.push_back(std::sqrt(v + attrs.epsilon));
  } else if (!integers) {
    cell_offsets_.resize(static_cast<std::size_t>(cells_));
    LoopNest::Cursor cursor(kept_, 0);
    for (std::int64_t run = 0; cells_ > 0 && run < kept_.run_count(); ++run, cursor.advance())
      for (std::int64_t i = 0; i < kept_.inner().size; ++i)
        cell_offsets_[static_cast<std::size_t>(cursor.offsets()[1] + i * kept_.inner().strides[1])] =
            cursor.offsets()[0] + i * kept_.inner().strides[0];
  }
  elements_ = LoopNest(x.shape, {y.strides, x.strides, cell_strides, scale_.strides, bias_.strides});
}

}  // namespace

std::unique_ptr<Kernel> make_normalization(const ir::NormalizationAttrs& attrs, const LayerOperands& operands) {
  if (auto kernel = make_float_normalization(attrs, operands)) return kernel;
  if (auto kernel = make_channel_normalization(attrs, operands)) return kernel;
  return std::make_unique<NormalizationKernel>(attrs, operands);
}

}  // namespace vaip::kernels
