// Dynamic quantization: DynamicQuantizeLinear, the integer products that read it, and the com.microsoft operators that
// onnxruntime makes of both.
#include <algorithm>

#include "frontend/constants.h"
#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

// The nodes that turn the sum of an integer product into its float result: Cast, Mul by both scales, Add of a bias.
struct Scaling {
  std::vector<std::size_t> nodes;
  std::string scale_a;  // computed
  std::vector<float> scale_b;
  std::string bias;  // "" where there is none
  std::string output;
};

constexpr std::int64_t kOnnxFloat = 1;  // TensorProto.FLOAT

const std::string& other_input(const Node& node, const std::string& value) {
  return node.inputs[node.inputs[0] == value ? 1 : 0];
}

// The sole reader of the value, if it is this operator with two inputs.
std::optional<std::size_t> sole_reader(const GraphIndex& index, const std::string& value, const char* op_type) {
  const auto reader = index.sole_consumer(value);
  if (!reader) return std::nullopt;
  const Node& node = index.node(*reader);
  const bool fits = node.op_type == op_type && node.domain.empty() && node.inputs.size() == 2 &&
                    !node.outputs.empty() && !node.outputs[0].empty();
  return fits ? reader : std::nullopt;
}

// A float constant with one element, or one per output channel along the dimension of the channels, which is
// `from_end` dimensions before the last.
bool is_per_channel(const TensorData& tensor, std::int64_t channels, std::size_t from_end) {
  if (tensor.dtype != ir::DType::f32) return false;
  const std::int64_t count = ir::element_count(tensor.shape);
  if (count == 1) return true;
  const std::size_t rank = tensor.shape.size();
  return count == channels && rank > from_end && tensor.shape[rank - 1 - from_end] == channels;
}

// The constant weight of the integer product whose sum is this float, if nothing else reads the sum.
const TensorData* weight_behind(const GraphIndex& index, const std::string& real) {
  const auto cast = index.producer(real);
  if (!cast || index.node(*cast).op_type != "Cast" || !has_input(index.node(*cast), 0)) return nullptr;
  const std::string& sum = index.node(*cast).inputs[0];
  const auto product = index.producer(sum);
  if (!product || !index.sole_consumer(sum) || !has_input(index.node(*product), 1)) return nullptr;
  const Node& node = index.node(*product);
  const TensorData* weight = index.constant(node.inputs[1]);
  const bool is_matrix = node.op_type == "MatMulInteger" && weight && weight->shape.size() == 2;
  const bool is_kernel = node.op_type == "ConvInteger" && weight && weight->shape.size() > 2;
  return is_matrix || is_kernel ? weight : nullptr;
}

// Whether the product of both scales multiplies sums of integer products and nothing else. onnxruntime merges equal
// ones, so there may be several: their layers share the node.
bool scales_integer_products(const GraphIndex& index, const std::string& factor, const TensorData& scale_b) {
  const std::vector<std::size_t>& readers = index.consumers(factor);
  return !index.escapes(factor) && std::all_of(readers.begin(), readers.end(), [&](std::size_t reader) {
    const Node& node = index.node(reader);
    if (node.op_type != "Mul" || node.inputs.size() != 2) return false;
    const TensorData* weight = weight_behind(index, other_input(node, factor));
    if (!weight) return false;
    const std::size_t axis = weight->shape.size() == 2 ? 1 : 0;
    return is_per_channel(scale_b, weight->shape[axis], axis == 1 ? 0 : weight->shape.size() - 2);
  });
}

std::optional<Scaling> find_scaling(const GraphIndex& index, const std::string& sum, std::int64_t channels,
                                    std::size_t from_end) {
  const auto cast = index.sole_consumer(sum);
  if (!cast || index.node(*cast).op_type != "Cast" || index.node(*cast).outputs.empty() ||
      attribute(index.node(*cast), "to", std::int64_t{0}) != kOnnxFloat) {
    return std::nullopt;
  }
  const std::string& real = index.node(*cast).outputs[0];
  const auto product = sole_reader(index, real, "Mul");
  if (!product) return std::nullopt;
  const std::string& factor = other_input(index.node(*product), real);
  const auto scales = index.producer(factor);
  if (!scales || index.node(*scales).op_type != "Mul" || index.node(*scales).inputs.size() != 2) return std::nullopt;
  const Node& both = index.node(*scales);
  const std::size_t constant = index.constant(both.inputs[1]) ? 1 : 0;
  const TensorData* scale_b = index.constant(both.inputs[constant]);
  if (!scale_b || !is_per_channel(*scale_b, channels, from_end) || index.constant(both.inputs[1 - constant]) ||
      !scales_integer_products(index, factor, *scale_b)) {
    return std::nullopt;
  }
  Scaling scaling;
  scaling.nodes = {*cast, *product, *scales};
  scaling.scale_a = both.inputs[1 - constant];
  scaling.scale_b = float_elements(*scale_b, both.inputs[constant]);
  scaling.output = index.node(*product).outputs[0];

  const auto sum_node = sole_reader(index, scaling.output, "Add");
  if (!sum_node) return scaling;
  const std::string& bias = other_input(index.node(*sum_node), scaling.output);
  const TensorData* stored = index.constant(bias);
  if (stored && is_per_channel(*stored, channels, from_end)) {
    scaling.bias = bias;
  } else if (const auto reshape = index.producer(bias); reshape && index.node(*reshape).op_type == "Reshape" &&
                                                        has_input(index.node(*reshape), 0) &&
                                                        index.sole_consumer(bias)) {
    // quantize_dynamic gives the bias of a convolution the rank of its output by a node.
    const std::string& vector = index.node(*reshape).inputs[0];
    const TensorData* flat = index.constant(vector);
    if (!flat || flat->dtype != ir::DType::f32 || flat->shape != ir::Shape{channels}) return scaling;
    scaling.bias = vector;
    scaling.nodes.push_back(*reshape);
  } else {
    return scaling;
  }
  scaling.nodes.push_back(*sum_node);
  scaling.output = index.node(*sum_node).outputs[0];
  return scaling;
}

// The constant weights with their zero points; the scales, where they are known, replace the 1s.
Quantization weight_parameters(const UnitBuilder& unit, const TensorData& weight, std::size_t zero_point,
                               std::size_t axis) {
  const Node& node = unit.node();
  Quantization result;
  result.dtype = weight.dtype;
  result.params.axis = static_cast<int>(axis);
  result.params.zero_point = {0};
  if (has_input(node, zero_point)) {
    const auto values = unit.constant_integers(zero_point, "the weight's zero point");
    result.params.zero_point.assign(values->begin(), values->end());
  }
  const std::size_t count = result.params.zero_point.size();
  if (count != 1 && static_cast<std::int64_t>(count) != weight.shape[axis]) {
    reject(node, "has ", count, " zero points for ", weight.shape[axis], " output channels");
  }
  result.params.scale.assign(count, 1.0F);
  return result;
}

void set_scale(ir::QuantParams& params, std::vector<float> scale) {
  if (params.zero_point.size() < scale.size()) params.zero_point.assign(scale.size(), params.zero_point[0]);
  if (scale.size() < params.zero_point.size()) scale.assign(params.zero_point.size(), scale[0]);
  params.scale = std::move(scale);
}

const TensorData& constant_weight(const UnitBuilder& unit, std::size_t input) {
  const Node& node = unit.node();
  if (!has_input(node, input)) reject(node, "input ", input, " is missing");
  const TensorData* weight = unit.index().constant(node.inputs[input]);
  if (!weight) unit.decline("weight `", node.inputs[input], "` is not constant");
  if (weight->dtype != ir::DType::u8 && weight->dtype != ir::DType::s8) {
    unit.decline("weight `", node.inputs[input], "` is ", ir::name(weight->dtype), " (supported: uint8, int8)");
  }
  return *weight;
}

void check_matrix(const UnitBuilder& unit, const TensorData& weight) {
  if (weight.shape.size() != 2) unit.decline("a weight of shape ", ir::to_string(weight.shape), "; needs a matrix");
}

}  // namespace

void dynamic_quantize(UnitBuilder& unit) {
  if (unit.node().outputs.size() != 3) reject(unit.node(), "has ", unit.node().outputs.size(), " outputs, not 3");
  unit.add_float_tensor(0);
  unit.finish_plain(ir::DynamicQuantizeAttrs{}, {ir::DType::u8, ir::DType::f32, ir::DType::u8});
}

void integer_product(UnitBuilder& unit) {
  const Node& node = unit.node();
  const bool is_conv = node.op_type == "ConvInteger";
  const TensorData& weight = constant_weight(unit, 1);
  if (!is_conv) check_matrix(unit, weight);
  if (is_conv && weight.shape.size() < 3) reject(node, "a weight of shape ", ir::to_string(weight.shape));
  const std::size_t axis = is_conv ? 0 : 1;
  const std::size_t from_end = is_conv ? weight.shape.size() - 2 : 0;
  Quantization parameters = weight_parameters(unit, weight, 3, axis);
  const auto scaling = find_scaling(unit.index(), node.outputs[0], weight.shape[axis], from_end);
  if (scaling) set_scale(parameters.params, scaling->scale_b);

  const ir::Value a = unit.add_plain(node.inputs[0], {ir::DType::u8, ir::DType::s8});
  const ir::Value b = unit.add_integer_tensor(1, parameters);
  if (has_input(node, 2)) {
    unit.require_scalar(unit.add_plain(node.inputs[2], {a.dtype}));
  } else {
    unit.add_absent();
  }
  if (scaling) {
    unit.require_scalar(unit.add_plain(scaling->scale_a, {ir::DType::f32}));
    scaling->bias.empty() ? unit.add_absent() : unit.add_vector(scaling->bias);
    for (const std::size_t member : scaling->nodes) unit.cover(member);
  }
  ir::LayerAttrs attrs = ir::IntegerMatMulAttrs{};
  if (is_conv) attrs = ir::IntegerConvAttrs{read_conv(unit, a, b)};
  if (scaling) return unit.finish_leaving(std::move(attrs), scaling->output);
  unit.finish_plain(std::move(attrs), {ir::DType::s32});
}

void dynamic_quantize_matmul(UnitBuilder& unit) {
  const Node& node = unit.node();
  const bool quantized = node.op_type == "MatMulIntegerToFloat";
  // A, B, b_scale, b_zero_point, bias; or A, B, a_scale, b_scale, a_zero_point, b_zero_point, bias
  const std::size_t scale_b = quantized ? 3 : 2, zero_b = quantized ? 5 : 3, bias = quantized ? 6 : 4;
  const TensorData& weight = constant_weight(unit, 1);
  check_matrix(unit, weight);
  Quantization parameters = weight_parameters(unit, weight, zero_b, 1);
  const auto scales = unit.constant_reals(scale_b, "the weight's scale");
  if (!scales) reject(node, "input ", scale_b, " is missing");
  if (scales->size() != 1 && static_cast<std::int64_t>(scales->size()) != weight.shape[1]) {
    reject(node, "has ", scales->size(), " scales for ", weight.shape[1], " columns");
  }
  set_scale(parameters.params, {scales->begin(), scales->end()});
  if (quantized) {
    const ir::Value a = unit.add_plain(node.inputs[0], {ir::DType::u8, ir::DType::s8});
    unit.add_integer_tensor(1, parameters);
    if (has_input(node, 4)) {
      unit.require_scalar(unit.add_plain(node.inputs[4], {a.dtype}));
    } else {
      unit.add_absent();
    }
    unit.require_scalar(unit.add_plain(node.inputs[2], {ir::DType::f32}));
  } else {
    unit.add_float_tensor(0);
    unit.add_integer_tensor(1, parameters);
    unit.add_absent();
    unit.add_absent();
  }
  unit.add_vector(bias);
  unit.finish_leaving(ir::IntegerMatMulAttrs{}, node.outputs[0]);
}

}  // namespace vaip::frontend::rules
