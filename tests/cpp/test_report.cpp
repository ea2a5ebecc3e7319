// Reports: our JSON, AMD's JSON field by field, the console lines, and files that are written whole or not at all.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "check.h"
#include "device/device.h"
#include "report/session_report.h"

using namespace vaip;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

frontend::Node node(const std::string& name, const std::string& op, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs, const std::string& domain = "") {
  frontend::Node out;
  out.name = name;
  out.op_type = op;
  out.domain = domain;
  out.inputs = inputs;
  out.outputs = outputs;
  return out;
}

// Q -> Conv -> Softmax; the Conv and the Q are claimed.
report::SessionReport example() {
  frontend::OnnxGraph graph;
  graph.nodes = {node("q", "QuantizeLinear", {"x", "s", ""}, {"xq"}, "com.microsoft"),
                 node("", "Conv", {"xq", "w"}, {"y"}), node("soft", "Softmax", {"y"}, {"z"})};
  graph.values["y"] = {ir::DType::f32, true, {1, 64, ir::kDynamic, 0}};
  graph.values["s"] = {ir::DType::f32, true, {}};
  graph.values["z"] = {ir::DType::f32, false, {}};
  partition::Partition partition;
  partition.clusters.push_back({{0, 1}, 1, 500});
  partition.unclaimed.push_back({2, "no such layer"});
  partition::Config config;
  config.source = "my.json";
  report::SessionReport report = report::start_report(graph, partition, config);
  report.session_id = 7;
  report.model = "m.onnx";
  report::ClusterEntry cluster;
  cluster.name = "vaip_0";
  cluster.input_shapes = {{1, 3, 8, 8}};
  cluster.timing.clock_ghz = 2.0;
  cluster.timing.cycles = 4000.4;
  cluster.timing.macs = 500;
  cluster.timing.ddr_read_bytes = 10;
  cluster.timing.ddr_write_bytes = 20;
  sim::LayerTiming layer;
  layer.name = "conv";
  layer.op = "Conv";
  layer.nodes = {"q", "conv"};
  layer.cycles = 3000;
  layer.start_cycles = 1000;
  layer.bound = sim::Bound::ddr;
  layer.macs = 500;
  layer.tile = {4, 8, 16};
  layer.array = {4, 2};
  layer.ddr_read_bytes = 10;
  layer.ddr_write_bytes = 20;
  cluster.timing.layers = {layer};
  report.clusters = {cluster};
  return report;
}

fs::path temporary_directory() {
  static int count = 0;
  const fs::path path =
      fs::temp_directory_path() / ("vaip_report_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
  fs::create_directories(path);
  return path;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

TEST(json_of_a_session) {
  const Json report = Json::parse(report::to_json(example()));
  CHECK_EQ(report.at("model"), "m.onnx");
  CHECK_EQ(report.at("device"), "strix");
  CHECK_EQ(report.at("stack"), "vitisai");
  CHECK_EQ(report.at("config"), "my.json");
  CHECK_EQ(report.at("session_id"), 7);
  CHECK_EQ(report.at("clock_ghz"), device::load("strix")->clock_ghz);
  CHECK_EQ(report.at("ipu_cycles"), 4000);
  CHECK(std::abs(report.at("latency_ms").get<double>() - 0.0020002) < 1e-12);
  CHECK_EQ(report.at("nodes"), (Json{{"total", 3}, {"ipu", 2}, {"cpu", 1}}));
  CHECK_EQ(report.at("operators").at("Softmax"), (Json{{"ipu", 0}, {"cpu", 1}}));
  CHECK_EQ(report.at("subgraphs"), 1);
  CHECK_EQ(report.at("gops"), 1e-6);
  CHECK(std::abs(report.at("tops_effective").get<double>() - 1000 / 2.0002e-6 / 1e12) < 1e-12);
  CHECK_EQ(report.at("ddr_read_bytes"), 10);
  CHECK_EQ(report.at("ddr_write_bytes"), 20);
  CHECK(report.at("energy_mj").is_null());
  CHECK_EQ(report.at("unclaimed"), (Json{{{"name", "soft"}, {"op", "Softmax"}, {"reason", "no such layer"}}}));
  const Json& layer = report.at("layers").at(0);
  CHECK_EQ(layer.at("nodes"), (Json{"q", "conv"}));
  CHECK_EQ(layer.at("cycles"), 3000);
  CHECK_EQ(layer.at("us"), 1.5);
  CHECK_EQ(layer.at("start_us"), 0.5);
  CHECK_EQ(layer.at("bound"), "ddr");
  CHECK_EQ(layer.at("tile"), (Json{{"m", 4}, {"k", 8}, {"n", 16}}));
  CHECK_EQ(layer.at("array"), (Json{4, 2}));
  CHECK_EQ(layer.at("ddr_bytes"), 30);
  CHECK_EQ(layer.at("cluster"), "vaip_0");
  CHECK_EQ(report.at("clusters").at(0).at("input_shapes"), (Json{{1, 3, 8, 8}}));
}

TEST(sums_over_clusters) {
  report::SessionReport report = example();
  report.clusters.push_back(report.clusters[0]);
  report.clusters[0].timing.energy_mj = 1.5;
  Json json = Json::parse(report::to_json(report));
  CHECK_EQ(json.at("ipu_cycles"), 8001);
  CHECK_EQ(json.at("layers").size(), std::size_t{2});
  CHECK(json.at("energy_mj").is_null());  // one cluster has no figure: the sum would be too small
  report.clusters[1].timing.energy_mj = 0.25;
  CHECK_EQ(Json::parse(report::to_json(report)).at("energy_mj"), 1.75);
}

TEST(nothing_claimed) {
  report::SessionReport report = example();
  report.clusters.clear();
  for (auto& entry : report.nodes) entry.claimed = false;
  report.nodes[1].reason = "bad bytes \xff in a name";
  const Json json = Json::parse(report::to_json(report));
  CHECK_EQ(json.at("latency_ms"), 0.0);
  CHECK_EQ(json.at("tops_effective"), 0.0);
  CHECK(json.at("energy_mj").is_null());
  CHECK(json.at("layers").is_array() && json.at("layers").empty());
  CHECK_EQ(json.at("unclaimed").at(1).at("name"), "Conv(y)");
  CHECK_EQ(report::console_lines(report),
           "[Vitis AI EP] No. of Operators :   CPU     3 \n[Vitis AI EP] No. of Subgraphs :   CPU     1 \n");
}

// The whole object, against AMD's rules: "all" first, then devices by name; "<domain>::<op>"; zero and empty fields
// left out; 64-bit numbers as strings.
TEST(amd_report) {
  const Json expected = Json::parse(R"json({
    "deviceStat": [
      {"name": "all", "nodeNum": 3, "supportedOpType": ["::Conv", "::Softmax", "com.microsoft::QuantizeLinear"]},
      {"name": "CPU", "nodeNum": 1, "supportedOpType": ["::Softmax"]},
      {"name": "NPU", "nodeNum": 2, "supportedOpType": ["::Conv", "com.microsoft::QuantizeLinear"]}],
    "nodeStat": [
      {"output": ["xq"], "input": ["x", "s", "VAIP_NOT_EXISTS"], "opDomain": "com.microsoft", "opType": "QuantizeLinear",
       "comment": "[xq] = com.microsoft::QuantizeLinear(x, s, VAIP_NOT_EXISTS)", "device": "NPU"},
      {"output": ["y"], "input": ["xq", "w"], "opType": "Conv", "comment": "[y] = ::Conv(xq, w)", "device": "NPU"},
      {"output": ["z"], "input": ["y"], "opType": "Softmax", "comment": "[z] = ::Softmax(y)", "device": "CPU",
       "reason": "no such layer"}],
    "shapeInfo": [
      {"name": "s", "isScalar": true}, {"name": "y", "shape": ["1", "64", "-1", "0"]}, {"name": "z", "isUnknown": true}],
    "subgraphStat": [
      {"device": "CPU", "count": 1}, {"device": "NPU", "count": 1}, {"device": "Actually running on NPU", "count": 1}]
})json");
  CHECK_EQ(Json::parse(report::to_amd_json(example())), expected);
}

TEST(amd_report_of_an_empty_graph) {
  const Json json = Json::parse(report::to_amd_json(report::SessionReport{}));
  CHECK_EQ(json, (Json{{"deviceStat", {{{"name", "all"}}}}}));
}

TEST(console_lines_as_amd_prints_them) {
  report::SessionReport report = example();
  report.nodes.resize(400, report.nodes[0]);  // all claimed but the Softmax ...
  report.nodes[0].claimed = false;            // ... and this one
  CHECK_EQ(report::console_lines(report),
           "[Vitis AI EP] No. of Operators :   CPU     2    NPU   398  99.50%\n"
           "[Vitis AI EP] No. of Subgraphs :   CPU     1    NPU     1 Actually running on NPU     1 \n");
}

TEST(files_appear_whole) {
  const fs::path directory = temporary_directory();
  const fs::path path = directory / "new" / "deep" / "report.json";
  report::write_file(path.string(), "one");
  CHECK_EQ(text_of(path), "one");
  // Writers at once: each leaves a whole text, and no temporary file stays.
  std::vector<std::thread> writers;
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([&path, letter] {
      for (int i = 0; i < 50; ++i) report::write_file(path.string(), std::string(100000, letter));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string text = text_of(path);
  CHECK_EQ(text, std::string(100000, text[0]));
  CHECK_EQ(std::distance(fs::directory_iterator(path.parent_path()), fs::directory_iterator()), 1);
  fs::remove_all(directory);
}

TEST(files_that_cannot_be_written) {
  const fs::path directory = temporary_directory();
  CHECK_THROWS(report::write_file(directory.string(), "x"),
               "cannot write '" + directory.string() + "': it is a directory");
  CHECK_THROWS(report::write_file("", "x"), "empty name");
  report::write_file((directory / "file").string(), "x");
  CHECK_THROWS(report::write_file((directory / "file" / "report.json").string(), "x"), "creating its directory failed");
  fs::remove_all(directory);
}

VAIP_TEST_MAIN()
