// What small integer computations make of what is known before a model runs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "frontend/onnx_graph.h"

namespace vaip::frontend {

struct Integers {
  using Element = std::optional<std::int64_t>;  // nullopt: known at run time only
  ir::DType dtype = ir::DType::undefined;
  ir::Shape shape;
  std::vector<Element> elements;  // row-major
};

class ConstantEvaluator {
 public:
  // The shape of a value, where more is known of it than the graph declares; nullptr otherwise.
  using FindShape = std::function<const ir::Shape*(const std::string& value)>;

  explicit ConstantEvaluator(const OnnxGraph& graph, FindShape find_shape = nullptr)  // keeps a reference
      : graph_(graph), find_shape_(std::move(find_shape)) {}

  // The result of a node whose inputs are constants, shapes, or results that remember() was told; nullopt where it is
  // no integers or booleans, or nothing is known of it. A node that contradicts the specification has no result either.
  std::optional<Integers> integers(const Node& node) const;
  // The same for floats that are made of integers or are one of the constants: ConstantOfShape, Cast, Identity. Nothing
  // is computed with these any further.
  std::optional<TensorData> floats(const Node& node) const;

  void remember(const std::string& value, Integers result) { known_.insert_or_assign(value, std::move(result)); }
  // What remember() was told; nullptr where it was not.
  const Integers* find(const std::string& value) const;

 private:
  using Values = std::optional<std::vector<std::int64_t>>;
  std::optional<Integers> input(const Node& node, std::size_t i) const;
  Values values(const Node& node, std::size_t i) const;  // of an input all of whose elements are known
  // A parameter that was an attribute once and is an input since; nullopt where it is neither or not known.
  Values parameter(const Node& node, const char* name, std::size_t i) const;
  std::optional<ir::Shape> shape_of(const Node& node) const;  // of the first input

  std::optional<Integers> shape(const Node& node) const;
  std::optional<Integers> size(const Node& node) const;
  std::optional<Integers> gather(const Node& node) const;
  std::optional<Integers> slice(const Node& node) const;
  std::optional<Integers> concat(const Node& node) const;
  std::optional<Integers> unsqueeze(const Node& node) const;
  std::optional<Integers> squeeze(const Node& node) const;
  std::optional<Integers> reshape(const Node& node) const;
  std::optional<Integers> identity(const Node& node) const;
  std::optional<Integers> cast(const Node& node) const;
  std::optional<Integers> arithmetic(const Node& node) const;
  std::optional<Integers> where(const Node& node) const;
  std::optional<Integers> range(const Node& node) const;
  std::optional<Integers> constant_of_shape(const Node& node) const;
  std::optional<ir::Shape> filled_shape(const Node& node) const;
  std::optional<TensorData> fill_with_floats(const Node& node) const;
  std::optional<TensorData> cast_to_float(const Node& node) const;

  const OnnxGraph& graph_;
  FindShape find_shape_;
  std::unordered_map<std::string, Integers> known_;
};

}  // namespace vaip::frontend
