// The ONNX file reader: models written by the onnx package (data/make_onnx_models.py), models encoded by hand, and what
// is no model.
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "frontend/constants.h"
#include "frontend/protobuf_import.h"
#include "frontend/recognise.h"

using namespace vaip::frontend;
using vaip::Error;
using vaip::ErrorKind;
using vaip::Span;
namespace ir = vaip::ir;

namespace {

const std::string kData = VAIP_TEST_DATA_DIR;

std::string read_file(const std::string& name) {
  std::ifstream file(kData + "/" + name, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  if (bytes.empty()) throw std::runtime_error("cannot read " + name);
  return bytes;
}

// The bytes are copied to a buffer of exactly their size, so that a sanitizer sees each read beyond them.
OnnxGraph import_bytes(const std::string& bytes, const std::string& directory = "") {
  std::vector<std::byte> buffer(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) buffer[i] = static_cast<std::byte>(bytes[i]);
  return import_model(buffer, "test.onnx", directory);
}

// ---- a protobuf encoder of three functions ----
std::string number(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string integer(unsigned field, std::uint64_t value) { return number(field << 3) + number(value); }
std::string bytes(unsigned field, const std::string& payload) {
  return number(field << 3 | 2) + number(payload.size()) + payload;
}

std::string opset(std::uint64_t version, const std::string& domain = "") {
  return bytes(8, (domain.empty() ? "" : bytes(1, domain)) + integer(2, version));
}
std::string model(const std::string& graph) { return integer(1, 8) + bytes(7, graph) + opset(17); }
std::string node(const std::string& op, const std::string& input, const std::string& output,
                 const std::string& more = "") {
  return bytes(1, bytes(1, input) + bytes(2, output) + bytes(4, op) + more);
}
std::string value_info(unsigned field, const std::string& name) { return bytes(field, bytes(1, name)); }
const std::string kInputX = value_info(11, "x");

std::string tensor_model(const std::string& tensor) { return model(bytes(5, tensor)); }

std::vector<std::int64_t> integers(const OnnxGraph& graph, const std::string& name) {
  return integer_elements(graph.constants.at(name), name);
}

}  // namespace

TEST(reads_what_the_onnx_package_writes) {
  const OnnxGraph graph = import_bytes(read_file("qdq_conv.onnx"));
  CHECK_EQ(graph.nodes.size(), 8u);                                // the Constant is folded
  CHECK(graph.inputs == (std::vector<std::string>{"x", "cond"}));  // w is an initializer
  CHECK(graph.outputs == (std::vector<std::string>{"y", "z"}));
  CHECK_EQ(graph.nodes[0].id, 1u);  // the position in the file
  const Node& conv = graph.nodes[3];
  CHECK_EQ(conv.name, "conv");
  CHECK_EQ(conv.op_type, "Conv");
  CHECK_EQ(conv.since_version, 17);
  CHECK(conv.inputs == (std::vector<std::string>{"xd", "wd", "bias"}));
  CHECK(std::get<std::vector<std::int64_t>>(conv.attributes.at("pads")) == (std::vector<std::int64_t>{1, 1, 1, 1}));
  CHECK_EQ(std::get<std::string>(conv.attributes.at("auto_pad")), "NOTSET");
  CHECK_EQ(std::get<std::int64_t>(graph.nodes[2].attributes.at("axis")), -4);
  CHECK(float_elements(graph.constants.at("bias"), "bias") == (std::vector<float>{1.5F, -2.5F}));
  const std::vector<std::int64_t> weight = integers(graph, "w");
  CHECK_EQ(weight.size(), 54u);
  CHECK_EQ(weight.front(), -27);
  CHECK_EQ(weight.back(), 26);
  CHECK_EQ(ir::to_string(graph.constants.at("w").shape), "2x3x3x3");
  CHECK_EQ(ir::to_string(graph.values.at("x").shape), "?x3x5x6");
  CHECK(graph.values.at("x").dtype == ir::DType::f32);
  const Node& branch = graph.nodes[7];
  CHECK(branch.has_subgraph);
  CHECK(branch.implicit_inputs == std::vector<std::string>{"y"});
}

TEST(imported_models_are_recognised) {
  const Recognition r = recognise(import_bytes(read_file("qdq_conv.onnx")));
  CHECK_EQ(r.units.size(), 3u);  // Q, Conv with its activation, DQ
  const ir::Layer& conv = r.graph.layers[1];
  CHECK_EQ(conv.name, "conv");
  CHECK_EQ(conv.onnx_nodes.size(), 5u);
  CHECK(conv.as<ir::ConvAttrs>()->activation.kind == ir::Activation::Kind::relu);
  CHECK_EQ(ir::to_string(r.graph.value(conv.outputs[0]).shape), "?x2x5x6");
  CHECK(r.reasons[7].find("control flow") == 0);
}

TEST(each_typed_field_and_attribute_kind) {
  const OnnxGraph g = import_bytes(read_file("tensor_fields.onnx"));
  CHECK(float_elements(g.constants.at("f32"), "") == (std::vector<float>{1.5F, -2.0F}));
  CHECK(real_elements(g.constants.at("f64"), "") == std::vector<double>{0.1});
  CHECK(integers(g, "s8") == (std::vector<std::int64_t>{-128, 0, 127}));
  CHECK(integers(g, "u8") == (std::vector<std::int64_t>{0, 255}));
  CHECK(integers(g, "s16") == (std::vector<std::int64_t>{-32768, 32767}));
  CHECK(integers(g, "u16") == std::vector<std::int64_t>{65535});
  CHECK(integers(g, "s32") == (std::vector<std::int64_t>{-2147483648LL, 2147483647LL}));
  CHECK(integers(g, "s64") == (std::vector<std::int64_t>{INT64_MIN, INT64_MAX}));
  CHECK(integers(g, "u32") == std::vector<std::int64_t>{4294967295LL});
  CHECK(integers(g, "bool") == (std::vector<std::int64_t>{1, 0}));
  CHECK(*g.constants.at("u64").constant.as<std::uint64_t>() == UINT64_MAX);
  CHECK(*g.constants.at("f16").constant.as<std::uint16_t>() == 0x3C00);
  CHECK(g.constants.at("string").dtype == ir::DType::string);
  CHECK_THROWS(integers(g, "string"), "constant `string` has the type string");
  CHECK_THROWS(integers(g, "f16"), "float16");
  CHECK(integers(g, "scalar") == std::vector<std::int64_t>{7});
  CHECK(g.constants.at("scalar").shape.empty());
  CHECK_EQ(g.constants.at("empty").constant.size_bytes, 0u);
  CHECK(integers(g, "c_int") == std::vector<std::int64_t>{42});
  CHECK(g.constants.at("c_int").shape.empty());
  CHECK(integers(g, "c_ints") == (std::vector<std::int64_t>{1, 2, 3}));
  CHECK(float_elements(g.constants.at("c_float"), "") == std::vector<float>{2.5F});
  CHECK(integers(g, "c_tensor") == (std::vector<std::int64_t>{3, 4}));
  CHECK_EQ(ir::to_string(g.constants.at("c_tensor").shape), "2x1");

  CHECK_EQ(g.nodes.size(), 1u);
  const Node& any = g.nodes[0];
  CHECK_EQ(any.domain, "custom");
  CHECK_EQ(any.since_version, 3);
  CHECK(any.inputs == (std::vector<std::string>{"x", "", "f32"}));
  CHECK_EQ(std::get<std::int64_t>(any.attributes.at("i")), -3);
  CHECK_EQ(std::get<float>(any.attributes.at("f")), 0.5F);
  CHECK_EQ(std::get<std::string>(any.attributes.at("s")), "text");
  CHECK(std::get<std::vector<std::int64_t>>(any.attributes.at("ints")) == (std::vector<std::int64_t>{1, -2}));
  CHECK(std::get<std::vector<float>>(any.attributes.at("floats")) == (std::vector<float>{1, 2}));
  CHECK(std::get<std::vector<std::string>>(any.attributes.at("strings")) == (std::vector<std::string>{"a", "b"}));
  CHECK(integer_elements(std::get<TensorData>(any.attributes.at("t")), "t") == std::vector<std::int64_t>{-5});
  CHECK(g.values.at("seq").dtype == ir::DType::other);
  CHECK_EQ(ir::to_string(g.values.at("x").shape), "1x?x?");
  CHECK(!g.values.at("y").has_shape);
}

TEST(external_data) {
  const std::string file = read_file("external_data.onnx");
  CHECK(integers(import_bytes(file, kData), "w") == (std::vector<std::int64_t>{1, -2, 3, -4}));
  CHECK_THROWS(import_bytes(file), "load it from its file");
  CHECK_THROWS(import_bytes(file, kData + "/nowhere"), "external_data.bin");

  const auto with = [](const std::string& location, const std::string& offset, const std::string& length) {
    const auto entry = [](const std::string& key, const std::string& value) {
      return bytes(13, bytes(1, key) + bytes(2, value));
    };
    return tensor_model(integer(1, 4) + integer(2, 5) + bytes(8, "w") + integer(14, 1) + entry("location", location) +
                        entry("offset", offset) + (length.empty() ? "" : entry("length", length)));
  };
  CHECK(integers(import_bytes(with("external_data.bin", "4", ""), kData), "w") ==
        (std::vector<std::int64_t>{1, -2, 3, -4}));
  CHECK_THROWS(import_bytes(with("../data/external_data.bin", "4", ""), kData), "must not leave");
  CHECK_THROWS(import_bytes(with("/etc/hostname", "0", ""), kData), "relative path");
  CHECK_THROWS(import_bytes(with("", "0", ""), kData), "relative path");
  CHECK_THROWS(import_bytes(with("external_data.bin", "9", ""), kData), "not in the file of 16");
  CHECK_THROWS(import_bytes(with("external_data.bin", "18446744073709551615", ""), kData), "not in the file");
  CHECK_THROWS(import_bytes(with("external_data.bin", "18446744073709551616", ""), kData), "not a number");
  CHECK_THROWS(import_bytes(with("external_data.bin", "-1", ""), kData), "not a number");
  CHECK_THROWS(import_bytes(with("external_data.bin", "4", "6"), kData), "6 bytes, where the shape needs 8");
}

TEST(malformed_messages_are_named) {
  CHECK_THROWS(import_bytes(""), "test.onnx: is empty");
  CHECK_THROWS(import_bytes("hello, world"), "test.onnx: not a valid ONNX model: ModelProto");
  CHECK_THROWS(import_bytes(integer(1, 8)), "has no graph");
  CHECK_THROWS(import_bytes(number(7 << 3 | 2) + number(1000) + "abc"), "1000 bytes are announced, 3 are left");
  CHECK_THROWS(import_bytes(number(7 << 3 | 2) + std::string(11, '\xFF')), "more than 10 bytes");
  CHECK_THROWS(import_bytes(number(7 << 3 | 2) + "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), "are announced");
  CHECK_THROWS(import_bytes(number(7 << 3 | 3)), "unknown wire type");
  CHECK_THROWS(import_bytes(number(0)), "impossible field number");
  CHECK_THROWS(import_bytes(integer(7, 1)), "wrong wire type");
  CHECK_THROWS(import_bytes(model("") + model("")), "two graphs");
  CHECK_THROWS(import_bytes(model("") + opset(0)), "version 0");
  CHECK_THROWS(import_bytes(bytes(7, kInputX + node("Relu", "x", "y"))), "Relu(y): the model imports no version");
  CHECK_THROWS(import_bytes(model(bytes(15, ""))), "sparse initializers");
  CHECK_EQ(import_bytes(model("")).nodes.size(), 0u);
  CHECK_EQ(import_bytes(model("") + integer(9999, 1) + bytes(9998, "unknown fields are skipped")).nodes.size(), 0u);
}

TEST(nodes_are_put_in_order) {
  const OnnxGraph graph = import_bytes(
      model(kInputX + node("Relu", "b", "c") + node("Neg", "x", "d") + node("Abs", "x", "a") + node("Sqrt", "a", "b")));
  std::string order;
  for (const Node& node : graph.nodes) order += node.op_type + " ";
  CHECK_EQ(order, "Neg Abs Sqrt Relu ");
}

TEST(malformed_graphs_are_named) {
  CHECK_THROWS(import_bytes(model(node("Relu", "x", "y"))), "Relu(y): input `x` is produced by no node");
  CHECK_THROWS(import_bytes(model(kInputX + node("Relu", "z", "y") + node("Relu", "y", "z"))), "from its own result");
  CHECK_THROWS(import_bytes(model(kInputX + node("Relu", "x", "y") + node("Relu", "x", "y"))), "`y` is defined twice");
  CHECK_THROWS(import_bytes(model(kInputX + node("Relu", "x", "x"))), "`x` is defined twice");
  CHECK_THROWS(import_bytes(model(value_info(12, "y"))), "output `y` is produced by no node");
  CHECK_THROWS(import_bytes(model(bytes(1, bytes(2, "c") + bytes(4, "Constant")))),
               "Constant(c): needs exactly one dense value");
  // A subgraph in a subgraph in a subgraph, ...
  std::string graph = node("Relu", "x", "t");
  for (int depth = 0; depth < 200; ++depth) {
    graph = bytes(1, bytes(2, "o") + bytes(4, "If") + bytes(5, bytes(1, "then_branch") + bytes(6, graph)));
  }
  CHECK_THROWS(import_bytes(model(kInputX + graph)), "nested more than");
}

TEST(malformed_tensors_are_named) {
  const std::string float_w = integer(2, 1) + bytes(8, "w");
  CHECK_THROWS(import_bytes(tensor_model(integer(1, 2) + float_w + bytes(9, "1234567"))),
               "tensor `w` has 7 bytes; float 2 needs 8");
  CHECK_THROWS(import_bytes(tensor_model(integer(1, std::uint64_t(-1)) + float_w)), "dimension -1");
  const std::string huge = integer(1, std::uint64_t{1} << 62);
  CHECK_THROWS(import_bytes(tensor_model(huge + huge + float_w)), "too large");
  CHECK_THROWS(import_bytes(tensor_model(huge + float_w)), "too large");
  CHECK_THROWS(import_bytes(tensor_model(integer(1, std::uint64_t{1} << 60) + float_w)),
               "has 0 bytes");                                                       // nothing is allocated
  CHECK_THROWS(import_bytes(tensor_model(float_w + bytes(4, "abc"))), "truncated");  // packed floats of 3 bytes
  CHECK_THROWS(import_bytes(tensor_model(integer(2, 1) + bytes(9, "1234"))), "initializer has no name");
}

TEST(truncation_at_every_byte_is_an_error_or_a_smaller_model) {
  for (const char* name : {"qdq_conv.onnx", "tensor_fields.onnx"}) {
    const std::string whole = read_file(name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      try {
        (void)import_bytes(whole.substr(0, size));
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::invalid_model);
        CHECK(std::string(error.what()).find("test.onnx: ") == 0);
      }
    }
  }
}

TEST(flipped_bytes_never_crash) {
  std::mt19937 random(20250523);
  int imported = 0, rejected = 0;
  for (const char* name : {"qdq_conv.onnx", "tensor_fields.onnx"}) {
    const std::string whole = read_file(name);
    for (int round = 0; round < 4000; ++round) {
      std::string damaged = whole;
      for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      try {
        const Recognition r = recognise(import_bytes(damaged));
        CHECK_EQ(r.units.size(), r.graph.layers.size());
        ++imported;
      } catch (const Error& error) {
        CHECK(error.kind() != ErrorKind::internal);
        ++rejected;
      }
    }
  }
  CHECK(imported > 100 && rejected > 100);
}

VAIP_TEST_MAIN()
