// A model of one operator between Q and DQ, as the tests of recognition look at it.
#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "onnx_builder.h"

namespace vaip::test {

namespace ir = vaip::ir;
using vaip::frontend::recognise;
using vaip::frontend::Recognition;

// x (uint8) -> DQ -> op -> Q -> y (uint8). The operator is the last node but one.
struct OneOp {
  OnnxBuilder m;
  Recognition r;
  explicit OneOp(ir::Shape x, int opset = 17) {
    m.opset = opset;
    m.quantized_input("x", std::move(x));
  }
  OneOp& op(const std::string& type, std::vector<std::string> more_inputs = {}, Attributes attributes = {},
            const std::string& domain = "") {
    more_inputs.insert(more_inputs.begin(), "x_f");
    m.node(type, std::move(more_inputs), {"r"}, std::move(attributes), domain);
    m.quantized_output("r", "y");
    r = recognise(m.graph);
    return *this;
  }
  std::string reason() const {
    for (std::size_t i = 0; i < m.graph.nodes.size(); ++i) {
      if (m.graph.nodes[i].name == "n_r") return r.reasons[i];
    }
    return "no such node";
  }
  // The attributes of the one layer; every node must belong to it.
  template <typename Attrs>
  const Attrs& as() const {
    for (const std::string& text : r.reasons) {
      if (!text.empty()) std::fprintf(stderr, "  %s\n", text.c_str());
      CHECK(text.empty());
    }
    const Attrs* attrs = unit_of(r, "n_r") ? unit_of(r, "n_r")->layer.as<Attrs>() : nullptr;
    static const Attrs none{};
    CHECK(attrs != nullptr);
    return attrs ? *attrs : none;
  }
  const ir::Layer& layer() const { return unit_of(r, "n_r")->layer; }
  std::string shape() const { return ir::to_string(r.graph.value(layer().outputs[0]).shape); }
};

inline bool declined(const OneOp& one, const std::string& part) {
  const bool found = one.reason().find(part) != std::string::npos;
  if (!found) std::fprintf(stderr, "  reason '%s' lacks '%s'\n", one.reason().c_str(), part.c_str());
  return found;
}

}  // namespace vaip::test
