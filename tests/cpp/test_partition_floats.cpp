// Partitioning of float models: when their layers are claimed, and what the configuration says of them.
#include "check.h"
#include "onnx_builder.h"
#include "partition/partition.h"

using namespace vaip;
using namespace vaip::test;
using partition::Config;

namespace {

// x -> MatMul -> Add -> Transpose -> y, and a comparison of integers beside it.
OnnxBuilder float_model() {
  OnnxBuilder m;
  m.input("x", ir::DType::f32, {2, 4});
  m.input("i", ir::DType::s64, {2, 4});
  m.node("MatMul", {"x", m.floats("w", {4, 4}, std::vector<float>(16, 1.0F))}, {"a"});
  m.node("Add", {"a", m.floats("b", {4}, std::vector<float>(4, 1.0F))}, {"s"});
  m.node("Transpose", {"s"}, {"y"});
  m.node("Equal", {"i", "i"}, {"same"});
  m.output("y");
  m.output("same");
  return m;
}

partition::Partition partitioned(const OnnxBuilder& m, const Config& config) {
  const bool converts = partition::converts_floats(m.graph, config);
  const frontend::Recognition recognition = frontend::recognise(m.graph, {frontend::Malformed::error, converts});
  return partition::partition(m.graph, recognition, config);
}

std::string reason_of(const partition::Partition& partition, std::size_t node) {
  for (const auto& unclaimed : partition.unclaimed)
    if (unclaimed.node == node) return unclaimed.reason;
  return "claimed";
}

}  // namespace

TEST(float_models_are_claimed_unless_the_configuration_says_no) {
  const OnnxBuilder m = float_model();
  Config config;
  const partition::Partition absent = partitioned(m, config);
  CHECK(absent.converts_floats);
  CHECK_EQ(absent.clusters.size(), 1u);
  CHECK_EQ(absent.clusters[0].nodes.size(), 3u);
  CHECK_EQ(absent.clusters[0].macs, 32);
  CHECK(reason_of(absent, 3).find("works on plain integers only") == 0);

  config.enable_f32_to_bf16_conversion = false;
  const partition::Partition off = partitioned(m, config);
  CHECK(!off.converts_floats && off.clusters.empty());
  CHECK(reason_of(off, 0).find("is float; quantize it") != std::string::npos);
}

// Nothing is known of the precision that arithmetic without weights is meant to have.
TEST(only_trained_models_are_converted_unasked) {
  OnnxBuilder m;
  m.input("x", ir::DType::f32, {2, 4});
  m.input("w", ir::DType::f32, {4, 4});
  m.node("MatMul", {"x", "w"}, {"a"});
  m.node("Add", {"a", m.floats("offsets", {4}, std::vector<float>(4, 1.0F))}, {"y"});
  m.output("y");
  Config config;
  CHECK(!partition::converts_floats(m.graph, config));
  config.enable_f32_to_bf16_conversion = true;
  CHECK(partition::converts_floats(m.graph, config));
}

TEST(weights_may_come_by_way_of_other_nodes) {
  OnnxBuilder m;
  m.input("x", ir::DType::f32, {2, 4});
  m.node("Transpose", {m.floats("w", {4, 4}, std::vector<float>(16, 1.0F))}, {"turned"});
  m.node("Identity", {"turned"}, {"same"});
  m.node("MatMul", {"x", "same"}, {"y"});
  m.output("y");
  CHECK(partition::converts_floats(m.graph, {}));
}

TEST(quantized_models_keep_their_float_layers_unless_asked) {
  OnnxBuilder m = float_model();
  m.q("y", "yq");
  Config config;
  CHECK(!partition::converts_floats(m.graph, config));
  config.enable_f32_to_bf16_conversion = true;
  CHECK(partition::converts_floats(m.graph, config));
  CHECK_EQ(partitioned(m, config).clusters.size(), 1u);
}

TEST(converted_layers_have_the_type_bfloat16) {
  const OnnxBuilder m = float_model();
  Config config;
  config.dtypes = {"bfloat16"};
  CHECK_EQ(partitioned(m, config).clusters.size(), 1u);
  config.dtypes = {"uint8"};
  const partition::Partition none = partitioned(m, config);
  CHECK(none.clusters.empty());
  CHECK(reason_of(none, 0).find("activation type bfloat16 is not listed in") == 0);
  config.dtypes.clear();
  config.op_types = {"MatMul"};
  CHECK_EQ(partitioned(m, config).clusters[0].nodes.size(), 2u);  // with the bias that is added behind it
}

// Moving floats about is not what an NPU is for.
TEST(data_movement_alone_stays_on_the_cpu) {
  OnnxBuilder m;
  m.input("x", ir::DType::f32, {2, 4});
  m.node("Transpose", {"x"}, {"y"});
  m.output("y");
  Config config;
  config.enable_f32_to_bf16_conversion = true;
  CHECK(reason_of(partitioned(m, config), 0).find("only conversions and data movement here") == 0);
}

VAIP_TEST_MAIN()
