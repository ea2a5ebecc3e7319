// Both ways of timing agree on layers in bfloat16, too: what float models become.
#include "event_agreement.h"

namespace {

using namespace vaip;
using test::GraphBuilder;

// The same graph with float tensors in bfloat16; the bias stays float32, as an accumulator starts with it.
ir::Graph in_bf16(ir::Graph graph) {
  for (ir::Value& value : graph.values) {
    if (value.dtype == ir::DType::s8) value.dtype = ir::DType::bf16;
    if (value.dtype == ir::DType::s32) value.dtype = ir::DType::f32;
    value.quant.reset();
  }
  return graph;
}

std::map<std::string, ir::Graph> layers_of_float_models() {
  std::map<std::string, ir::Graph> graphs = test::layers_of_every_kind();
  graphs.erase("requantize");
  for (auto& [kind, graph] : graphs) graph = in_bf16(std::move(graph));

  const auto build = [&](const char* name, const auto& body) {
    GraphBuilder b;
    const ir::ValueId out = body(b);
    graphs[name] = in_bf16(b.finish({out}));
  };
  const ir::Shape tokens = {4, 197, 384}, image = {1, 64, 61, 45};
  const auto normalize = [&](GraphBuilder& b, ir::NormalizationAttrs::Op op, const ir::Shape& shape) {
    ir::NormalizationAttrs attrs;
    attrs.op = op;
    attrs.groups = 8;
    const bool by_channel = op == ir::NormalizationAttrs::Op::group || op == ir::NormalizationAttrs::Op::instance;
    const ir::Shape parameter = {by_channel ? shape[1] : shape.back()};
    const ir::ValueId scale = b.value(parameter, ir::DType::s8, 0.5F, true);
    const ir::ValueId shift = b.value(parameter, ir::DType::s8, 0.5F, true);
    return b.layer("Normalization", attrs, {b.input(shape), scale, shift}, shape);
  };
  using Op = ir::NormalizationAttrs::Op;
  build("layer normalization", [&](GraphBuilder& b) { return normalize(b, Op::layer, tokens); });
  build("rms normalization", [&](GraphBuilder& b) { return normalize(b, Op::rms, tokens); });
  build("group normalization", [&](GraphBuilder& b) { return normalize(b, Op::group, image); });
  build("instance normalization", [&](GraphBuilder& b) { return normalize(b, Op::instance, image); });
  build("scores", [&](GraphBuilder& b) {
    ir::MatMulAttrs attrs;
    attrs.transpose_b = true;
    return b.layer("MatMul", attrs, {b.input({12, 197, 64}), b.input({12, 197, 64})}, {12, 197, 197});
  });
  build("transposed convolution", [&](GraphBuilder& b) {
    ir::ConvTransposeAttrs attrs;
    attrs.kernel = {2, 2};
    attrs.strides = {2, 2};
    const ir::ValueId w = b.value({64, 48, 2, 2}, ir::DType::s8, 0.5F, true);
    return b.layer("ConvTranspose", attrs, {b.input(image), w}, {1, 48, 122, 90});
  });
  // Its weights fit no core as a whole: a product over patches.
  build("patch embedding", [&](GraphBuilder& b) {
    ir::ConvAttrs attrs;
    attrs.kernel = attrs.strides = {16, 16};
    attrs.dilations = {1, 1};
    attrs.pads = {0, 0, 0, 0};
    const ir::ValueId w = b.value({192, 3, 16, 16}, ir::DType::s8, 0.5F, true);
    return b.layer("Conv", attrs, {b.input({1, 3, 224, 224}), w}, {1, 192, 14, 14});
  });
  build("division", [&](GraphBuilder& b) {
    ir::ArithmeticAttrs attrs;
    attrs.op = ir::ArithmeticAttrs::Op::div;
    return b.layer("Div", attrs, {b.input(tokens), b.input(tokens)}, tokens);
  });
  build("gelu", [&](GraphBuilder& b) {
    ir::ElementwiseAttrs attrs;
    attrs.function.kind = ir::Activation::Kind::gelu;
    return b.layer("Gelu", attrs, {b.input(tokens)}, tokens);
  });
  build("product with gelu", [&](GraphBuilder& b) {
    ir::MatMulAttrs attrs;
    attrs.activation.kind = ir::Activation::Kind::gelu;
    const ir::ValueId w = b.value({384, 1536}, ir::DType::s8, 0.5F, true);
    return b.layer("MatMul", attrs, {b.input(tokens), w}, {4, 197, 1536});
  });
  build("embedding", [&](GraphBuilder& b) {
    const ir::ValueId table = b.value({30522, 384}, ir::DType::s8, 0.5F, true);
    const ir::ValueId indices = b.input({4, 197}, ir::DType::s64);
    const ir::ValueId out = b.layer("Gather", ir::GatherAttrs{}, {table, indices}, tokens);
    return out;
  });
  return graphs;
}

}  // namespace

TEST(every_kind_of_bf16_layer_agrees) {
  test::Agreement agreement;
  for (const char* device : {"phoenix", "strix"}) {
    for (const char* stack : {"vitisai", "taka", "iron", "air"}) {
      const test::Machine machine(device, stack);
      for (const auto& [kind, graph] : layers_of_float_models()) {
        for (sim::LayerProgram& layer : test::on_the_array(test::programs_of(graph, device, stack))) {
          layer.name = kind + " bf16";
          CHECK_EQ(layer.dtype, std::string("bfloat16"));
          agreement.add(layer, machine.target());
        }
      }
    }
  }
  agreement.check();
}

// A float network takes as long as its tensors are wide: more than in int8, less than the four times of its products.
TEST(networks_in_bf16) {
  for (const char* device : {"phoenix", "strix"}) {
    const test::Machine machine(device, "vitisai");
    const std::vector<sim::LayerProgram> floats = test::programs_of(in_bf16(test::resnet50()), device, "vitisai");
    const std::vector<sim::LayerProgram> integers = test::programs_of(test::resnet50(), device, "vitisai");
    const double steady = sim::simulate(floats, machine.target()).cycles;
    const double event = sim::simulate(floats, machine.target(), sim::Mode::event).cycles;
    CHECK(std::fabs(steady / event - 1) < 0.003);
    const double times = steady / sim::simulate(integers, machine.target()).cycles;
    CHECK(times > 1.2 && times < 4.0);
  }
}

VAIP_TEST_MAIN()
