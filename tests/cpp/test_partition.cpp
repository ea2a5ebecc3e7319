// Partitioning of graphs: what the configuration and the shape of the graph take out, and the reasons.
#include <algorithm>
#include <chrono>

#include "check.h"
#include "net.h"

using namespace vaip;
using partition::Config;
using partition::Partition;
using vaip::test::convolution;
using vaip::test::Net;

namespace {

std::string clusters_of(const Partition& partition) {
  std::string out;
  for (const auto& cluster : partition.clusters) {
    out += out.empty() ? "" : " | ";
    for (std::size_t i = 0; i < cluster.nodes.size(); ++i)
      out += (i == 0 ? "" : " ") + std::to_string(cluster.nodes[i]);
  }
  return out;
}

std::string reason_of(const Partition& partition, std::size_t node) {
  for (const auto& unclaimed : partition.unclaimed) {
    if (unclaimed.node == node) return unclaimed.reason;
  }
  return "claimed";
}

bool says(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return true;
  test::report(__FILE__, __LINE__, "'" + text + "' lacks '" + part + "'");
  return false;
}

}  // namespace

TEST(five_thousand_units_are_partitioned_within_a_second) {
  frontend::OnnxGraph graph;
  frontend::Recognition recognition;
  const ir::QuantParams params{{0.5F}, {128}};
  const ir::ValueId value = recognition.graph.add_value({"v", ir::DType::u8, {1, 4, 2, 2}, params, std::nullopt});
  for (std::size_t i = 0; i < 10000; ++i) {
    frontend::Node node;
    node.op_type = i % 2 == 0 ? "Relu" : "Other";
    node.inputs = {"v" + std::to_string(i == 0 ? 0 : i - 1)};
    node.outputs = {"v" + std::to_string(i)};
    if (i % 2 == 0) {
      frontend::Unit unit;
      unit.layer.attrs = ir::ElementwiseAttrs{};
      unit.layer.inputs = {value};
      unit.layer.outputs = {value};
      unit.nodes = {i};
      recognition.units.push_back(unit);
    }
    if (i == 0) node.inputs = {"in"};
    graph.nodes.push_back(node);
    recognition.reasons.push_back(i % 2 == 0 ? "" : "no such layer");
  }
  Config config;
  for (const std::int64_t minimum : {1, 2}) {  // 5,000 clusters; all of them dropped
    config.minimum_nodes = minimum;
    const auto start = std::chrono::steady_clock::now();
    const Partition out = partition::partition(graph, recognition, config);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
    CHECK_EQ(out.clusters.size(), minimum == 1 ? std::size_t{5000} : std::size_t{0});
  }
}

TEST(a_fully_recognised_graph_is_one_cluster) {
  Net net;
  const std::string stem = net.conv({"x"});
  const std::string left = net.conv({stem}), right = net.conv({stem});
  net.conv({left, right});
  net.conv({net.conv({"another input"})});  // connected to nothing else
  const Partition out = net.partition();
  CHECK_EQ(clusters_of(out), "0 1 2 3 4 5");
  CHECK_EQ(out.clusters[0].units, std::size_t{6});
  CHECK(out.unclaimed.empty());
}

TEST(empty_and_unrecognised_graphs) {
  Net nothing;
  CHECK(nothing.partition().clusters.empty());
  Net strange;
  strange.other("Custom", {"x"});
  const Partition out = strange.partition();
  CHECK(out.clusters.empty());
  CHECK_EQ(reason_of(out, 0), "no such layer");
}

TEST(a_node_in_between_splits) {
  Net net;
  const std::string a = net.conv({"x"});
  const std::string c = net.conv({net.other("Custom", {a})});
  net.conv({a, c});
  CHECK_EQ(clusters_of(net.partition()), "0 | 2 3");
}

TEST(a_tower_stays_with_its_only_reader) {
  Net net;  // one branch has a node that stays behind; the other tower meets it at the end
  const std::string left = net.conv({net.other("Custom", {net.conv({"x"})})});
  const std::string right = net.relu(net.conv({"y"}));
  net.conv({left, right});
  CHECK_EQ(clusters_of(net.partition()), "0 | 2 3 4 5");
}

TEST(subgraphs_read_values_too) {
  Net net;
  const std::string a = net.conv({"x"});
  const std::string condition = net.other("If", {"c"});
  net.last().has_subgraph = true;
  net.last().implicit_inputs = {a};
  net.conv({a, condition});
  CHECK_EQ(clusters_of(net.partition()), "0 | 2");
}

TEST(units_that_share_a_node_stay_together) {
  Net net;
  const std::string dq = net.layer("DequantizeLinear", {"x"}, ir::DequantizeAttrs{});
  net.conv({dq});
  net.conv({dq});
  net.recognition.units.erase(net.recognition.units.begin());  // the DequantizeLinear belongs to both convolutions
  net.share_with(0, 0);
  net.share_with(1, 0);
  CHECK_EQ(clusters_of(net.partition()), "0 1 2");
  Config config;
  config.exclude.names = {"n2"};
  const Partition out = net.partition(config);
  CHECK(out.clusters.empty());
  says(reason_of(out, 2), "built-in defaults: /vaip/exclude/names selects 'n2'");
  says(reason_of(out, 1), "shares nodes with layer 'n2', which is not claimed: built-in defaults: /vaip/exclude/names");
}

TEST(a_layer_that_cannot_be_cut_out) {
  Net net;  // the layer consists of nodes 0 and 2, and node 1 in between is not claimed
  const std::string a = net.conv({"x"});
  const std::string between = net.other("Custom", {a});
  const std::string b = net.conv({between});
  net.conv({b});
  net.recognition.units.erase(net.recognition.units.begin() + 1);
  net.share_with(0, 2);
  const Partition out = net.partition();
  CHECK_EQ(clusters_of(out), "3");
  says(reason_of(out, 0), "a path leaves it through 'n1' (Custom) and comes back");
  says(reason_of(out, 2), "a path leaves it through 'n1' (Custom) and comes back");
}

TEST(op_types_dtypes_and_layouts) {
  Net net;
  net.layer("Relu", {net.conv({"x"})}, ir::ElementwiseAttrs{});
  net.layer("Conv", {"y", "weights"}, convolution(1), ir::DType::s16);
  Config config;
  config.source = "my.json";
  config.op_types = {"Conv"};
  Partition out = net.partition(config);
  CHECK_EQ(clusters_of(out), "0 2");
  CHECK_EQ(reason_of(out, 1), "op type Relu is not listed in my.json: /vaip/op_types");
  config.op_types.clear();
  config.dtypes = {"uint8"};
  out = net.partition(config);
  CHECK_EQ(clusters_of(out), "0 1");
  CHECK_EQ(reason_of(out, 2), "activation type int16 is not listed in my.json: /vaip/dtypes");
  config.dtypes.clear();
  config.layouts = {"NCHW"};
  out = net.partition(config);
  CHECK_EQ(clusters_of(out), "0 1");
  CHECK_EQ(reason_of(out, 2), "layout NCW is not listed in my.json: /vaip/layouts");
}

TEST(the_float_edge_of_a_conversion_does_not_count_as_activation) {
  Net net;
  net.conv({net.layer("QuantizeLinear", {"x"}, ir::QuantizeAttrs{})});
  net.recognition.graph.values[0].dtype = ir::DType::f32;  // x
  net.recognition.graph.values[0].quant.reset();
  Config config;
  config.dtypes = {"uint8"};
  CHECK_EQ(clusters_of(net.partition(config)), "0 1");
  config.dtypes = {"float"};
  CHECK_EQ(clusters_of(net.partition(config)), "");
}

TEST(indices_do_not_count_as_activations) {
  Net net;
  net.layer("Gather", {net.conv({"x"}), "indices"}, ir::GatherAttrs{});
  for (ir::Value& value : net.recognition.graph.values) {
    if (value.name != "indices") continue;
    value.dtype = ir::DType::s64;
    value.quant.reset();
  }
  Config config;
  config.dtypes = {"uint8"};
  CHECK_EQ(clusters_of(net.partition(config)), "0 1");
}

TEST(include_and_exclude) {
  Net net;
  net.relu(net.conv({net.conv({"x"})}));
  net.graph.nodes[0].name = "stem/conv";
  net.graph.nodes[1].name = "head/conv";
  Config config;
  config.include.patterns.emplace_back("^head/");
  config.include.op_types = {"Relu"};
  Partition out = net.partition(config);
  CHECK_EQ(clusters_of(out), "1 2");
  says(reason_of(out, 0), "/vaip/include does not select");
  config.exclude.op_types = {"Relu"};
  out = net.partition(config);
  CHECK_EQ(clusters_of(out), "1");
  says(reason_of(out, 2), "/vaip/exclude/op_types selects 'n2'");
  config = {};
  config.exclude.patterns.emplace_back("conv$");
  CHECK_EQ(clusters_of(net.partition(config)), "2");
  net.graph.nodes[2].name.clear();  // then reports call it Relu(v2), and so do configurations
  config = {};
  config.exclude.names = {"Relu(v2)"};
  CHECK_EQ(clusters_of(net.partition(config)), "0 1");
}

TEST(folded_conversions_are_selected_by_exact_name_only) {
  Net net;
  const std::string dq = net.layer("DequantizeLinear", {"x"}, ir::DequantizeAttrs{});
  net.conv({dq});
  net.recognition.units.erase(net.recognition.units.begin());
  net.share_with(0, 0);
  net.graph.nodes[0].name = "previous/output_dq";
  Config config;
  config.exclude.patterns.emplace_back("^previous/");
  config.exclude.op_types = {"DequantizeLinear"};
  CHECK_EQ(clusters_of(net.partition(config)), "0 1");
  config.exclude.names = {"previous/output_dq"};
  CHECK_EQ(clusters_of(net.partition(config)), "");
}

TEST(small_clusters) {
  Net net;  // 0 1 | 3 | 5 6, conversions do not count
  std::string v = net.relu(net.conv({"x"}));
  v = net.conv({net.other("Custom", {v})});
  v = net.layer("QuantizeLinear", {net.other("Custom", {v})}, ir::QuantizeAttrs{});
  net.layer("Concat", {v}, ir::ConcatAttrs{});
  Partition out = net.partition();
  CHECK_EQ(clusters_of(out), "0 1 | 3");
  says(reason_of(out, 5), "only conversions and data movement here");
  says(reason_of(out, 6), "only conversions and data movement here");
  Config config;
  config.source = "my.json";
  config.minimum_nodes = 2;
  out = net.partition(config);
  CHECK_EQ(clusters_of(out), "0 1");
  CHECK_EQ(reason_of(out, 3), "its cluster is smaller (compute layers: 1) than my.json: /vaip/minimum_nodes = 2");
  config.minimum_nodes = 1;
  config.minimum_macs = 1000;
  out = net.partition(config);
  CHECK_EQ(reason_of(out, 1),
           "its cluster is smaller (multiply-accumulates: 256) than my.json: /vaip/minimum_macs = 1000");
}

TEST(plain_layers_follow_claimed_ones) {
  const auto logical_not = [](Net& net, const std::string& input) {
    return net.layer("Not", {input}, ir::LogicAttrs{ir::LogicAttrs::Op::logical_not}, ir::DType::boolean);
  };
  Net net;  // 0 1 feed the Where, 5 is fed by it; 6 7 are the host's own
  std::string mask = logical_not(net, logical_not(net, "mask"));
  const std::string x = net.conv({"x"});
  const std::string y = net.layer("Where", {mask, x, x}, ir::WhereAttrs{});
  const std::string large =
      net.layer("Greater", {y, x}, ir::ComparisonAttrs{ir::ComparisonAttrs::Op::greater}, ir::DType::boolean);
  logical_not(net, large);
  net.other("Custom", {logical_not(net, logical_not(net, "mask"))});
  Partition out = net.partition();
  CHECK_EQ(clusters_of(out), "0 1 2 3 4 5");
  says(reason_of(out, 6), "works on plain integers only, and no claimed layer makes its inputs or reads its outputs");
  says(reason_of(out, 7), "works on plain integers only");

  Config config;  // what they follow is not claimed: neither are they
  config.exclude.op_types = {"Conv", "Where", "Greater"};
  CHECK_EQ(clusters_of(net.partition(config)), "");
  config.exclude.op_types = {"Where"};
  CHECK_EQ(clusters_of(net.partition(config)), "2 | 4 5");

  Net moved;  // beside conversions and data movement alone they are no reason to go
  const std::string condition = logical_not(moved, "mask");
  moved.layer("Concat", {condition}, ir::ConcatAttrs{}, ir::DType::boolean);
  moved.layer("Gather", {"table", condition}, ir::GatherAttrs{});
  says(reason_of(moved.partition(), 0), "only conversions and data movement here");
}

TEST(macs_count_where_shapes_are_known) {
  Net net;
  net.conv({"x"});
  net.recognition.graph.values[1].shape = {4, 4, 1, 1};  // the weight
  Partition out = net.partition();
  CHECK_EQ(out.clusters.at(0).macs, 4 * 4 * 2 * 2);
  Config config;
  config.minimum_macs = 64;
  CHECK_EQ(net.partition(config).clusters.size(), std::size_t{1});
  config.minimum_macs = 65;
  CHECK_EQ(net.partition(config).clusters.size(), std::size_t{0});
  net.recognition.graph.values[0].shape = {ir::kDynamic, 4, 2, 2};
  CHECK_EQ(net.partition(config).clusters.size(), std::size_t{1});
  CHECK_EQ(net.partition(config).clusters.at(0).macs, 0);
}

TEST(conditions_on_the_whole_model) {
  Net net;
  net.conv({net.other("Custom", {net.conv({"x"})})});
  Config config;
  config.source = "my.json";
  config.quantized_pass = false;
  config.passes_in_use = "my.json: /passes";
  CHECK_EQ(reason_of(net.partition(config), 0),
           "no pass that offloads is enabled by my.json: /passes; enable one there, such as vaip-pass_level1_dpu");
  CHECK_EQ(reason_of(net.partition(config), 1), "no such layer");
}

TEST(amds_minimum_number_of_convolutions) {
  Net net;
  net.conv({net.relu(net.conv({"x"}))});
  net.other("QLinearConv", {"y"});
  Config config;
  config.source = "my.json";
  config.minimum_num_of_conv = 2;
  CHECK_EQ(clusters_of(net.partition(config)), "0 1 2");
  config.minimum_num_of_conv = 3;
  const Partition out = net.partition(config);
  CHECK(out.clusters.empty());
  for (const std::size_t node : {0, 1, 2}) {
    CHECK_EQ(reason_of(out, node),
             "AMD's threshold minimum_num_of_conv = 3 (my.json) leaves a model with 2 Conv nodes on the CPU; "
             "\"compatibility\": \"none\" claims it");
  }
  CHECK_EQ(reason_of(out, 3), "no such layer");
}

TEST(amds_largest_number_of_subgraphs) {
  Net net;
  net.conv({net.other("Custom", {net.conv({"x"})})});
  Config config;
  config.source = "my.json";
  config.dpu_subgraph_num = 2;
  CHECK_EQ(clusters_of(net.partition(config)), "0 | 2");
  config.dpu_subgraph_num = 1;
  const Partition out = net.partition(config);
  CHECK(out.clusters.empty());
  CHECK_EQ(reason_of(out, 2),
           "AMD's threshold dpu_subgraph_num = 1 (my.json) leaves a model that needs 2 subgraphs on the CPU; "
           "\"compatibility\": \"none\" claims it");
  config.minimum_nodes = 2;  // what is too small is no subgraph
  says(reason_of(net.partition(config), 2), "its cluster is smaller");
}

TEST(reshapes_at_the_end_stay_with_amd) {
  Net net;  // one output of two reshapes, one of a reshape and a convolution, one of an unknown rank
  const std::string stem = net.conv({"x"});
  const auto reshape = [&net](const std::string& op, const std::string& input) {
    return net.layer(op, {input}, ir::ReshapeAttrs{});
  };
  const std::string first = reshape("Flatten", reshape("Reshape", stem));
  const std::string second = net.conv({reshape("Squeeze", stem)});
  const std::string third = reshape("Reshape", stem);
  const std::string fourth = net.layer("Transpose", {stem}, ir::TransposeAttrs{});
  net.graph.outputs = {first, second, third, fourth};
  for (const frontend::Node& node : net.graph.nodes) {
    net.graph.values[node.outputs[0]].has_shape = node.outputs[0] != third;
  }
  CHECK_EQ(clusters_of(net.partition()), "0 1 2 3 4 5 6");
  Config config;
  config.trailing_reshapes_stay = true;
  const Partition out = net.partition(config);
  CHECK_EQ(clusters_of(out), "0 3 4 5 6");
  CHECK_EQ(reason_of(out, 2),
           "AMD's pass convert_ending_blacklist_ops_to_unknown_op leaves a Flatten at the end of a model on the CPU; "
           "\"compatibility\": \"none\" claims it");
  says(reason_of(out, 1), "leaves a Reshape at the end");
}

TEST(nodes_out_of_order_are_an_error) {
  Net net;
  net.conv({"v1"});
  net.conv({"x"});
  CHECK_THROWS(net.partition(), "node 'n0' reads 'v1' before node 'n1' computes it");
}

VAIP_TEST_MAIN()
