#include "partition/filter.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"
#include "frontend/quantization.h"
#include "frontend/unit_values.h"
#include "ir/dtype.h"

namespace vaip::partition {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool is_set(const NodeSelector& selector) {
  return !selector.names.empty() || !selector.op_types.empty() || !selector.patterns.empty();
}

struct Match {
  std::string node;  // "" for no match
  std::string key;   // "names", "op_types", "patterns"
};

Match find_match(const frontend::OnnxGraph& graph, const frontend::Unit& unit, const NodeSelector& selector) {
  for (std::size_t i = 0; i < unit.nodes.size(); ++i) {
    const frontend::Node& node = graph.nodes[unit.nodes[i]];
    const std::string name = frontend::display_name(node);
    if (contains(selector.names, name)) return {name, "names"};
    const bool folded = i > 0 && (frontend::is_quantize_operator(node) || frontend::is_dequantize_operator(node));
    if (folded) continue;
    if (contains(selector.op_types, node.op_type)) return {name, "op_types"};
    for (const std::regex& pattern : selector.patterns) {
      if (std::regex_search(name, pattern)) return {name, "patterns"};
    }
  }
  return {};
}

// The element types of a layer's activations. A float tensor beside quantized ones is the edge of a Quantize or
// Dequantize; plain integers beside them are indices or a mask.
std::vector<std::string> activation_types(const frontend::Recognition& recognition, const ir::Layer& layer) {
  std::vector<std::string> quantized, converted, integers, all;
  const auto add = [&](ir::ValueId id) {
    if (id == ir::kNoValue) return;
    const ir::Value& value = recognition.graph.value(id);
    if (value.constant) return;
    const bool is_converted = recognition.converts_floats && frontend::is_float_type(value.dtype);
    const std::string type(ir::name(is_converted ? ir::DType::bf16 : value.dtype));
    all.push_back(type);
    if (is_converted) converted.push_back(type);
    if (value.quant) quantized.push_back(type);
    if (ir::is_integer(value.dtype)) integers.push_back(type);
  };
  for (const ir::ValueId id : layer.inputs) add(id);
  for (const ir::ValueId id : layer.outputs) add(id);
  if (!quantized.empty()) return quantized;
  if (!converted.empty()) return converted;
  return integers.empty() ? all : integers;
}

std::string layout_of(const ir::Layer& layer) {
  static const std::vector<std::string> by_rank = {"", "NCW", "NCHW", "NCDHW"};
  std::size_t spatial = 0;
  if (const auto* conv = layer.as<ir::ConvAttrs>()) spatial = conv->kernel.size();
  if (const auto* pool = layer.as<ir::PoolAttrs>()) spatial = pool->kernel.size();
  return spatial < by_rank.size() ? by_rank[spatial] : "";
}

}  // namespace

std::string rejection(const frontend::OnnxGraph& graph, const frontend::Recognition& recognition,
                      const frontend::Unit& unit, const Config& config) {
  const std::string section = config.source + ": /vaip/";
  const ir::Layer& layer = unit.layer;
  if (!config.op_types.empty() && !contains(config.op_types, layer.op)) {
    return detail::concat("op type ", layer.op, " is not listed in ", section, "op_types");
  }
  if (!config.dtypes.empty()) {
    for (const std::string& type : activation_types(recognition, layer)) {
      if (!contains(config.dtypes, type)) {
        return detail::concat("activation type ", type, " is not listed in ", section, "dtypes");
      }
    }
  }
  const std::string layout = layout_of(layer);
  if (!config.layouts.empty() && !layout.empty() && !contains(config.layouts, layout)) {
    return detail::concat("layout ", layout, " is not listed in ", section, "layouts");
  }
  if (const Match match = find_match(graph, unit, config.exclude); !match.node.empty()) {
    return detail::concat(section, "exclude/", match.key, " selects '", match.node, "'");
  }
  if (is_set(config.include) && find_match(graph, unit, config.include).node.empty()) {
    return detail::concat(section, "include does not select '", layer.name, "'");
  }
  return "";
}

}  // namespace vaip::partition
