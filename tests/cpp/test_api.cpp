// The C++ API as an application uses it: models of data/api, linked from the shared library only.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "check.h"
#include "vaip/vaip.h"

using Json = nlohmann::json;
using Shapes = std::vector<std::vector<std::int64_t>>;

namespace {

const std::string kModels = std::string(VAIP_TEST_DATA_DIR) + "/api/";

// The definition of claimed.onnx in double precision: Q, then a convolution of 1x1 with bias, Relu, Q, DQ.
std::vector<float> expected(const std::vector<float>& x, std::size_t batch) {
  const double weights[2][2] = {{0.25, -0.5}, {0.75, 0.0}}, bias[2] = {1.0, -2.0};
  const auto quantize = [](double value, double scale, double zero_point) {
    return std::clamp(std::nearbyint(value / scale) + zero_point, 0.0, 255.0);
  };
  std::vector<float> y;
  for (std::size_t n = 0; n < batch; ++n) {
    for (std::size_t m = 0; m < 2; ++m) {
      for (std::size_t p = 0; p < 4; ++p) {
        double sum = bias[m];
        for (std::size_t c = 0; c < 2; ++c)
          sum += weights[m][c] * 0.5 * (quantize(x[8 * n + 4 * c + p], 0.5, 128) - 128);
        y.push_back(static_cast<float>(0.25 * quantize(std::max(sum, 0.0), 0.25, 0)));
      }
    }
  }
  return y;
}

std::vector<float> ramp(std::size_t count) {
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) x[i] = 3.3F * static_cast<float>(i) - 20.0F;
  return x;
}

std::vector<float> run(const vaip::Program& program, const std::vector<float>& x) {
  std::vector<float> y(x.size(), -1.0F);
  program.run({x.data()}, {y.data()});
  return y;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

TEST(other_options_share_the_model) {
  const vaip::Model strix = vaip::Model::from_file(kModels + "claimed.onnx");
  const vaip::Model slow = strix.with_options(
      {{"device", "phoenix"}, {"overrides", R"({"clock_ghz": 0.5, "stack.dispatch.layer_us": 99})"}});
  const vaip::Model read_again = vaip::Model::from_file(
      kModels + "claimed.onnx",
      {{"device", "phoenix"}, {"overrides", R"({"clock_ghz": 0.5, "stack": {"dispatch": {"layer_us": 99}}})"}});
  const Shapes shapes = {{1, 2, 2, 2}};
  Json predicted = Json::parse(slow.predict_json(shapes)),
       compiled = Json::parse(read_again.compile(shapes).report_json());
  CHECK_EQ(predicted.at("device"), "phoenix");
  CHECK_EQ(predicted.at("clock_ghz"), 0.5);
  CHECK_EQ(predicted.at("overrides"), Json({{"clock_ghz", 0.5}, {"stack.dispatch.layer_us", 99}}));
  CHECK_EQ(predicted.at("layers"), compiled.at("layers"));
  CHECK_EQ(predicted.at("latency_ms"), compiled.at("latency_ms"));
  CHECK_EQ(Json::parse(strix.predict_json(shapes)).at("device"), "strix");
  CHECK_THROWS(strix.with_options({{"overrides", R"({"clock_ghz": 0})"}}), "override clock_ghz=0: expected a number");
}

TEST(a_claimed_model_runs_and_is_timed) {
  const vaip::Model model = vaip::Model::from_file(kModels + "claimed.onnx", {{"device", "strix"}});
  CHECK_EQ(model.inputs().at(0).name, "x");
  CHECK_EQ(model.inputs().at(0).dtype, "float");
  CHECK(model.inputs().at(0).shape == (std::vector<std::int64_t>{1, 2, 2, 2}));
  CHECK_EQ(model.outputs().at(0).name, "y");
  const Json partition = Json::parse(model.partition_json());
  CHECK_EQ(partition.at("nodes"), (Json{{"total", 8}, {"ipu", 8}, {"cpu", 0}}));
  CHECK_EQ(partition.at("subgraphs"), 1);
  CHECK(partition.at("unclaimed").empty());

  const vaip::Program program = model.compile();
  CHECK(run(program, ramp(8)) == expected(ramp(8), 1));
  CHECK(program.latency_us() > 0);
  CHECK(program.cycles() > 0);
  CHECK(program.outputs().at(0).shape == (std::vector<std::int64_t>{1, 2, 2, 2}));
  const Json report = Json::parse(program.report_json());
  CHECK_EQ(report.at("model"), kModels + "claimed.onnx");
  CHECK_EQ(report.at("device"), "strix");
  CHECK_EQ(report.at("nodes").at("ipu"), 8);
  CHECK(std::abs(report.at("latency_ms").get<double>() * 1e3 - program.latency_us()) < 1e-9);
  std::int64_t macs = 0;
  for (const Json& layer : report.at("layers")) macs += layer.at("macs").get<std::int64_t>();
  CHECK_EQ(macs, 2 * 2 * 4);
}

TEST(bytes_and_copies) {
  const std::string bytes = bytes_of(kModels + "claimed.onnx");
  const vaip::Model model = vaip::Model::from_bytes(bytes.data(), bytes.size());
  vaip::Program program = model.compile();
  const vaip::Program copy = program;
  program = model.compile();
  CHECK(run(copy, ramp(8)) == run(program, ramp(8)));
  CHECK_EQ(Json::parse(copy.report_json()).at("model"), "");
}

TEST(dynamic_shapes_are_bound_at_compile_time) {
  const vaip::Model model = vaip::Model::from_file(kModels + "dynamic.onnx");
  CHECK_EQ(model.inputs().at(0).shape.at(0), -1);
  const vaip::Program program = model.compile({{3, 2, 2, 2}});
  CHECK(program.inputs().at(0).shape == (std::vector<std::int64_t>{3, 2, 2, 2}));
  CHECK(program.outputs().at(0).shape == (std::vector<std::int64_t>{3, 2, 2, 2}));
  CHECK(run(program, ramp(24)) == expected(ramp(24), 3));
  CHECK_THROWS(model.compile(), "compile: input 'x' has no static shape (?x2x2x2); give the shapes of all inputs");
  CHECK_THROWS(model.compile(Shapes{{1, 2, 2, 2}, {1}}), "the model has 1 inputs, 2 shapes were given");
  CHECK_THROWS(model.compile(Shapes{{-1, 2, 2, 2}}), "given for input 'x' has an unknown dimension");
  CHECK_THROWS(model.compile(Shapes{{1, 5, 2, 2}}), "x");
}

TEST(runs_at_once_do_not_disturb_each_other) {
  const vaip::Program program = vaip::Model::from_file(kModels + "claimed.onnx", {{"num_threads", "1"}}).compile();
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<float> x = ramp(8);
      for (float& value : x) value += static_cast<float>(t);
      for (int i = 0; i < 200; ++i) wrong[t] += run(program, x) == expected(x, 1) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong[0] + wrong[1] + wrong[2] + wrong[3], 0);
}

TEST(a_partly_claimed_model_is_timed_but_not_run) {
  const vaip::Model model = vaip::Model::from_file(kModels + "mixed.onnx");
  const Json partition = Json::parse(model.partition_json());
  CHECK_EQ(partition.at("subgraphs"), 2);
  // As in a session, each reader of a DequantizeLinear has one of its own: Tan and Add read "ad", which makes 18
  // nodes 19.
  CHECK_EQ(partition.at("nodes").at("total"), 19);
  const vaip::Program program = model.compile();
  CHECK(program.latency_us() > 0);
  const Json report = Json::parse(program.report_json());
  CHECK_EQ(report.at("clusters").size(), std::size_t{2});
  CHECK(std::any_of(report.at("unclaimed").begin(), report.at("unclaimed").end(),
                    [](const Json& node) { return node.at("name") == "tan" && !node.at("reason").empty(); }));
  CHECK_THROWS(run(program, ramp(8)), "nodes of the model are not claimed by the IPU");
  CHECK_THROWS(run(program, ramp(8)), "Tan `tan`: ");
  CHECK_THROWS(vaip::Model::from_file(kModels + "mixed.onnx", {{"fallback", "error"}}), "Tan `tan`: ");
  CHECK_THROWS(vaip::Model::from_file(kModels + "mixed_dynamic.onnx").compile({{2, 2, 2, 2}}),
               "is not known before the model runs");
}

TEST(configuration_reaches_the_partition) {
  const auto directory = std::filesystem::temp_directory_path() / ("vaip_api_" + std::to_string(std::time(nullptr)));
  std::filesystem::create_directories(directory);
  const std::string path = (directory / "vaip_config.json").string(), report = (directory / "out/report.json").string(),
                    trace = (directory / "out/trace.json").string();
  std::ofstream(path) << R"({"vaip": {"exclude": {"names": ["a/conv"]}}})";
  const vaip::Model model = vaip::Model::from_file(kModels + "claimed.onnx", {{"config_file", path}});
  const Json partition = Json::parse(model.partition_json());
  CHECK_EQ(partition.at("subgraphs"), 0);
  bool named = false;
  for (const Json& node : partition.at("unclaimed")) {
    named =
        named || (node.at("name") == "a/conv" && node.at("reason") == path + ": /vaip/exclude/names selects 'a/conv'");
  }
  CHECK(named);
  const vaip::Options files = {{"report_file", report}, {"trace_file", trace}};
  const vaip::Program program = vaip::Model::from_file(kModels + "claimed.onnx", files).compile();
  CHECK_EQ(bytes_of(report), program.report_json());
  CHECK(!Json::parse(bytes_of(trace)).at("traceEvents").empty());
  std::filesystem::remove_all(directory);
}

TEST(errors) {
  CHECK_THROWS(vaip::Model::from_file("/no/such/model.onnx"), "cannot read '/no/such/model.onnx': no such file");
  CHECK_THROWS(vaip::Model::from_file("/"), "it is a directory");
  CHECK_THROWS(vaip::Model::from_bytes(nullptr, 3), "data is null");
  CHECK_THROWS(vaip::Model::from_bytes("not a model", 11), "");
  CHECK_THROWS(vaip::Model::from_file(kModels + "claimed.onnx", {{"devise", "strix"}}), "did you mean \"device\"?");
  CHECK_THROWS(vaip::device_json("strixx"), "did you mean \"strix\"?");
  const vaip::Program program = vaip::Model::from_file(kModels + "claimed.onnx").compile();
  std::vector<float> x = ramp(8);
  CHECK_THROWS(program.run({}, {x.data()}), "run: the model has 1 inputs, 0 pointers were given");
  CHECK_THROWS(program.run({x.data()}, {}), "run: the model has 1 outputs, 0 pointers were given");
  CHECK_THROWS(program.run({nullptr}, {x.data()}), "run: the pointer for input 'x' is null");
  bool is_api_error = false;
  try {
    vaip::Model::from_file("/no/such/model.onnx");
  } catch (const vaip::ApiError&) {
    is_api_error = true;
  }
  CHECK(is_api_error);
}

TEST(devices) {
  const std::vector<std::string> names = vaip::device_names();
  CHECK(std::find(names.begin(), names.end(), "phoenix") != names.end());
  for (const std::string& name : names) CHECK_EQ(Json::parse(vaip::device_json(name)).at("name"), name);
  CHECK(std::strlen(vaip::version()) >= 5);
}

VAIP_TEST_MAIN()
