// Quantized graphs of known networks, by shape only: what mapping and timing are tested on.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace vaip::test {

class GraphBuilder {
 public:
  ir::ValueId value(const ir::Shape& shape, ir::DType dtype, float scale = 0.5F, bool constant = false) {
    ir::Value v;
    v.name = "v" + std::to_string(graph_.values.size());
    v.shape = shape;
    v.dtype = dtype;
    if (dtype != ir::DType::f32) v.quant = ir::QuantParams{{scale}, {0}, 0};
    if (constant) v.constant = ir::Constant{};
    return graph_.add_value(std::move(v));
  }
  ir::ValueId input(const ir::Shape& shape, ir::DType dtype = ir::DType::s8) {
    graph_.inputs.push_back(value(shape, dtype));
    return graph_.inputs.back();
  }
  const ir::Shape& shape(ir::ValueId id) const { return graph_.value(id).shape; }

  ir::ValueId layer(const std::string& op, ir::LayerAttrs attrs, std::vector<ir::ValueId> inputs, const ir::Shape& out,
                    ir::DType dtype = ir::DType::s8, float scale = 0.5F) {
    const ir::ValueId result = value(out, dtype, scale);
    ir::Layer l;
    l.op = op;
    l.name = op + "_" + std::to_string(graph_.layers.size());
    l.onnx_nodes = {l.name};
    l.attrs = std::move(attrs);
    l.inputs = std::move(inputs);
    l.outputs = {result};
    graph_.layers.push_back(std::move(l));
    return result;
  }

  ir::ValueId conv(ir::ValueId x, std::int64_t cout, std::int64_t k, std::int64_t stride, std::int64_t groups = 1,
                   ir::Activation::Kind activation = ir::Activation::Kind::relu) {
    const ir::Shape in = shape(x);
    ir::ConvAttrs attrs;
    attrs.kernel = {k, k};
    attrs.strides = {stride, stride};
    attrs.dilations = {1, 1};
    attrs.pads = {k / 2, k / 2, k / 2, k / 2};
    attrs.groups = groups;
    attrs.activation.kind = activation;
    const ir::ValueId w = value({cout, in[1] / groups, k, k}, ir::DType::s8, 0.5F, true);
    const ir::ValueId bias = value({cout}, ir::DType::s32, 0.5F, true);
    const auto extent = [&](std::int64_t i) { return (i + 2 * (k / 2) - k) / stride + 1; };
    return layer("Conv", attrs, {x, w, bias}, {in[0], cout, extent(in[2]), extent(in[3])});
  }
  ir::ValueId add(ir::ValueId a, ir::ValueId b) { return layer("Add", ir::ArithmeticAttrs{}, {a, b}, shape(a)); }
  ir::ValueId max_pool(ir::ValueId x, std::int64_t k, std::int64_t stride) {
    const ir::Shape in = shape(x);
    ir::PoolAttrs attrs;
    attrs.kernel = {k, k};
    attrs.strides = {stride, stride};
    attrs.pads = {k / 2, k / 2, k / 2, k / 2};
    return layer("MaxPool", attrs, {x}, {in[0], in[1], (in[2] - 1) / stride + 1, (in[3] - 1) / stride + 1});
  }
  ir::ValueId global_average(ir::ValueId x) {
    ir::ReduceAttrs attrs;
    attrs.all_from_axis2 = true;
    return layer("GlobalAveragePool", attrs, {x}, {shape(x)[0], shape(x)[1], 1, 1});
  }
  ir::ValueId quantize(ir::ValueId x) { return layer("QuantizeLinear", ir::QuantizeAttrs{}, {x}, shape(x)); }
  ir::ValueId dequantize(ir::ValueId x) {
    return layer("DequantizeLinear", ir::DequantizeAttrs{}, {x}, shape(x), ir::DType::f32);
  }
  ir::ValueId classifier(ir::ValueId x, std::int64_t classes) {
    const ir::ValueId pooled = global_average(x);
    const ir::Shape flat = {shape(pooled)[0], shape(pooled)[1]};
    const ir::ValueId features = layer("Flatten", ir::ReshapeAttrs{}, {pooled}, flat);
    ir::MatMulAttrs attrs;
    attrs.transpose_b = true;
    const ir::ValueId w = value({classes, flat[1]}, ir::DType::s8, 0.5F, true);
    return layer("Gemm", attrs, {features, w}, {flat[0], classes});
  }

  ir::Graph finish(std::vector<ir::ValueId> outputs) {
    graph_.outputs = std::move(outputs);
    return std::move(graph_);
  }

 private:
  ir::Graph graph_;
};

inline ir::ValueId stem(GraphBuilder& b) {
  const ir::ValueId x = b.quantize(b.input({1, 3, 224, 224}, ir::DType::f32));
  return b.max_pool(b.conv(x, 64, 7, 2), 3, 2);
}

inline ir::Graph resnet50() {
  GraphBuilder b;
  ir::ValueId x = stem(b);
  const std::int64_t widths[] = {64, 128, 256, 512}, depths[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage) {
    for (std::int64_t block = 0; block < depths[stage]; ++block) {
      const std::int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      const ir::ValueId shortcut =
          block == 0 ? b.conv(x, 4 * widths[stage], 1, stride, 1, ir::Activation::Kind::none) : x;
      const ir::ValueId reduced = b.conv(b.conv(x, widths[stage], 1, 1), widths[stage], 3, stride);
      x = b.add(b.conv(reduced, 4 * widths[stage], 1, 1, 1, ir::Activation::Kind::none), shortcut);
    }
  }
  return b.finish({b.dequantize(b.classifier(x, 1000))});
}

inline ir::Graph resnet18() {
  GraphBuilder b;
  ir::ValueId x = stem(b);
  const std::int64_t widths[] = {64, 128, 256, 512};
  for (int stage = 0; stage < 4; ++stage) {
    for (std::int64_t block = 0; block < 2; ++block) {
      const std::int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      const ir::ValueId shortcut = stride == 2 ? b.conv(x, widths[stage], 1, 2, 1, ir::Activation::Kind::none) : x;
      x = b.add(b.conv(b.conv(x, widths[stage], 3, stride), widths[stage], 3, 1), shortcut);
    }
  }
  return b.finish({b.dequantize(b.classifier(x, 1000))});
}

inline ir::Graph mobilenet_v2() {
  GraphBuilder b;
  const ir::ValueId image = b.quantize(b.input({1, 3, 224, 224}, ir::DType::f32));
  ir::ValueId x = b.conv(image, 32, 3, 2);
  const std::int64_t settings[7][4] = {
      {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
      {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};  // expansion, width, depth, stride
  for (const auto& [expansion, width, depth, first_stride] : settings) {
    for (std::int64_t block = 0; block < depth; ++block) {
      const ir::ValueId in = x;
      const std::int64_t stride = block == 0 ? first_stride : 1, cin = b.shape(x)[1], hidden = cin * expansion;
      if (expansion > 1) x = b.conv(x, hidden, 1, 1);
      x = b.conv(x, hidden, 3, stride, hidden);
      x = b.conv(x, width, 1, 1, 1, ir::Activation::Kind::none);
      if (stride == 1 && cin == width) x = b.add(x, in);
    }
  }
  return b.finish({b.dequantize(b.classifier(b.conv(x, 1280, 1, 1), 1000))});
}

}  // namespace vaip::test
