// Builds graphs of layers for the executor's tests, runs them, and runs their layers one by one as the reference.
#pragma once

#include <map>

#include "kernel_harness.h"
#include "runtime/executor.h"

namespace vaip::test {

using Memory = std::vector<std::byte>;

class Builder {
 public:
  ir::Graph graph;
  Random random{1};

  ir::ValueId value(const Tensor& t) {
    ir::Value v = t.value;
    v.name = "v" + std::to_string(graph.values.size());
    return graph.add_value(std::move(v));
  }
  ir::ValueId u8(const Shape& shape, float scale = 0.05F, int zero_point = 100) {
    return value(describe(DType::u8, shape, scale, zero_point));
  }
  ir::ValueId constant(Tensor t) {
    make_constant(t);
    return value(t);
  }
  void layer(const std::string& op, ir::LayerAttrs attrs, std::vector<ir::ValueId> inputs,
             std::vector<ir::ValueId> outputs) {
    ir::Layer l = layer_of(std::move(attrs));
    l.op = op;
    l.name = op + std::to_string(graph.layers.size());
    l.inputs = std::move(inputs);
    l.outputs = std::move(outputs);
    graph.layers.push_back(std::move(l));
  }
  // Same-size convolution with random weights; returns its output.
  ir::ValueId conv(ir::ValueId x, std::int64_t channels, std::int64_t kernel = 3, std::int64_t stride = 1) {
    const Shape in = graph.value(x).shape;
    Shape out = in, weight = {channels, in[1]};
    ir::ConvAttrs attrs;
    out[1] = channels;
    for (std::size_t d = 2; d < in.size(); ++d) {
      out[d] = (in[d] - 1) / stride + 1;
      weight.push_back(kernel);
      attrs.kernel.push_back(kernel);
      attrs.strides.push_back(stride);
    }
    attrs.pads = Shape(2 * attrs.kernel.size(), kernel / 2);
    const ir::ValueId y = u8(out);
    layer("Conv", attrs, {x, constant(random_tensor(random, DType::s8, weight, 0.01F, 0)), ir::kNoValue}, {y});
    return y;
  }
  ir::ValueId add(ir::ValueId a, ir::ValueId b) {
    const ir::ValueId y = u8(graph.value(a).shape, 0.08F, 90);
    layer("Add", ir::ArithmeticAttrs{}, {a, b}, {y});
    return y;
  }
};

inline Memory random_bytes(const ir::Value& value, Random& random) {
  Tensor t;
  t.value = value;
  randomise(t, random);
  return encode(t);
}

inline std::vector<Memory> random_inputs(const ir::Graph& graph, std::uint32_t seed) {
  Random random(seed);
  std::vector<Memory> inputs;
  for (const ir::ValueId id : graph.inputs) inputs.push_back(random_bytes(graph.value(id), random));
  return inputs;
}

inline std::vector<Memory> run(const runtime::Executor& executor, const ir::Graph& graph,
                               const std::vector<Memory>& inputs) {
  std::vector<Memory> outputs;
  std::vector<const void*> in;
  std::vector<void*> out;
  for (const Memory& m : inputs) in.push_back(m.data());
  for (const ir::ValueId id : graph.outputs) {
    const ir::Value& value = graph.value(id);
    outputs.emplace_back(static_cast<std::size_t>(count_of(value.shape)) * ir::size_of(value.dtype), std::byte{0xEE});
  }
  for (Memory& m : outputs) out.push_back(m.data());
  executor.run({in.data(), in.size()}, {out.data(), out.size()});
  return outputs;
}

inline std::vector<Memory> reference(const ir::Graph& graph, const std::vector<Memory>& inputs) {
  std::map<ir::ValueId, Tensor> tensors;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    Tensor t;
    t.value = graph.value(graph.inputs[i]);
    decode(t, inputs[i]);
    tensors[graph.inputs[i]] = t;
  }
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!graph.values[i].constant) continue;
    Tensor t;
    t.value = graph.values[i];
    decode(t, Memory(t.value.constant->data.get(), t.value.constant->data.get() + t.value.constant->size_bytes));
    tensors[static_cast<ir::ValueId>(i)] = t;
  }
  for (const ir::Layer& layer : graph.layers) {
    const bool channels_last = kernels::layout_policy(layer) == kernels::LayoutPolicy::channels_last;
    std::vector<Tensor> in, out;
    for (const ir::ValueId id : layer.inputs) in.push_back(id == ir::kNoValue ? Tensor{} : tensors.at(id));
    for (const ir::ValueId id : layer.outputs) {
      out.emplace_back();
      out.back().value = graph.value(id);
      if (channels_last) out.back().layout = Layout::channels_last;
    }
    if (channels_last) in[0].layout = Layout::channels_last;
    std::vector<const Tensor*> in_pointers;
    std::vector<Tensor*> out_pointers;
    for (std::size_t i = 0; i < in.size(); ++i)
      in_pointers.push_back(layer.inputs[i] == ir::kNoValue ? nullptr : &in[i]);
    for (Tensor& t : out) out_pointers.push_back(&t);
    run_layer(layer, in_pointers, out_pointers);
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i].layout = Layout::row_major;
      tensors[layer.outputs[i]] = out[i];
    }
  }
  std::vector<Memory> outputs;
  for (const ir::ValueId id : graph.outputs) {
    Tensor t = tensors.at(id);
    t.layout = Layout::row_major;
    outputs.push_back(encode(t));
  }
  return outputs;
}

}  // namespace vaip::test
