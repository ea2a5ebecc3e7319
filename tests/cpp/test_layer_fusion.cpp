// What one kernel computes of a float model: which layers are fused, which are not, and that the result is rounded
// once.
#include "graph_builder.h"
#include "runtime/layer_fusion.h"

namespace {

using namespace vaip;
using namespace vaip::test;
using runtime::fuse_layers;
using Kind = ir::Activation::Kind;
using Op = ir::ArithmeticAttrs::Op;

// Layers on bfloat16 tensors.
struct FloatNet : Builder {
  ir::ValueId tensor(const Shape& shape) { return value(describe(DType::bf16, shape)); }
  ir::ValueId input(const Shape& shape) {
    graph.inputs.push_back(tensor(shape));
    return graph.inputs.back();
  }
  ir::ValueId weights(const Shape& shape, DType dtype = DType::bf16) {
    return constant(random_tensor(random, dtype, shape));
  }
  ir::ValueId number(float x) {
    Tensor t = describe(DType::f32, {});
    t.stored = {static_cast<double>(x)};
    return constant(t);
  }
  ir::ValueId make(const std::string& op, ir::LayerAttrs attrs, std::vector<ir::ValueId> inputs, const Shape& shape) {
    const ir::ValueId y = tensor(shape);
    layer(op, std::move(attrs), std::move(inputs), {y});
    graph.layers.back().onnx_nodes = {graph.layers.back().name};
    return y;
  }
  ir::ValueId matmul(ir::ValueId x, std::int64_t columns) {
    Shape shape = graph.value(x).shape;
    const ir::ValueId w = weights({shape.back(), columns}), bias = weights({columns}, DType::f32);
    shape.back() = columns;
    return make("MatMul", ir::MatMulAttrs{}, {x, w, bias}, shape);
  }
  ir::ValueId arithmetic(Op op, ir::ValueId a, ir::ValueId b, Kind kind = Kind::none) {
    ir::ArithmeticAttrs attrs;
    attrs.op = op;
    attrs.activation.kind = kind;
    const Shape &left = graph.value(a).shape, &right = graph.value(b).shape;
    return make("Arithmetic", attrs, {a, b}, ir::broadcast(left, right));
  }
  ir::ValueId function(ir::ValueId x, Kind kind) {
    return make("Function", ir::ElementwiseAttrs{{kind, 0.0, 0.0}}, {x}, graph.value(x).shape);
  }
  ir::ValueId layer_norm(ir::ValueId x) {
    const Shape row = {graph.value(x).shape.back()};
    return make("LayerNormalization", ir::NormalizationAttrs{}, {x, weights(row, DType::f32), weights(row, DType::f32)},
                graph.value(x).shape);
  }
  void output(ir::ValueId id) { graph.outputs.push_back(id); }

  std::string fused() const {
    std::string ops;
    for (const ir::Layer& layer : fuse_layers(graph).layers) ops += (ops.empty() ? "" : " ") + layer.op;
    return ops;
  }

  // Its constants and, for an input, the numbers that a run is given.
  std::vector<double> numbers(ir::ValueId id, const std::vector<Memory>& inputs) const {
    Tensor t;
    t.value = graph.value(id);
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (graph.inputs[i] == id) decode(t, inputs[i]);
    if (const auto& c = t.value.constant) decode(t, Memory(c->data.get(), c->data.get() + c->size_bytes));
    return t.stored;
  }
};

std::vector<double> result(const FloatNet& net, const std::vector<Memory>& inputs) {
  Tensor y;
  y.value = net.graph.value(net.graph.outputs[0]);
  decode(y, run(runtime::Executor(net.graph), net.graph, inputs)[0]);
  return y.stored;
}

// rows x depth times depth x columns, plus a bias.
std::vector<double> product(const FloatNet& net, const ir::Layer& matmul, const std::vector<Memory>& inputs) {
  const std::vector<double> x = net.numbers(matmul.inputs[0], inputs), w = net.numbers(matmul.inputs[1], inputs),
                            bias = net.numbers(matmul.inputs[2], inputs);
  const std::size_t columns = bias.size(), depth = w.size() / columns;
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size() / depth * columns; ++i) {
    double sum = bias[i % columns];
    for (std::size_t k = 0; k < depth; ++k) sum += x[i / columns * depth + k] * w[k * columns + i % columns];
    y.push_back(sum);
  }
  return y;
}

// absolute: by how much the number may be wrong before it is rounded.
void expect_rounded_once(const std::vector<double>& got, const std::vector<double>& real, double absolute) {
  CHECK_EQ(got.size(), real.size());
  int wrong = 0;
  for (std::size_t i = 0; i < real.size(); ++i)
    wrong += std::fabs(got[i] - real[i]) > bf16_step(real[i]) / 2 + absolute;
  CHECK_EQ(wrong, 0);
}

TEST(residual_joins_the_product) {
  for (const bool residual_first : {false, true}) {
    FloatNet net;
    const ir::ValueId x = net.input({5, 70}), residual = net.input({5, 40}), m = net.matmul(x, 40);
    net.output(residual_first ? net.arithmetic(Op::add, residual, m, Kind::relu)
                              : net.arithmetic(Op::add, m, residual, Kind::relu));
    const ir::Graph fused = fuse_layers(net.graph);
    CHECK_EQ(fused.layers.size(), 1u);
    CHECK_EQ(fused.layers[0].inputs[3], residual);
    CHECK(fused.layers[0].as<ir::MatMulAttrs>()->activation.kind == Kind::relu);
    CHECK_EQ(fused.layers[0].onnx_nodes.size(), 2u);
    CHECK(fused.layers[0].outputs == net.graph.outputs);

    const std::vector<Memory> inputs = random_inputs(net.graph, 7);
    std::vector<double> real = product(net, net.graph.layers[0], inputs);
    const std::vector<double> added = net.numbers(residual, inputs);
    for (std::size_t i = 0; i < real.size(); ++i) real[i] = std::max(0.0, real[i] + added[i]);
    expect_rounded_once(result(net, inputs), real, 1e-3);
  }
}

TEST(what_others_read_is_stored) {
  FloatNet outside;
  const ir::ValueId m = outside.matmul(outside.input({5, 8}), 8);
  outside.output(outside.arithmetic(Op::add, m, outside.input({5, 8})));
  outside.output(m);
  CHECK_EQ(outside.fused(), "MatMul Arithmetic");

  FloatNet inside;
  const ir::ValueId n = inside.matmul(inside.input({5, 8}), 8);
  inside.output(inside.arithmetic(Op::mul, inside.arithmetic(Op::add, n, inside.input({5, 8})), n));
  CHECK_EQ(inside.fused(), "MatMul Arithmetic Arithmetic");

  FloatNet twice;
  const ir::ValueId t = twice.matmul(twice.input({5, 8}), 8);
  twice.output(twice.arithmetic(Op::add, t, t));
  CHECK_EQ(twice.fused(), "MatMul Arithmetic");

  FloatNet function;  // it is behind the product, not behind the sum
  const ir::ValueId f = function.function(function.matmul(function.input({5, 8}), 8), Kind::gelu);
  function.output(function.arithmetic(Op::add, f, function.input({5, 8})));
  CHECK_EQ(function.fused(), "MatMul Arithmetic");
  CHECK(fuse_layers(function.graph).layers[0].as<ir::MatMulAttrs>()->activation.kind == Kind::gelu);

  FloatNet subtracted;
  const ir::ValueId s = subtracted.matmul(subtracted.input({5, 8}), 8);
  subtracted.output(subtracted.arithmetic(Op::sub, s, subtracted.input({5, 8})));
  CHECK_EQ(subtracted.fused(), "MatMul Arithmetic");
}

TEST(convolution_takes_in_what_has_its_shape) {
  for (const Shape& shape : {Shape{1, 6, 9, 9}, Shape{1, 6, 1, 1}}) {
    FloatNet net;
    const ir::ValueId x = net.input({1, 4, 9, 9}), shortcut = net.input({1, 4, 9, 9}), other = net.input(shape);
    ir::ConvAttrs attrs;
    attrs.kernel = {1, 1};
    const auto conv = [&](ir::ValueId from) {
      const ir::ValueId w = net.weights({6, net.graph.value(from).shape[1], 1, 1});
      return net.make("Conv", attrs, {from, w, net.weights({6}, DType::f32)}, {1, 6, 9, 9});
    };
    const ir::ValueId sum = net.arithmetic(Op::add, conv(x), conv(shortcut), Kind::relu);  // the later one
    net.output(net.arithmetic(Op::add, conv(sum), other));
    CHECK_EQ(net.fused(), shape.back() == 1 ? "Conv Conv Conv Arithmetic" : "Conv Conv Conv");
    CHECK_EQ(fuse_layers(net.graph).layers[1].inputs[3], net.graph.layers[0].outputs[0]);
    // Layer by layer with every sum rounded: near, but not the same.
    const std::vector<Memory> inputs = random_inputs(net.graph, 3);
    Tensor apart;
    apart.value = net.graph.value(net.graph.outputs[0]);
    decode(apart, reference(net.graph, inputs)[0]);
    const std::vector<double> got = result(net, inputs);
    for (std::size_t i = 0; i < got.size(); ++i)
      CHECK(std::fabs(got[i] - apart.stored[i]) <= 0.25 + 0.05 * std::fabs(got[i]));
  }
}

TEST(sum_of_a_residual_is_normalised_unrounded) {
  FloatNet net;
  const ir::ValueId residual = net.input({6, 64});
  const ir::ValueId sum = net.arithmetic(Op::add, net.matmul(net.input({6, 33}), 64), residual);
  net.output(net.layer_norm(sum));
  const ir::Graph fused = fuse_layers(net.graph);
  CHECK_EQ(fused.layers.size(), 2u);
  CHECK(fused.value(sum).dtype == DType::f32);

  const std::vector<Memory> inputs = random_inputs(net.graph, 11);
  std::vector<double> real = product(net, net.graph.layers[0], inputs);
  const std::vector<double> added = net.numbers(residual, inputs);
  const ir::Layer& normalization = net.graph.layers[2];
  const std::vector<double> scale = net.numbers(normalization.inputs[1], inputs),
                            shift = net.numbers(normalization.inputs[2], inputs);
  for (std::size_t row = 0; row < 6; ++row) {
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      real[row * 64 + i] += added[row * 64 + i];
      mean += real[row * 64 + i] / 64;
    }
    for (std::size_t i = 0; i < 64; ++i) square += (real[row * 64 + i] - mean) * (real[row * 64 + i] - mean) / 64;
    for (std::size_t i = 0; i < 64; ++i) {
      double& x = real[row * 64 + i];
      x = (x - mean) / std::sqrt(square + 1e-5) * scale[i] + shift[i];
    }
  }
  expect_rounded_once(result(net, inputs), real, 1e-4);

  // A residual stream that goes on behind the normalization is in memory: rounded.
  net.output(net.arithmetic(Op::add, net.layer_norm(sum), sum));
  CHECK(fuse_layers(net.graph).value(sum).dtype == DType::bf16);
}

// softmax(0.4 q (0.4 k)^T + mask): one product and the softmax, between which nothing is rounded.
TEST(scores_take_in_scales_and_mask) {
  FloatNet net;
  const ir::ValueId q = net.input({2, 3, 7, 16}), k = net.input({2, 3, 16, 9}), mask = net.input({2, 1, 1, 9});
  const ir::ValueId scaled_q = net.arithmetic(Op::mul, q, net.number(0.4F));
  const ir::ValueId scaled_k = net.arithmetic(Op::div, k, net.number(2.5F));
  const ir::ValueId scores = net.make("MatMul", ir::MatMulAttrs{}, {scaled_q, scaled_k}, {2, 3, 7, 9});
  const ir::ValueId masked = net.arithmetic(Op::add, scores, mask);
  net.output(net.make("Softmax", ir::SoftmaxAttrs{}, {masked}, {2, 3, 7, 9}));
  const ir::Graph fused = fuse_layers(net.graph);
  CHECK_EQ(net.fused(), "MatMul Softmax");
  CHECK(std::fabs(fused.layers[0].as<ir::MatMulAttrs>()->alpha - 0.16) < 1e-6);
  CHECK_EQ(fused.layers[0].onnx_nodes.size(), 4u);
  CHECK(fused.value(masked).dtype == DType::f32);

  const std::vector<Memory> inputs = random_inputs(net.graph, 5);
  const std::vector<double> left = net.numbers(q, inputs), right = net.numbers(k, inputs),
                            added = net.numbers(mask, inputs);
  std::vector<double> real;
  for (std::size_t row = 0; row < 2 * 3 * 7; ++row) {
    const std::size_t matrix = row / 7;
    double total = 0;
    std::vector<double> powers;
    for (std::size_t c = 0; c < 9; ++c) {
      double sum = added[matrix / 3 * 9 + c];
      for (std::size_t d = 0; d < 16; ++d) sum += 0.16 * left[row * 16 + d] * right[(matrix * 16 + d) * 9 + c];
      powers.push_back(std::exp(sum));
      total += powers.back();
    }
    for (const double p : powers) real.push_back(p / total);
  }
  expect_rounded_once(result(net, inputs), real, 2e-5);
}

// x / max(|x|, 1e-12) as exporters write it: the norm, which all elements share, is not rounded.
TEST(norm_of_a_row_is_not_rounded) {
  FloatNet net;
  const ir::ValueId x = net.input({5, 64});
  ir::ReduceAttrs attrs;
  attrs.op = ir::ReduceAttrs::Op::l2;
  attrs.axes = {1};
  const ir::ValueId norm = net.make("ReduceL2", attrs, {x}, {5, 1});
  const ir::ValueId raised = net.make("Clip", ir::ElementwiseAttrs{{Kind::clip, 1e-12, 1e30}}, {norm}, {5, 1});
  const ir::ValueId repeated = net.make("Expand", ir::ExpandAttrs{{5, 64}}, {raised}, {5, 64});
  net.output(net.arithmetic(Op::div, x, repeated));
  const ir::Graph fused = fuse_layers(net.graph);
  for (const ir::ValueId id : {norm, raised, repeated}) CHECK(fused.value(id).dtype == DType::f32);

  const std::vector<Memory> inputs = random_inputs(net.graph, 13);
  std::vector<double> real = net.numbers(x, inputs);
  for (std::size_t row = 0; row < 5; ++row) {
    double squares = 0;
    for (std::size_t i = 0; i < 64; ++i) squares += real[row * 64 + i] * real[row * 64 + i];
    for (std::size_t i = 0; i < 64; ++i) real[row * 64 + i] /= std::sqrt(squares);
  }
  expect_rounded_once(result(net, inputs), real, 1e-7);
}

// Where(IsNaN(p), 0, p): rows that are wholly masked become zeros, the others stay as they are.
TEST(masked_rows_become_zeros) {
  FloatNet net;
  const ir::ValueId x = net.input({3, 20});
  const ir::ValueId p = net.make("Softmax", ir::SoftmaxAttrs{}, {x}, {3, 20});
  const ir::ValueId test = net.value(describe(DType::boolean, {3, 20}));
  net.layer("IsNaN", ir::ComparisonAttrs{ir::ComparisonAttrs::Op::unequal}, {p, p}, {test});
  net.output(net.make("Where", ir::WhereAttrs{}, {test, net.number(0.0F), p}, {3, 20}));
  CHECK_EQ(net.fused(), "Softmax");
  std::vector<Memory> inputs = random_inputs(net.graph, 17);
  const std::vector<double> before = result(net, inputs);
  const std::uint16_t infinity = 0xFF80;  // -infinity
  for (std::size_t i = 20; i < 40; ++i) std::memcpy(inputs[0].data() + 2 * i, &infinity, 2);
  const std::vector<double> after = result(net, inputs);
  for (std::size_t i = 0; i < 60; ++i) CHECK_EQ(after[i], i / 20 == 1 ? 0.0 : before[i]);

  net.output(p);
  CHECK_EQ(net.fused(), "Softmax IsNaN Where");
}

// A factor that others see stays, as does one for each row.
TEST(other_factors_stay) {
  FloatNet net;
  const ir::ValueId q = net.input({7, 16}), k = net.input({16, 9});
  const ir::ValueId shared = net.arithmetic(Op::mul, q, net.number(0.4F));
  const ir::ValueId rows = net.arithmetic(Op::mul, k, net.weights({16, 1}));
  net.output(net.make("MatMul", ir::MatMulAttrs{}, {shared, rows}, {7, 9}));
  net.output(shared);
  CHECK_EQ(net.fused(), "Arithmetic Arithmetic MatMul");
}

TEST(quantized_layers_are_left_alone) {
  Builder b;
  const ir::ValueId x = b.u8({1, 4, 6, 6});
  b.graph.inputs = {x};
  b.graph.outputs = {b.add(b.conv(x, 4), b.conv(x, 4))};
  const ir::Graph fused = fuse_layers(b.graph);
  CHECK_EQ(fused.layers.size(), b.graph.layers.size());
  for (std::size_t i = 0; i < fused.layers.size(); ++i) CHECK(fused.layers[i].inputs == b.graph.layers[i].inputs);
}

}  // namespace

VAIP_TEST_MAIN()
