#include "compiler/mapping/problem.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace vaip::compiler {
namespace {

using ir::Shape;

std::int64_t product(const Shape& shape, std::size_t begin, std::size_t end) {
  return std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(begin),
                         shape.begin() + static_cast<std::ptrdiff_t>(end), std::int64_t{1}, std::multiplies<>());
}

bool is_nonlinear(ir::Activation::Kind kind) {
  using Kind = ir::Activation::Kind;
  switch (kind) {
    case Kind::none:
    case Kind::relu:
    case Kind::clip:
    case Kind::leaky_relu:
    case Kind::neg:
    case Kind::abs:
    case Kind::floor:
    case Kind::ceil:
    case Kind::round:
    case Kind::sign:
    case Kind::identity:
      return false;
    default:
      return true;
  }
}

// The problem of one layer; one member function per layer kind.
class Builder {
 public:
  Builder(const ir::Graph& graph, const ir::Layer& layer, const MemoryPlan& plan)
      : graph_(graph), layer_(layer), plan_(plan) {}

  Problem operator()(const ir::QuantizeAttrs&) const { return requantize(); }
  Problem operator()(const ir::DequantizeAttrs&) const { return requantize(); }
  Problem operator()(const ir::RequantizeAttrs&) const { return requantize(); }

  Problem operator()(const ir::ConvAttrs& attrs) const {
    const Shape& weight = input(1).shape;
    const std::int64_t cout = weight[0], channels = weight[1];
    const Axes axes = spatial_axes(attrs.kernel, attrs.strides, attrs.dilations);
    const std::int64_t taps = ir::element_count(Shape(weight.begin() + 2, weight.end()));
    if (channels == 1 && attrs.groups > 1) {
      SlidingWindow depthwise;
      depthwise.kernel = kernel(sim::KernelKind::depthwise);
      depthwise.kernel.nonlinear_epilogue = is_nonlinear(attrs.activation.kind);
      depthwise.batch = axes.outer;
      depthwise.channels = cout;
      depthwise.vertical = axes.vertical;
      depthwise.horizontal = axes.horizontal;
      depthwise.taps = taps;
      set_bytes(depthwise);
      depthwise.b_bytes = bytes_of(input(1)) + bias_bytes();
      return depthwise;
    }
    Contraction conv = contraction(sim::KernelKind::convolution, attrs.activation);
    conv.batch = attrs.groups;
    conv.images = axes.outer;
    conv.vertical = axes.vertical;
    conv.horizontal = axes.horizontal;
    conv.window = taps;
    conv.channels = channels;
    conv.n = cout / attrs.groups;
    if (taps == 1) {
      // A pointwise convolution reads just the positions under its outputs: a plain product over them.
      const std::int64_t positions = conv.positions();
      conv.images = 1;
      conv.vertical = {};
      conv.horizontal = {positions, positions, 1, 1};
      conv.a_bytes = device::bytes(conv.a, positions * channels * attrs.groups);
    }
    return conv;
  }

  Problem operator()(const ir::MatMulAttrs& attrs) const {
    const Shape& a = input(0).shape;
    const Shape& b = input(1).shape;
    const bool a_transposed = attrs.transpose_a && a.size() > 1, b_transposed = attrs.transpose_b && b.size() > 1;
    const std::int64_t m = a.size() < 2 ? 1 : a[a.size() - (a_transposed ? 1 : 2)];
    const std::int64_t k = a_transposed ? a[a.size() - 2] : a.back();
    const std::int64_t n = b.size() < 2 ? 1 : b[b.size() - (b_transposed ? 2 : 1)];
    const std::int64_t problems = ir::element_count(output().shape) / std::max<std::int64_t>(1, m * n);
    const bool b_shared = b.size() <= 2 || product(b, 0, b.size() - 2) == 1;

    Contraction matmul = contraction(sim::KernelKind::matmul, attrs.activation);
    matmul.batch = b_shared ? 1 : problems;
    const std::int64_t positions = b_shared ? problems * m : m;
    matmul.horizontal = {positions, positions, 1, 1};
    matmul.channels = k;
    matmul.n = n;
    matmul.a_bytes = device::bytes(matmul.a, problems * m * k);
    matmul.b_bytes =
        (input(1).constant ? bytes_of(input(1)) : device::bytes(matmul.b, matmul.batch * k * n)) + bias_bytes();
    matmul.b_row_major = !input(1).constant && !b_transposed;
    return matmul;
  }

  // Every input pixel makes all of its taps' contributions, which are added where windows overlap.
  Problem operator()(const ir::ConvTransposeAttrs& attrs) const {
    const Shape& weight = input(1).shape;
    const Shape& x = input(0).shape;
    const std::int64_t positions = x[0] * product(x, 2, x.size());
    Contraction conv = contraction(sim::KernelKind::matmul, attrs.activation);
    conv.batch = attrs.groups;
    conv.horizontal = {positions, positions, 1, 1};
    conv.channels = weight[0] / attrs.groups;
    conv.n = product(weight, 1, weight.size());
    return conv;
  }

  Problem operator()(const ir::IntegerMatMulAttrs&) const { return (*this)(ir::MatMulAttrs{}); }
  Problem operator()(const ir::IntegerConvAttrs& attrs) const { return (*this)(attrs.conv); }

  // The extremes are found in a pass of their own.
  Problem operator()(const ir::DynamicQuantizeAttrs&) const {
    ElementStream stream = element_stream(sim::Function::requantize, ir::element_count(output().shape));
    stream.kernel.work_per_element = 2;
    return stream;
  }

  Problem operator()(const ir::ComparisonAttrs&) const { return combined(sim::Function::add); }
  Problem operator()(const ir::LogicAttrs&) const { return combined(sim::Function::add); }
  Problem operator()(const ir::IntegerArithmeticAttrs& attrs) const {
    using Op = ir::IntegerArithmeticAttrs::Op;
    const bool divides = attrs.op == Op::div || attrs.op == Op::modulus || attrs.op == Op::remainder;
    return combined(attrs.op == Op::mul ? sim::Function::multiply
                    : divides           ? sim::Function::divide
                                        : sim::Function::add);
  }
  Problem operator()(const ir::WhereAttrs&) const { return combined(sim::Function::add); }
  Problem operator()(const ir::CastAttrs&) const { return requantize(); }
  Problem operator()(const ir::ShapeAttrs&) const { return requantize(); }  // known, and gone, in a bound graph
  Problem operator()(const ir::RangeAttrs&) const { return requantize(); }

  Problem operator()(const ir::ArithmeticAttrs& attrs) const {
    using Op = ir::ArithmeticAttrs::Op;
    sim::Function function = sim::Function::add;
    if (attrs.op == Op::mul || attrs.op == Op::prelu) function = sim::Function::multiply;
    if (attrs.op == Op::div || attrs.op == Op::pow) function = sim::Function::divide;
    ElementStream stream = combined(function);
    // A number is in the kernel's registers, whatever it is written as.
    if (is_number(0)) stream.kernel.a = stream.kernel.c;
    if (layer_.inputs.size() > 1 && is_number(1)) stream.kernel.b = stream.kernel.c;
    stream.kernel.nonlinear_epilogue = is_nonlinear(attrs.activation.kind);
    return stream;
  }

  Problem operator()(const ir::ElementwiseAttrs& attrs) const {
    const bool nonlinear = is_nonlinear(attrs.function.kind);
    return element_stream(nonlinear ? sim::Function::nonlinear : sim::Function::relu,
                          ir::element_count(output().shape));
  }

  Problem operator()(const ir::PoolAttrs& attrs) const {
    const Axes axes = spatial_axes(attrs.kernel, attrs.strides, attrs.dilations);
    SlidingWindow pool;
    pool.kernel = kernel(sim::KernelKind::element);
    pool.kernel.function = attrs.op == ir::PoolAttrs::Op::max ? sim::Function::max_pool : sim::Function::average_pool;
    pool.kernel.nonlinear_epilogue = is_nonlinear(attrs.activation.kind);
    pool.batch = axes.outer;
    pool.channels = output().shape[1];
    pool.vertical = axes.vertical;
    pool.horizontal = axes.horizontal;
    pool.taps = ir::element_count(attrs.kernel);
    set_bytes(pool);
    return pool;
  }

  // Which axes are reduced changes the order of the work, not its amount.
  Problem operator()(const ir::ReduceAttrs&) const {
    return element_stream(sim::Function::reduce, ir::element_count(input(0).shape));
  }

  // The index travels beside the value.
  Problem operator()(const ir::ArgAttrs&) const {
    return element_stream(sim::Function::reduce, ir::element_count(input(0).shape));
  }
  Problem operator()(const ir::CumSumAttrs&) const {
    return element_stream(sim::Function::reduce, ir::element_count(input(0).shape));
  }
  // A bitonic network: log2 of the row's length passes, rounded up.
  Problem operator()(const ir::TopKAttrs& attrs) const {
    const Shape& shape = input(0).shape;
    const std::int64_t row = shape[axis_of(attrs.axis, shape)];
    ElementStream stream = element_stream(sim::Function::reduce, ir::element_count(shape));
    while ((std::int64_t{1} << stream.kernel.work_per_element) < row) ++stream.kernel.work_per_element;
    return stream;
  }

  Problem operator()(const ir::NormalizationAttrs& attrs) const {
    using Op = ir::NormalizationAttrs::Op;
    const Shape& shape = input(0).shape;
    sim::Function function = sim::Function::layer_norm;
    if (attrs.op == Op::rms || attrs.op == Op::l1 || attrs.op == Op::l2) function = sim::Function::rms_norm;
    if (attrs.op == Op::instance || attrs.op == Op::group) function = sim::Function::group_norm;
    if (attrs.op == Op::batch) function = sim::Function::multiply;
    ElementStream stream = element_stream(function, ir::element_count(shape));
    stream.kernel.nonlinear_epilogue = is_nonlinear(attrs.activation.kind);
    if (attrs.op == Op::layer || attrs.op == Op::rms) {
      stream.row = product(shape, axis_of(attrs.axis, shape), shape.size());
    } else if (attrs.op == Op::l1 || attrs.op == Op::l2) {
      stream.row = shape[axis_of(attrs.axis, shape)];
    }
    for (std::size_t i = 1; i < layer_.inputs.size(); ++i)
      if (has_input(i)) stream.b_bytes += bytes_of(input(i));
    return stream;
  }

  Problem operator()(const ir::SoftmaxAttrs& attrs) const {
    const Shape& shape = input(0).shape;
    const auto rank = static_cast<std::int64_t>(shape.size());
    ElementStream stream = element_stream(sim::Function::softmax, ir::element_count(shape));
    if (rank > 0) {
      const auto axis = static_cast<std::size_t>(attrs.axis < 0 ? attrs.axis + rank : attrs.axis);
      stream.row = attrs.flatten_to_2d ? product(shape, axis, shape.size()) : shape[axis];
    }
    return stream;
  }

  Problem operator()(const ir::ConcatAttrs& attrs) const {
    Movement move = movement();
    move.read_bytes = move.read_from_l2 = 0;
    for (std::size_t i = 0; i < layer_.inputs.size(); ++i) {
      move.read_bytes += bytes_of(input(i));
      move.read_from_l2 += from_l2(i);
    }
    const Shape& piece = input(0).shape;
    move.written_run_bytes = device::bytes(move.format, product(piece, axis_of(attrs.axis, piece), piece.size()));
    return moved_or_requantized(move);
  }

  Problem operator()(const ir::SplitAttrs& attrs) const {
    Movement move = movement();
    move.written_bytes = 0;
    move.written_to_l2 = true;
    for (const ir::ValueId id : layer_.outputs) {
      if (id == ir::kNoValue) continue;
      move.written_bytes += bytes_of(graph_.value(id));
      move.written_to_l2 = move.written_to_l2 && plan_.holds(id);
    }
    const Shape& piece = output().shape;
    move.read_run_bytes = device::bytes(move.format, product(piece, axis_of(attrs.axis, piece), piece.size()));
    return moved_or_requantized(move);
  }

  Problem operator()(const ir::TransposeAttrs& attrs) const {
    // Dimensions at the end that stay where they are move as one piece.
    const Shape& shape = input(0).shape;
    std::size_t kept = shape.size();
    while (!attrs.perm.empty() && kept > 0 && attrs.perm[kept - 1] == static_cast<std::int64_t>(kept - 1)) --kept;
    Movement move = movement();
    move.read_run_bytes = kept == 0 ? 0 : device::bytes(move.format, product(shape, kept, shape.size()));
    return moved_or_requantized(move);
  }

  Problem operator()(const ir::SliceAttrs& attrs) const {
    Movement move = movement();
    move.read_bytes = move.written_bytes;
    move.read_from_l2 = from_l2(0) > 0 ? move.read_bytes : 0;
    const Shape& shape = output().shape;
    const std::int64_t step =
        std::accumulate(attrs.steps.begin(), attrs.steps.end(), std::int64_t{1},
                        [](std::int64_t most, std::int64_t s) { return std::max(most, s < 0 ? -s : s); });
    move.read_run_bytes = device::bytes(move.format, step > 1 || shape.empty() ? 1 : shape.back());
    return moved_or_requantized(move);
  }

  Problem operator()(const ir::ExpandAttrs&) const { return moved_or_requantized(movement()); }
  Problem operator()(const ir::TileAttrs&) const { return moved_or_requantized(movement()); }

  // Whole slices move; an index per element moves single elements.
  Problem operator()(const ir::GatherAttrs& attrs) const {
    Movement move = movement();
    move.read_bytes = move.written_bytes;
    move.read_from_l2 = from_l2(0) > 0 ? move.read_bytes : 0;
    const Shape& data = input(0).shape;
    std::size_t slice = data.size();
    if (attrs.op == ir::GatherAttrs::Op::gather) slice = axis_of(attrs.axis, data) + 1;
    if (attrs.op == ir::GatherAttrs::Op::nd) slice = static_cast<std::size_t>(attrs.batch_dims + input(1).shape.back());
    move.read_run_bytes = device::bytes(move.format, product(data, slice, data.size()));
    return moved_or_requantized(move);
  }

  // Runs of a block's row.
  Problem operator()(const ir::SpaceDepthAttrs& attrs) const {
    Movement move = movement();
    const bool gathers = attrs.op == ir::SpaceDepthAttrs::Op::space_to_depth;
    (gathers ? move.read_run_bytes : move.written_run_bytes) = device::bytes(move.format, attrs.block);
    return moved_or_requantized(move);
  }

  Problem operator()(const ir::PadAttrs&) const { return moved_or_requantized(movement()); }
  Problem operator()(const ir::ReshapeAttrs&) const { return requantize(); }  // not a view: the numbers change

  Problem operator()(const ir::ResizeAttrs& attrs) const {
    if (attrs.mode == ir::ResizeAttrs::Mode::nearest) return moved_or_requantized(movement());
    return element_stream(sim::Function::resize, ir::element_count(output().shape));
  }

 private:
  struct Axes {
    std::int64_t outer = 1;  // batch and, of volumes, depth
    WindowAxis vertical, horizontal;
  };

  const ir::Value& input(std::size_t i) const { return graph_.value(layer_.inputs[i]); }
  const ir::Value& output() const { return graph_.value(layer_.outputs[0]); }
  bool has_input(std::size_t i) const { return i < layer_.inputs.size() && layer_.inputs[i] != ir::kNoValue; }
  bool is_number(std::size_t i) const {
    return input(i).constant && input(i).dtype == ir::DType::f32 && ir::element_count(input(i).shape) == 1;
  }
  std::int64_t from_l2(std::size_t i) const { return plan_.holds(layer_.inputs[i]) ? bytes_of(input(i)) : 0; }
  std::int64_t bias_bytes() const { return has_input(2) ? bytes_of(input(2)) : 0; }

  static std::size_t axis_of(std::int64_t axis, const Shape& shape) {
    return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(shape.size()) : axis);
  }

  // The last two spatial dimensions; a signal has one, a volume's depth joins the batch.
  Axes spatial_axes(const Shape& window, const Shape& strides, const Shape& dilations) const {
    const Shape& in = input(0).shape;
    const Shape& out = output().shape;
    const std::size_t spatial = in.size() - 2;
    const auto axis = [&](std::size_t i) {
      const std::int64_t dilation = dilations.empty() ? 1 : dilations[i];
      return WindowAxis{in[i + 2], out[i + 2], strides.empty() ? 1 : strides[i], (window[i] - 1) * dilation + 1};
    };
    Axes axes;
    axes.outer = out[0];
    if (spatial > 0) axes.horizontal = axis(spatial - 1);
    if (spatial > 1) axes.vertical = axis(spatial - 2);
    for (std::size_t i = 0; i + 2 < spatial; ++i) axes.outer *= out[i + 2];
    return axes;
  }

  sim::Kernel kernel(sim::KernelKind kind) const {
    sim::Kernel result;
    result.kind = kind;
    result.a = format_of(input(0));
    result.b = has_input(1) ? format_of(input(1)) : result.a;
    result.c = format_of(output());
    return result;
  }

  // What the cores multiply: a float operand arrives quantized where the layer does that, else as bf16, to which the
  // weights of few bits that belong to it are then expanded.
  device::Format factor_format(std::size_t i) const {
    const device::Format format = format_of(input(i));
    if (format_of(input(0)) != device::Format::f32) return format;
    const bool quantized = layer_.as<ir::IntegerMatMulAttrs>() || layer_.as<ir::IntegerConvAttrs>();
    if (quantized) return i == 0 ? device::Format::int8 : format;
    return device::Format::bf16;
  }

  Contraction contraction(sim::KernelKind kind, const ir::Activation& activation) const {
    Contraction result;
    result.kind = kind;
    result.a = factor_format(0);
    result.b = factor_format(1);
    result.c = format_of(output());
    result.a_bytes = bytes_of(input(0));
    result.b_bytes = bytes_of(input(1)) + bias_bytes();
    result.c_bytes = bytes_of(output());
    result.a_in_l2 = plan_.holds(layer_.inputs[0]);
    result.b_in_l2 = plan_.holds(layer_.inputs[1]);
    result.c_in_l2 = plan_.holds(layer_.outputs[0]);
    result.nonlinear_epilogue = is_nonlinear(activation.kind);
    return result;
  }

  void set_bytes(SlidingWindow& window) const {
    window.a_bytes = bytes_of(input(0));
    window.c_bytes = bytes_of(output());
    window.a_in_l2 = plan_.holds(layer_.inputs[0]);
    window.c_in_l2 = plan_.holds(layer_.outputs[0]);
  }

  ElementStream element_stream(sim::Function function, std::int64_t elements) const {
    ElementStream stream;
    stream.kernel.kind = sim::KernelKind::element;
    stream.kernel.function = function;
    stream.kernel.a = stream.kernel.b = format_of(input(0));
    stream.kernel.c = format_of(output());
    stream.elements = elements;
    stream.a_bytes = bytes_of(input(0));
    stream.a_from_l2 = from_l2(0);
    stream.c_bytes = bytes_of(output());
    stream.c_in_l2 = plan_.holds(layer_.outputs[0]);
    return stream;
  }

  // Element by element from all inputs.
  ElementStream combined(sim::Function function) const {
    ElementStream stream = element_stream(function, ir::element_count(output().shape));
    stream.kernel.work_per_element = std::max<std::int64_t>(1, static_cast<std::int64_t>(layer_.inputs.size()) - 1);
    for (std::size_t i = 1; i < layer_.inputs.size(); ++i) {
      stream.b_bytes += bytes_of(input(i));
      stream.b_from_l2 += from_l2(i);
    }
    if (layer_.inputs.size() > 1) stream.kernel.b = format_of(input(1));
    return stream;
  }

  Problem requantize() const { return element_stream(sim::Function::requantize, ir::element_count(output().shape)); }

  Movement movement() const {
    Movement move;
    move.format = format_of(input(0));
    move.read_bytes = bytes_of(input(0));
    move.read_from_l2 = from_l2(0);
    move.written_bytes = bytes_of(output());
    move.written_to_l2 = plan_.holds(layer_.outputs[0]);
    return move;
  }

  // Moving elements between tensors of different parameters passes them through a core.
  Problem moved_or_requantized(const Movement& move) const {
    const auto same = [&](ir::ValueId id) {
      const ir::Value& value = graph_.value(id);
      return value.constant.has_value() || (value.dtype == input(0).dtype && value.quant == input(0).quant);
    };
    const std::size_t data_inputs = layer_.as<ir::ConcatAttrs>() ? layer_.inputs.size() : 1;
    bool unchanged = true;
    for (std::size_t i = 0; i < data_inputs; ++i) unchanged = unchanged && same(layer_.inputs[i]);
    for (const ir::ValueId id : layer_.outputs)
      if (id != ir::kNoValue) unchanged = unchanged && same(id);
    if (unchanged) return move;
    ElementStream stream;
    stream.kernel = kernel(sim::KernelKind::element);
    stream.kernel.function = sim::Function::requantize;
    stream.kernel.b = stream.kernel.a;
    stream.a_bytes = move.read_bytes;
    stream.a_from_l2 = move.read_from_l2;
    stream.c_bytes = move.written_bytes;
    stream.c_in_l2 = move.written_to_l2;
    stream.elements = move.written_bytes * 8 / device::bits(stream.kernel.c);
    return stream;
  }

  const ir::Graph& graph_;
  const ir::Layer& layer_;
  const MemoryPlan& plan_;
};

}  // namespace

Problem make_problem(const ir::Graph& graph, const ir::Layer& layer, const MemoryPlan& plan) {
  switch (role(graph, layer)) {
    case Role::view:
    case Role::empty:
      return Nothing{};
    case Role::host:
      return HostWork{std::max(ir::element_count(graph.value(layer.inputs[0]).shape),
                               ir::element_count(graph.value(layer.outputs[0]).shape))};
    case Role::device:
      break;
  }
  return std::visit(Builder(graph, layer, plan), layer.attrs);
}

}  // namespace vaip::compiler
