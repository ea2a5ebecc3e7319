// Layers that rearrange elements: each is one or more boxes moved between strided tensors.
#include <algorithm>

#include "base/error.h"
#include "kernels/gather.h"
#include "kernels/layers.h"
#include "kernels/move.h"
#include "kernels/movement.h"

namespace vaip::kernels {
namespace {

std::size_t normal_axis(std::int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) fail(ErrorKind::invalid_model, "axis ", axis, " of a tensor of rank ", rank);
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

// Boxes moved from inputs to outputs, after filling the outputs where that is asked for.
class MoveKernel : public Kernel {
 public:
  struct Box {
    std::size_t input, output;
    StridedMove move;
  };
  void add(std::size_t input, std::size_t output, StridedMove move) {
    boxes_.push_back({input, output, std::move(move)});
  }
  // First, one stored value into all of output 0. It comes as an operand of one element.
  void fill_with(StridedMove fill, std::vector<std::byte> value) {
    fill_ = std::move(fill);
    fill_value_ = std::move(value);
  }

  std::string implementation() const override { return "copies"; }
  bool reads(std::size_t input) const override {
    return std::any_of(boxes_.begin(), boxes_.end(), [input](const Box& box) { return box.input == input; });
  }
  void execute(const ExecutionContext& context) const override {
    if (fill_) fill_->run(fill_value_.data(), context.outputs[0]);
    for (const Box& box : boxes_) box.move.run(context.inputs[box.input], context.outputs[box.output]);
  }

 private:
  std::vector<Box> boxes_;
  std::optional<StridedMove> fill_;
  std::vector<std::byte> fill_value_;
};

// The real number 'value' as the output stores it, copied to every element.
void fill_output(MoveKernel& kernel, const Operand& y, double value) {
  std::vector<std::byte> stored(sizeof(double));
  store_real(make_quantizer(y), &value, stored.data(), 0, 1, 1);
  StridedMove fill(ElementMove(y, y), y.shape, {0, ir::Shape(y.shape.size(), 0)}, {0, y.strides});
  kernel.fill_with(std::move(fill), std::move(stored));
}

// Source positions for the padding modes that repeat the input, relative to a size of at least one.
std::int64_t padded_source(ir::PadAttrs::Mode mode, std::int64_t i, std::int64_t size) {
  switch (mode) {
    case ir::PadAttrs::Mode::edge:
      return std::clamp<std::int64_t>(i, 0, size - 1);
    case ir::PadAttrs::Mode::wrap:
      return ((i % size) + size) % size;
    default: {  // reflect, without repeating the border
      if (size == 1) return 0;
      const std::int64_t period = 2 * (size - 1), position = ((i % period) + period) % period;
      return position < size ? position : period - position;
    }
  }
}

}  // namespace

namespace {

std::vector<MoveBox> concat_boxes(const ir::ConcatAttrs& attrs, const LayerOperands& operands) {
  const Operand& y = operands.outputs[0];
  const std::size_t axis = normal_axis(attrs.axis, y.rank());
  std::vector<MoveBox> boxes;
  std::int64_t position = 0;
  for (std::size_t i = 0; i < operands.inputs.size(); ++i) {
    const Operand& x = operands.inputs[i];
    boxes.push_back({i, 0, x.shape, {0, x.strides}, {position * y.strides[axis], y.strides}});
    position += x.shape[axis];
  }
  if (position != y.shape[axis])
    fail(ErrorKind::invalid_model, "the inputs add up to ", position, " along axis ", axis, " of an output ",
         ir::to_string(y.shape));
  return boxes;
}

std::vector<MoveBox> split_boxes(const ir::SplitAttrs& attrs, const LayerOperands& operands) {
  const Operand& x = operands.inputs[0];
  const std::size_t axis = normal_axis(attrs.axis, x.rank());
  std::vector<MoveBox> boxes;
  std::int64_t position = 0;
  for (std::size_t i = 0; i < operands.outputs.size(); ++i) {
    const Operand& y = operands.outputs[i];
    if (y.present()) {  // an output that nothing reads may be absent
      boxes.push_back({0, i, y.shape, {position * x.strides[axis], x.strides}, {0, y.strides}});
      position += y.shape[axis];
    }
  }
  if (position > x.shape[axis])
    fail(ErrorKind::invalid_model, "the parts add up to ", position, " along axis ", axis, " of ",
         ir::to_string(x.shape));
  return boxes;
}

std::vector<MoveBox> slice_boxes(const ir::SliceAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  StridedMove::End from{0, x.strides};
  for (std::size_t i = 0; i < attrs.starts.size(); ++i) {
    const std::size_t d = attrs.axes.empty() ? i : normal_axis(attrs.axes[i], x.rank());
    const std::int64_t size = x.shape[d], step = attrs.steps.empty() ? 1 : attrs.steps[i];
    const std::int64_t start = attrs.starts[i] < 0 ? attrs.starts[i] + size : attrs.starts[i];
    const std::int64_t first =
        step > 0 ? std::clamp<std::int64_t>(start, 0, size) : std::clamp<std::int64_t>(start, -1, size - 1);
    if (y.shape[d] > 0) from.offset += first * x.strides[d];
    from.strides[d] = x.strides[d] * step;
  }
  return {{0, 0, y.shape, from, {0, y.strides}}};
}

std::vector<MoveBox> transpose_boxes(const ir::TransposeAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  StridedMove::End from;
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    const std::size_t source = attrs.perm.empty() ? x.shape.size() - 1 - d : normal_axis(attrs.perm[d], x.rank());
    from.strides.push_back(x.strides[source]);
  }
  return {{0, 0, y.shape, from, {0, y.strides}}};
}

std::unique_ptr<Kernel> make_boxes(const LayerOperands& operands) {
  auto kernel = std::make_unique<MoveKernel>();
  const std::vector<MoveBox> boxes = boxes_of(operands);
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const MoveBox& box = boxes[i];
    const Operand &x = operands.inputs[box.input], &y = operands.outputs[box.output];
    if (operands.in_place.empty() || !operands.in_place[i])
      kernel->add(box.input, box.output, {ElementMove(x, y), box.dims, box.from, box.to});
  }
  return kernel;
}

}  // namespace

std::vector<MoveBox> boxes_of(const LayerOperands& operands) {
  const ir::Layer& layer = operands.layer;
  if (const auto* concat = layer.as<ir::ConcatAttrs>()) return concat_boxes(*concat, operands);
  if (const auto* split = layer.as<ir::SplitAttrs>()) return split_boxes(*split, operands);
  if (const auto* slice = layer.as<ir::SliceAttrs>()) return slice_boxes(*slice, operands);
  if (const auto* transpose = layer.as<ir::TransposeAttrs>()) return transpose_boxes(*transpose, operands);
  return {};
}

std::unique_ptr<Kernel> make_concat(const LayerOperands& operands) { return make_boxes(operands); }
std::unique_ptr<Kernel> make_split(const LayerOperands& operands) { return make_boxes(operands); }
std::unique_ptr<Kernel> make_slice(const LayerOperands& operands) { return make_boxes(operands); }
std::unique_ptr<Kernel> make_transpose(const LayerOperands& operands) { return make_boxes(operands); }

std::unique_ptr<Kernel> make_reshape(const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  if (x.count() != y.count())
    fail(ErrorKind::invalid_model, ir::to_string(x.shape), " and ", ir::to_string(y.shape),
         " have different numbers of elements");
  auto kernel = std::make_unique<MoveKernel>();
  kernel->add(0, 0, {ElementMove(x, y), {x.count()}, {0, {1}}, {0, {1}}});
  return kernel;
}

std::unique_ptr<Kernel> make_pad(const ir::PadAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  const auto rank = static_cast<std::size_t>(x.rank());
  const std::size_t padded = attrs.axes.empty() ? rank : attrs.axes.size();
  if (attrs.pads.size() != 2 * padded) fail(ErrorKind::invalid_model, attrs.pads.size(), " pads for ", padded, " axes");
  ir::Shape begins(rank, 0);
  for (std::size_t i = 0; i < padded; ++i)
    begins[attrs.axes.empty() ? i : normal_axis(attrs.axes[i], x.rank())] = attrs.pads[i];

  if (attrs.mode != ir::PadAttrs::Mode::constant) {
    std::vector<std::vector<std::int64_t>> positions(rank);
    for (std::size_t d = 0; d < rank; ++d) {
      if (y.shape[d] == x.shape[d] && begins[d] == 0) continue;
      if (x.shape[d] == 0)
        fail(ErrorKind::invalid_model, "nothing to repeat along axis ", d, " of ", ir::to_string(x.shape));
      for (std::int64_t i = 0; i < y.shape[d]; ++i)
        positions[d].push_back(padded_source(attrs.mode, i - begins[d], x.shape[d]));
    }
    return make_axis_gather(x, y, std::move(positions));
  }

  auto kernel = std::make_unique<MoveKernel>();
  fill_output(*kernel, y, attrs.value);
  // The part of the input that stays: negative pads cut.
  StridedMove::End from{0, x.strides}, to{0, y.strides};
  ir::Shape box(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t first = std::max<std::int64_t>(-begins[d], 0), target = std::max<std::int64_t>(begins[d], 0);
    box[d] = std::max<std::int64_t>(std::min(x.shape[d] - first, y.shape[d] - target), 0);
    from.offset += first * x.strides[d];
    to.offset += target * y.strides[d];
  }
  kernel->add(0, 0, {ElementMove(x, y), box, from, to});
  return kernel;
}

std::unique_ptr<Kernel> make_expand(const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  auto kernel = std::make_unique<MoveKernel>();
  kernel->add(0, 0, {ElementMove(x, y), y.shape, {0, broadcast_strides(x, y.shape)}, {0, y.strides}});
  return kernel;
}

std::unique_ptr<Kernel> make_tile(const ir::TileAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  // Every dimension in two: the copies, and the input's elements in each.
  ir::Shape box, from, to;
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    box.insert(box.end(), {attrs.repeats[d], x.shape[d]});
    from.insert(from.end(), {0, x.strides[d]});
    to.insert(to.end(), {x.shape[d] * y.strides[d], y.strides[d]});
  }
  auto kernel = std::make_unique<MoveKernel>();
  kernel->add(0, 0, {ElementMove(x, y), box, {0, from}, {0, to}});
  return kernel;
}

std::unique_ptr<Kernel> make_space_depth(const ir::SpaceDepthAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  const bool to_depth = attrs.op == ir::SpaceDepthAttrs::Op::space_to_depth;
  const Operand &deep = to_depth ? y : x, &wide = to_depth ? x : y;
  const std::int64_t block = attrs.block, channels = wide.shape[1];
  // Both ends seen as [image, channel, row, row in the block, column, column in the block].
  const ir::Shape box = {wide.shape[0], channels, deep.shape[2], block, deep.shape[3], block};
  const bool position_is_slower = to_depth || attrs.order == ir::SpaceDepthAttrs::Order::dcr;
  const std::int64_t per_position = position_is_slower ? channels : 1,
                     per_channel = position_is_slower ? 1 : block * block;
  const ir::Shape in_deep = {deep.strides[0], per_channel * deep.strides[1],
                             deep.strides[2], block * per_position * deep.strides[1],
                             deep.strides[3], per_position * deep.strides[1]};
  const ir::Shape in_wide = {wide.strides[0], wide.strides[1],         block * wide.strides[2],
                             wide.strides[2], block * wide.strides[3], wide.strides[3]};
  auto kernel = std::make_unique<MoveKernel>();
  kernel->add(0, 0, {ElementMove(x, y), box, {0, to_depth ? in_wide : in_deep}, {0, to_depth ? in_deep : in_wide}});
  return kernel;
}

}  // namespace vaip::kernels
