// Clusters as bytes: what is written comes back, and bytes that were changed or cut off are refused.
#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "frontend/constants.h"
#include "frontend/context_binary.h"
#include "frontend/protobuf_writer.h"

using namespace vaip::frontend;
using vaip::Error;
using vaip::ErrorKind;
namespace ir = vaip::ir;

namespace {

std::vector<std::byte> buffer(const std::string& bytes) {
  std::vector<std::byte> copy;
  for (const char c : bytes) copy.push_back(static_cast<std::byte>(c));
  return copy;
}

TensorData tensor(ir::DType dtype, ir::Shape shape, const std::string& bytes) {
  return {dtype, std::move(shape), make_constant(buffer(bytes))};
}

// Every alternative of an attribute, an absent input, a dynamic and an unknown shape, 4-bit weights, a domain.
OnnxGraph example() {
  OnnxGraph graph;
  Node first;
  first.name = "first";
  first.op_type = "Conv";
  first.since_version = 11;
  first.inputs = {"x", "w", ""};
  first.outputs = {"t"};
  first.attributes = {{"auto_pad", std::string("SAME_UPPER")},
                      {"group", std::int64_t{-3}},
                      {"alpha", 0.1f},
                      {"pads", std::vector<std::int64_t>{0, 1, -1, std::int64_t{1} << 40}},
                      {"empty", std::vector<std::int64_t>{}},
                      {"betas", std::vector<float>{1.5f, -0.0f}},
                      {"names", std::vector<std::string>{"a", std::string("b\0c", 3)}},
                      {"value", tensor(ir::DType::s8, {3}, "\x01\xff\x7f")}};
  Node second;
  second.op_type = "Gelu";
  second.domain = "com.microsoft";
  second.since_version = 1;
  second.inputs = {"t"};
  second.outputs = {"y"};
  graph.nodes = {first, second};
  graph.constants.emplace("w", tensor(ir::DType::u4, {3}, "\x21\x03"));
  graph.values = {{"x", {ir::DType::f32, true, {1, ir::kDynamic, 4}}},
                  {"t", {ir::DType::f32, true, {}}},
                  {"y", {ir::DType::f32, false, {}}}};
  graph.inputs = {"x"};
  graph.outputs = {"y"};
  return graph;
}

std::string refusal(const std::string& bytes) {
  try {
    (void)unpack_context(buffer(bytes), "the context");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_model);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST(a_graph_comes_back_as_it_was) {
  const OnnxGraph graph = example();
  const ContextBinary context = unpack_context(buffer(pack_context({graph, {{"key", "value"}, {"", ""}}})), "it");
  CHECK((context.properties == std::map<std::string, std::string>{{"key", "value"}, {"", ""}}));
  CHECK(context.graph.inputs == graph.inputs);
  CHECK(context.graph.outputs == graph.outputs);
  CHECK_EQ(context.graph.nodes.size(), graph.nodes.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node &written = graph.nodes[i], &read = context.graph.nodes[i];
    CHECK_EQ(read.name, written.name);
    CHECK_EQ(read.op_type, written.op_type);
    CHECK_EQ(read.domain, written.domain);
    CHECK_EQ(read.since_version, written.since_version);
    CHECK(read.inputs == written.inputs);
    CHECK(read.outputs == written.outputs);
    CHECK_EQ(read.attributes.size(), written.attributes.size());
    for (const auto& [name, value] : written.attributes) {
      const Attribute& other = read.attributes.at(name);
      CHECK_EQ(other.index(), value.index());
      if (const auto* values = std::get_if<std::vector<std::int64_t>>(&value))
        CHECK(std::get<std::vector<std::int64_t>>(other) == *values);
      if (const auto* values = std::get_if<std::vector<std::string>>(&value))
        CHECK(std::get<std::vector<std::string>>(other) == *values);
      if (const auto* values = std::get_if<std::vector<float>>(&value))
        CHECK(std::get<std::vector<float>>(other) == *values);
    }
  }
  const auto& attributes = context.graph.nodes[0].attributes;
  CHECK_EQ(std::get<std::int64_t>(attributes.at("group")), -3);
  CHECK_EQ(std::get<float>(attributes.at("alpha")), 0.1f);
  CHECK_EQ(std::get<std::string>(attributes.at("auto_pad")), "SAME_UPPER");
  CHECK_EQ(int{std::get<TensorData>(attributes.at("value")).constant.as<std::int8_t>()[1]}, -1);
  const TensorData& weights = context.graph.constants.at("w");
  CHECK(weights.dtype == ir::DType::u4);
  CHECK_EQ(weights.constant.size_bytes, std::size_t{2});
  CHECK((context.graph.values.at("x").shape == ir::Shape{1, ir::kDynamic, 4}));
  CHECK(context.graph.values.at("t").has_shape);
  CHECK(!context.graph.values.at("y").has_shape);
}

TEST(the_same_graph_gives_the_same_bytes) {
  CHECK(pack_context({example(), {{"a", "1"}}}) == pack_context({example(), {{"a", "1"}}}));
}

TEST(bytes_that_are_not_whole_are_refused) {
  const std::string bytes = pack_context({example(), {}});
  CHECK(refusal("").find("the context: is no context that VitisAIEP made; make the context model again") == 0);
  CHECK(refusal("VAIPCTX2" + bytes.substr(8)).find("is a context of format 2, this VAIP reads format 1") !=
        std::string::npos);
  for (const std::size_t size : {std::size_t{7}, std::size_t{23}, std::size_t{24}, bytes.size() / 2, bytes.size() - 1})
    CHECK(refusal(bytes.substr(0, size)) != "accepted");
  CHECK(refusal(bytes + "x").find("bytes of the") != std::string::npos);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    CHECK(refusal(changed) != "accepted");
  }
}

TEST(a_node_with_subgraphs_is_not_written) {
  OnnxGraph graph = example();
  graph.nodes[1].has_subgraph = true;
  try {
    (void)pack_context({graph, {}});
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unsupported);
  }
}

VAIP_TEST_MAIN()
