// An ONNX graph as plain data: what the frontend reads, whether it came from onnxruntime (ort_import) or from the bytes
// of a model file (protobuf_import). Nothing here depends on either.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "ir/graph.h"

namespace vaip::frontend {

struct TensorData {
  ir::DType dtype = ir::DType::undefined;
  ir::Shape shape;
  ir::Constant constant;
};

using Attribute = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>, std::vector<float>,
                               std::vector<std::string>, TensorData>;

struct Node {
  std::size_t id = 0;  // onnxruntime's node id; the position in the file for protobuf_import
  std::string name;    // may be empty
  std::string op_type;
  std::string domain;               // "" for ai.onnx
  int since_version = 0;            // the operator's version, e.g. 13 for QuantizeLinear-13
  std::vector<std::string> inputs;  // "" for an absent optional input
  std::vector<std::string> outputs;
  std::map<std::string, Attribute> attributes;
  bool has_subgraph = false;                 // If, Loop, Scan
  std::vector<std::string> implicit_inputs;  // outer values that its subgraphs read
};

struct TensorInfo {
  ir::DType dtype = ir::DType::undefined;
  bool has_shape = false;
  ir::Shape shape;  // kDynamic where symbolic or unknown
};

struct OnnxGraph {
  std::vector<Node> nodes;  // topologically ordered
  std::unordered_map<std::string, TensorInfo> values;
  std::unordered_map<std::string, TensorData> constants;  // initializers and Constant nodes' outputs
  std::vector<std::string> inputs;                        // without initializers
  std::vector<std::string> outputs;
};

// The name that messages and reports use: the node's own, or "<op_type>(<first output>)" where it has none.
std::string display_name(const Node& node);

}  // namespace vaip::frontend
