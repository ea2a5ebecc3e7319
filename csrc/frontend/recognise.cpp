#include "frontend/recognise.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>

#include "frontend/activations.h"
#include "frontend/bf16_conversion.h"
#include "frontend/bf16_rounding.h"
#include "frontend/rules.h"

namespace vaip::frontend {
namespace {

// What an error says of `node`, without the name that the reader of a reason knows already.
std::string reason_for(const Node& node, const Error& error) {
  const std::string message = error.what(), own = label(node) + ": ";
  return message.compare(0, own.size(), own) == 0 ? message.substr(own.size()) : message;
}

// The newest opset whose changes to the operators below have been checked. (24 and 25 only added element types.)
constexpr int kNewestOpset = 25;

constexpr const char* kNoSuchLayer =
    "VAIP has no such layer on the IPU: use operators that it has, or leave this one to another provider";

void apply_rule(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (node.has_subgraph) unit.decline("control flow is not executed on the IPU; the layers in its branches are");
  const Rule rule = find_rule(node);
  if (!rule) {
    if (!node.domain.empty()) unit.decline(kNoSuchLayer, " (domain ", node.domain, ")");
    unit.decline(kNoSuchLayer);
  }
  if (node.domain.empty() && node.since_version > kNewestOpset) {
    unit.decline("opset version ", node.since_version,
                 " is newer than the newest that VAIP knows; convert the model to opset ", kNewestOpset);
  }
  if (node.outputs[0].empty()) unit.decline("its first output is absent");
  rule(unit);
}

class Recogniser {
 public:
  Recogniser(const OnnxGraph& graph, RecognitionOptions options)
      : workspace_(graph, options.converts_floats), malformed_(options.malformed), reasons_(graph.nodes.size()) {
    if (options.cluster) workspace_.trust_integer_inputs();
    for (Decomposed& found : find_decomposed(index())) {
      const std::size_t first = found.nodes.front();
      decomposed_.emplace(first, std::move(found));
    }
  }

  Recognition run() && {
    for (std::size_t i = 0; i < index().size(); ++i) {
      workspace_.trace_shape_integers(i);
      if (!workspace_.covered(i) && !belongs_to_readers(i)) recognise_anchor(i);
    }
    // What is left of the DequantizeLinear nodes, and of the QuantizeLinear nodes of constants, is known only now that
    // all their readers are.
    for (std::size_t i = index().size(); i-- > 0;) {
      if (belongs_to_readers(i)) recognise_leftover(i);
    }
    for (const auto& [value, integers] : workspace_.carried()) {
      if (wanted(value)) {
        UnitBuilder unit(workspace_, integers.node);
        rules::dequantize_carried(unit, value);
      }
    }
    for (std::size_t i = 0; i < index().size(); ++i) {
      if (workspace_.covered(i)) reasons_[i].clear();
    }
    return std::move(workspace_).finish(std::move(reasons_));
  }

 private:
  const GraphIndex& index() const { return workspace_.index(); }

  bool reads_constant(std::size_t i) const {
    return has_input(index().node(i), 0) && index().constant(index().node(i).inputs[0]);
  }
  bool reads_folded_constant(std::size_t i) const {
    if (!has_input(index().node(i), 0)) return false;
    const auto producer = index().producer(index().node(i).inputs[0]);
    return producer && is_quantize(index().node(*producer)) && reads_constant(*producer);
  }
  bool belongs_to_readers(std::size_t i) const {
    const Node& node = index().node(i);
    if (is_dequantize(node) || (is_quantize(node) && reads_constant(i))) return true;
    return workspace_.converts_floats() && is_bf16_rounding(index(), node);
  }

  // Builds a unit; where it is declined, the reason of the anchor.
  std::optional<std::string> attempt(std::size_t anchor, const std::function<void(UnitBuilder&)>& build) {
    try {
      UnitBuilder unit(workspace_, anchor);
      build(unit);
      return std::nullopt;
    } catch (const Error& error) {
      const bool tolerated = error.kind() == ErrorKind::invalid_model && malformed_ == Malformed::reason;
      if (error.kind() != ErrorKind::unsupported && !tolerated) throw;
      return reason_for(index().node(anchor), error);
    }
  }

  void recognise_anchor(std::size_t i) {
    // Nodes that belong to the layer of a later one.
    if (const auto found = decomposed_.find(i); found != decomposed_.end()) {
      const Decomposed& whole = found->second;
      if (!attempt(whole.nodes.back(), [&](UnitBuilder& unit) { rules::decomposed(unit, whole); })) return;
    }
    if (const auto product = find_gate(index(), i)) {
      if (!attempt(*product, [i](UnitBuilder& unit) { rules::gate(unit, i); })) return;
    }
    if (const auto pool = rules::find_padded_pool(index(), i)) {
      if (!attempt(*pool, apply_rule)) return;
    }
    if (const auto reason = attempt(i, apply_rule)) reasons_[i] = *reason;
  }

  // True where a float value is wanted as such, not only by units that took in the node that makes it.
  bool wanted(const std::string& value) const {
    const std::vector<std::size_t>& readers = index().consumers(value);
    return index().escapes(value) || workspace_.read(value) ||
           std::any_of(readers.begin(), readers.end(), [this](std::size_t r) { return !workspace_.covered(r); });
  }

  void recognise_leftover(std::size_t i) {
    const Node& node = index().node(i);
    if (node.outputs.empty()) reject(node, "has no output");
    const bool covered = workspace_.covered(i);
    if (covered && !wanted(node.outputs[0])) return;
    if (!covered && (reads_constant(i) || reads_folded_constant(i))) {
      reasons_[i] = "belongs to a constant that no claimed node reads";
      return;
    }
    if (const auto reason = attempt(i, apply_rule)) reasons_[i] = *reason;
  }

  Workspace workspace_;
  Malformed malformed_;
  std::unordered_map<std::size_t, Decomposed> decomposed_;  // by their first node
  std::vector<std::string> reasons_;
};

}  // namespace

Recognition recognise(const OnnxGraph& graph, RecognitionOptions options) {
  Recognition recognition = Recogniser(graph, options).run();
  recognition.converts_floats = options.converts_floats;
  return recognition;
}

ir::Graph executable(const Recognition& recognition) {
  return recognition.converts_floats ? convert_to_bf16(recognition.graph) : recognition.graph;
}

ir::Graph lower(const OnnxGraph& graph, bool converts_floats) {
  const Recognition recognition = recognise(graph, {Malformed::error, converts_floats, true});
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!recognition.reasons[i].empty()) {
      fail(ErrorKind::internal, "a claimed node is not recognised in its cluster: ", label(graph.nodes[i]), ": ",
           recognition.reasons[i]);
    }
  }
  const std::size_t written = recognition.graph.outputs.size();
  if (written != graph.outputs.size()) {
    fail(ErrorKind::internal, "a cluster has ", graph.outputs.size(), " outputs, its layers write ", written,
         " of them");
  }
  return executable(recognition);
}

}  // namespace vaip::frontend
