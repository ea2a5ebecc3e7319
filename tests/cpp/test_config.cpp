// Configuration files, their schema, targets and session options: what is accepted, and what the errors say.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "base/json_schema.h"
#include "base/nearest.h"
#include "check.h"
#include "partition/config.h"
#include "partition/xclbin.h"

using namespace vaip;
using partition::Config;
using partition::load_config;
using partition::resolve_config;
using Options = std::map<std::string, std::string>;

namespace {

const std::string kData = std::string(VAIP_TEST_DATA_DIR) + "/config/";

// A file of this process that is gone when the test is over.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) {
    static int count = 0;
    path_ = (std::filesystem::temp_directory_path() /
             ("vaip_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++) + ".json"))
                .string();
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Config load_text(const std::string& text, const std::string& target = "") {
  const TemporaryFile file(text);
  return load_config(file.path(), target);
}

Config resolve_with(const std::string& text, Options options) {
  const TemporaryFile file(text);
  options["config_file"] = file.path();
  return resolve_config(options);
}

json::Schema schema() { return json::Schema(json::parse(partition::config_schema_json(), "schema"), "schema"); }

bool violates(const char* schema_text, const char* value) {
  const json::Schema one(json::parse(schema_text, "schema"), "schema");
  return one.first_violation(json::parse(value, "value")).has_value();
}

}  // namespace

TEST(nearest_names) {
  const std::vector<std::string> known = {"device", "num_threads", "cache_dir"};
  CHECK_EQ(nearest("devcie", known), "device");
  CHECK_EQ(nearest("Num-Threads", known), "num_threads");
  CHECK_EQ(nearest("cacheDirectory", known), "");
  CHECK_EQ(nearest("zzz", known), "");
  CHECK_EQ(nearest(std::string(100000, 'a'), known), "");
  CHECK_EQ(name_distance("vapi", "vaip"), std::size_t{1});
  CHECK_EQ(name_distance("", "abc"), std::size_t{3});
}

TEST(json_errors_name_the_place) {
  CHECK_THROWS(json::parse("", "f"), "f: the file is empty");
  CHECK_THROWS(json::parse(" \n", "f"), "f: the file is empty");
  CHECK_THROWS(json::parse("{\n  \"a\": 1,\n  b\n}", "f"), "f:3:3: not valid JSON");
  CHECK_THROWS(json::parse("{\"a\": [1, 2", "f"), "unexpected end of input");
  CHECK_THROWS(json::parse("{\"a\": 1, \"a\": 2}", "f"), "the key \"a\" occurs twice");
  CHECK_THROWS(json::parse(std::string(100000, '['), "f"), "nested deeper than");
  CHECK_THROWS(json::parse("\xff\xfe", "f"), "f:1:1: not valid JSON");
  CHECK_THROWS(json::parse("1e999", "f"), "f: not valid JSON");
  CHECK(json::parse("{\"_comment\": 1, \"_comment\": 2, \"a\": {\"b\": {\"a\": 1}}}", "f").is_object());
}

TEST(json_schema_keywords) {
  CHECK(!violates(R"({"exclusiveMinimum": 0, "exclusiveMaximum": 1})", "0.5"));
  CHECK(violates(R"({"exclusiveMinimum": 0})", "0"));
  CHECK(violates(R"({"exclusiveMaximum": 1})", "1"));
  CHECK(violates(R"({"minItems": 1})", "[]"));
  CHECK(violates(R"({"maxItems": 1})", "[1, 2]"));
  CHECK(violates(R"({"maxLength": 1})", "\"ab\""));
  CHECK(!violates(R"({"maxLength": 1})", "\"\xc3\xa9\""));  // one character of two bytes
  CHECK(violates(R"({"const": 3})", "4"));
  CHECK(!violates(R"({"const": 3})", "3.0"));
  CHECK(violates(R"({"propertyNames": {"pattern": "^x"}})", "{\"y\": 1}"));
  CHECK(violates(R"({"additionalProperties": {"type": "integer"}})", "{\"y\": \"1\"}"));
  CHECK(violates(R"({"properties": {"y": false}})", "{\"y\": 1}"));
  CHECK(!violates(R"({"anyOf": [{"type": "string"}, {"type": "null"}]})", "null"));
  CHECK(violates(R"({"anyOf": [{"type": "string"}, {"type": "null"}]})", "1"));
  CHECK(!violates(R"({"minimum": 3})", "\"a string has no minimum\""));
  CHECK(!violates(R"({"type": ["integer", "null"]})", "null"));
  CHECK(violates(R"({"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {"minimum": 1}}})", "0"));
  CHECK(violates(R"({"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {"minimum": 1}}})", "4"));
  CHECK_THROWS(json::Schema(json::parse(R"({"oneOf": []})", "s"), "s"), "#/oneOf: this JSON Schema keyword is not");
  CHECK_THROWS(json::Schema(json::parse(R"({"$ref": "#/$defs/b"})", "s"), "s"), "cannot resolve");
}

TEST(json_schema_alternatives_name_the_part_that_is_wrong) {
  const json::Schema one(json::parse(R"({"anyOf": [{"type": "string"}, {"type": "object", "properties":
      {"a": {"type": "integer", "minimum": 1}}}]})",
                                     "s"),
                         "s");
  CHECK_EQ(one.first_violation(json::parse("{\"a\": 0}", "v"))->message, "expected an integer >= 1, got 0");
  CHECK_EQ(one.first_violation(json::parse("{\"a\": 0}", "v"))->pointer, "/a");
  CHECK_EQ(one.first_violation(json::parse("3", "v"))->message, "expected a string, or an object, got 3");
}

// The same cases are checked against the Python package jsonschema by tests/python/test_config_schema.py.
TEST(schema_cases) {
  const json::Value cases = json::load(kData + "schema_cases.json");
  CHECK(cases.size() > 20);
  for (const json::Value& one : cases) {
    const auto violation = schema().first_violation(one.at("document"));
    const std::string found =
        violation ? (violation->pointer.empty() ? "" : violation->pointer + ": ") + violation->message : "";
    const std::string expected = one.value("error", "");
    if (expected.empty() != found.empty() || found.find(expected) == std::string::npos) {
      test::report(__FILE__, __LINE__,
                   one.at("name").get<std::string>() + ": '" + found + "' lacks '" + expected + "'");
    }
  }
}

TEST(files_that_cannot_be_read) {
  CHECK_THROWS(load_config("/no/such/vaip_config.json"), "cannot read '/no/such/vaip_config.json': no such file");
  CHECK_THROWS(load_config("/"), "it is a directory");
  CHECK_THROWS(load_text(""), "the file is empty");
  CHECK_THROWS(load_text("{\"vaip\": {"), ":1:11: not valid JSON");
  CHECK_THROWS(load_text("passes:\n  - init\n"), ":1:1: not valid JSON");
  CHECK_THROWS(load_text("[]"), "expected an object, got []");
  try {
    load_config("/no/such/file");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::io);
  }
}

TEST(packaged_defaults) {
  const Config config = resolve_config({});
  CHECK_EQ(config.source, "built-in defaults");
  CHECK_EQ(config.device, "strix");
  CHECK_EQ(config.stack, "vitisai");
  CHECK(config.quantized_pass);
  CHECK(!config.rows && !config.columns);
  CHECK(config.op_types.empty() && config.dtypes.empty());
  CHECK_EQ(config.minimum_nodes, 1);
  CHECK(config.fallback == partition::Fallback::allow);
  CHECK(!config.minimum_num_of_conv && !config.dpu_subgraph_num && !config.trailing_reshapes_stay);
  CHECK(!config.enable_f32_to_bf16_conversion);  // as the model says
}

TEST(section_vaip) {
  const Config config = load_text(R"({"vaip": {"op_types": ["Conv"], "dtypes": ["uint8"], "layouts": ["NCHW"],
      "exclude": {"names": ["a"], "op_types": ["Softmax"], "patterns": ["^head/"]}, "minimum_nodes": 3, "minimum_macs": 1000,
      "fallback": "warn", "device": "phoenix", "rows": 2, "columns": 3, "num_threads": 5, "cache_dir": "c",
      "cache_key": "k", "report_file": "r", "trace_file": "t", "log_level": "debug", "enable_cache_file_io_in_mem": false}})");
  CHECK_EQ(config.op_types.at(0), "Conv");
  CHECK_EQ(config.dtypes.at(0), "uint8");
  CHECK_EQ(config.layouts.at(0), "NCHW");
  CHECK_EQ(config.exclude.names.at(0), "a");
  CHECK_EQ(config.exclude.op_types.at(0), "Softmax");
  CHECK(std::regex_search("head/conv", config.exclude.patterns.at(0)));
  CHECK_EQ(config.exclude.pattern_texts.at(0), "^head/");
  CHECK_EQ(config.minimum_nodes, 3);
  CHECK_EQ(config.minimum_macs, 1000);
  CHECK(config.fallback == partition::Fallback::warn);
  CHECK_EQ(config.device, "phoenix");
  CHECK_EQ(*config.rows, 2);
  CHECK_EQ(*config.columns, 3);
  CHECK_EQ(config.num_threads, 5);
  CHECK_EQ(config.cache_dir + config.cache_key + config.report_file + config.trace_file, "ckrt");
  CHECK_EQ(config.log_level, "debug");
  CHECK(!config.enable_cache_file_io_in_mem);
  CHECK(config.quantized_pass);
  CHECK_EQ(load_text(R"({"vaip": {"minimum_macs": 1e300}})").minimum_macs, INT64_MAX);
  CHECK_EQ(load_text(R"({"vaip": {"minimum_nodes": 18446744073709551615}})").minimum_nodes, INT64_MAX);
}

TEST(the_rounding_of_the_numerics_xdna) {
  using kernels::Rounding;
  CHECK(!load_text("{}").device_rounding());
  CHECK(!load_text(R"({"vaip": {"rounding": "floor"}})").device_rounding());
  const auto rounding = [](const std::string& text) { return load_text(text).device_rounding().value(); };
  CHECK(rounding(R"({"vaip": {"numerics": "xdna"}})") == Rounding::positive_inf);
  CHECK(rounding(R"({"vaip": {"numerics": "xdna", "rounding": "symmetric_zero"}})") == Rounding::symmetric_zero);
  // AMD's flag, of a target or an option; the option is stronger, and "rounding" than both.
  const std::string target =
      R"("passes": [], "targets": [{"name": "t", "pass": [], "py3_round": true}], "target": "t")";
  const std::string nested =
      R"("passes": [], "targets": [{"name": "t", "pass": [], "target_opts": {"py3Round": true}}], "target": "t")";
  for (const std::string& amd : {target, nested})
    CHECK(rounding("{" + amd + R"(, "vaip": {"numerics": "xdna"}})") == Rounding::conv_even);
  CHECK(rounding("{" + target + R"(, "vaip": {"numerics": "xdna", "rounding": "ceil"}})") == Rounding::ceil);
  CHECK(
      rounding("{" + target + R"(, "sessionOptions": {"xlnx_enable_py3_round": "0"}, "vaip": {"numerics": "xdna"}})") ==
      Rounding::positive_inf);
  CHECK(resolve_config({{"numerics", "xdna"}, {"target_opts", R"({"py3_round": true})"}}).rounding ==
        Rounding::conv_even);
  CHECK(resolve_config({{"numerics", "xdna"}, {"xlnx_enable_py3_round", "1"}}).rounding == Rounding::conv_even);
  CHECK(resolve_config({{"numerics", "xdna"}, {"rounding", "conv_odd"}}).rounding == Rounding::conv_odd);
}

TEST(errors_name_file_pointer_and_expectation) {
  const TemporaryFile file(R"({"vaip": {"minimum_nodes": "two"}})");
  CHECK_THROWS(load_config(file.path()), file.path() + ": /vaip/minimum_nodes: expected an integer >= 1, got \"two\"");
  CHECK_THROWS(load_text(R"({"vaip": {"exclude": {"patterns": ["a", "("]}}})"),
               ": /vaip/exclude/patterns/1: not a valid regular expression (ECMAScript): \"(\"");
  CHECK_THROWS(load_text(R"({"vaip": {"device": "strixx"}})"),
               ": /vaip/device: unknown device 'strixx'; did you mean \"strix\"?");
  CHECK_THROWS(load_text(R"({"vaip": {"stack": "vitis"}})"), ": /vaip/stack: unknown stack");
  CHECK_THROWS(load_text(R"({"vaip": {"rounding": "nearest"}})"),
               ": /vaip/rounding: expected one of \"floor\", \"ceil\", \"positive_inf\"");
  CHECK_THROWS(load_text(R"({"vaip": {"device": "phoenix", "rows": 5}})"),
               ": /vaip/rows: expected an integer from 1 to 4 (the rows of phoenix's array), got 5");
  CHECK_THROWS(load_text(R"({"vapi": {}})"), ": /vapi: unknown key \"vapi\"; did you mean \"vaip\"?");
  CHECK_THROWS(load_text(R"({"minimum_nodes": 3})"),
               ": /minimum_nodes: the key \"minimum_nodes\" belongs in the section");
  CHECK_THROWS(load_text(R"({"pases": []})"), "did you mean \"passes\"?");
}

TEST(amd_files_load_unchanged) {
  const Config cnn = load_config(kData + "amd_cnn.json");
  CHECK(cnn.quantized_pass);
  CHECK_EQ(cnn.target, "");
  const Config targets = load_config(kData + "amd_targets.json");
  CHECK_EQ(targets.target, "xcompiler");
  CHECK_EQ(targets.device, "strix");
  CHECK_EQ(*targets.columns, 4);
  CHECK_EQ(targets.xclbin, "AMD_AIE2P_4x4_Overlay_2904.xclbin");
  CHECK(!targets.enable_f32_to_bf16_conversion);
  const Config vaiml = load_config(kData + "amd_targets.json", "VAIML");
  CHECK(vaiml.quantized_pass && vaiml.enable_f32_to_bf16_conversion == true);
  CHECK_EQ(vaiml.device, "phoenix");
  // A fragment of a file (no passes) and a vaiml_config by itself: the packaged passes.
  CHECK_EQ(load_text(R"({"target": "T", "targets": [{"name": "T", "pass": ["init", "fuse_DPU"]}]})").target, "T");
  CHECK(load_text(R"({"optimize_level": 3, "fe_experiment": "use-accurate-mode=LayerNorm2PassAdf"})").quantized_pass);
  CHECK(load_text(R"({"enable_f32_to_bf16_conversion": true})").enable_f32_to_bf16_conversion == true);
  CHECK(load_text(R"({"enable_f32_to_bf16_conversion": true, "vaip": {"enable_f32_to_bf16_conversion": false}})")
            .enable_f32_to_bf16_conversion == false);
}

TEST(which_passes_offload) {
  const auto offloads = [](const std::string& pass) {
    return load_text(R"({"passes": [{"name": "init", "plugin": "vaip-pass_init"}, )" + pass + "]}").quantized_pass;
  };
  CHECK(offloads(R"({"name": "a", "plugin": "vaip-pass_level1_dpu"})"));
  CHECK(!offloads(R"({"name": "a", "plugin": "vaip-pass_level1_dpu", "disabled": true})"));
  CHECK(offloads(R"({"name": "a", "plugin": "vaip-pass_level1_dd_cxx"})"));
  CHECK(offloads(R"({"name": "a", "plugin": "vaip-pass_gemm_asr", "pass_asr_config": {"opt_level": 3}})"));
  CHECK(offloads(
      R"({"name": "a", "plugin": "vaip-pass_py_ext", "pyExt": {"moduleName": "voe.passes.fuse_MATMULINTEGER"}})"));
  CHECK(offloads(
      R"({"name": "a", "plugin": "vaip-pass_py_ext", "py_ext": {"module_name": "voe.passes.fuse_GEMM_qdq"}})"));
  CHECK(!offloads(R"({"name": "a", "plugin": "vaip-pass_py_ext", "pyExt": {"moduleName": "voe.passes.fuse_NMS"}})"));
  CHECK(!offloads(R"({"name": "a", "plugin": "vaip-pass_of_my_own"})"));
  const Config checked = load_config(kData + "amd_targets.json", "checked");
  CHECK(!checked.quantized_pass);
  CHECK_EQ(checked.passes_in_use, kData + "amd_targets.json: /targets/2/pass");
}

TEST(unknown_plugins_are_warned_of) {
  const std::string text = R"({"passes": [
      {"name": "init", "plugin": "vaip-pass_init"},
      {"name": "fuse_DPU", "plugin": "vaip-pass_level1_dup"},
      {"name": "next", "plugin": "vaip-pass_level1_dpu2"},
      {"name": "off", "plugin": "vaip-pass_off", "disabled": true},
      {"name": "merge", "plugin": "vaip-pass_dd_merge_of_some_release"},
      {"name": "rules", "plugin": "vaip-pass_py_ext", "pyExt": {"moduleName": "voe.passes.fuse_NMS"}}],
    "targets": [{"name": "T", "pass": ["init", "merge"]}, {"name": "U", "pass": ["init", "fuse_DPU"]}]})";
  const Config all = load_text(text);
  CHECK_EQ(all.warnings.size(), std::size_t{2});
  CHECK_EQ(all.warnings[0], all.source +
                                ": /passes/1/plugin: unknown plug-in \"vaip-pass_level1_dup\" of pass \"fuse_DPU\", "
                                "which has no effect; did you mean \"vaip-pass_level1_dpu\"?");
  CHECK(all.warnings[1].find("of pass \"next\", which by its name counts as one that offloads") != std::string::npos);
  CHECK(all.quantized_pass);
  CHECK(load_text(text, "T").warnings.empty());  // not among its passes
  const Config misspelt = load_text(text, "U");
  CHECK_EQ(misspelt.warnings.size(), std::size_t{1});
  CHECK(!misspelt.quantized_pass);
  for (const char* name : {"amd_cnn.json", "amd_targets.json"}) CHECK(load_config(kData + name).warnings.empty());
  CHECK(resolve_config({}).warnings.empty());
}

TEST(targets) {
  const std::string path = kData + "amd_targets.json";
  CHECK_THROWS(
      load_config(path, "xcompilr"),
      "option \"target\": No valid target found: xcompilr; valid targets are: xcompiler, VAIML, checked, dangling, X1, "
      "X2; did you mean \"xcompiler\"?");
  CHECK_THROWS(load_config(path, "dangling"),
               path +
                   ": /targets/3/pass/1: Pass not found: fuse_DPUU; valid passes are: init, fuse_DPU, vaiml_partition, "
                   "checks; did you mean \"fuse_DPU\"?");
  CHECK_THROWS(load_text(R"({"passes": [], "target": "T"})"),
               ": /target: No valid target found: T; valid targets are: X1, X2");
  CHECK_EQ(load_config(path, "X1").device, "phoenix");
  CHECK_EQ(load_config(path, "X2").device, "strix");
  CHECK_EQ(resolve_config({{"target", "X1"}}).device, "phoenix");
  CHECK_EQ(resolve_config({{"target", "X1"}, {"device", "strix"}}).device, "strix");
  CHECK_EQ(resolve_config({{"target", "VAIML"}}).target, "VAIML");
}

TEST(thresholds_of_amd_apply_on_request_only) {
  const std::string path = kData + "amd_targets.json";
  CHECK(!load_config(path).minimum_num_of_conv);
  const Config amd = resolve_config({{"config_file", path}, {"compatibility", "amd"}});
  CHECK_EQ(*amd.minimum_num_of_conv, 3);  // of the target, not of the pass
  CHECK_EQ(*amd.dpu_subgraph_num, 8);
  const Config cnn = resolve_config({{"config_file", kData + "amd_cnn.json"}, {"compatibility", "amd"}});
  CHECK_EQ(*cnn.minimum_num_of_conv, 2);
  CHECK_EQ(*cnn.dpu_subgraph_num, 32);
  CHECK(cnn.trailing_reshapes_stay);
  CHECK(!amd.trailing_reshapes_stay);  // its DPU pass has no such sub-pass
  const Config packaged = resolve_config({{"compatibility", "amd"}});
  CHECK_EQ(*packaged.minimum_num_of_conv, 2);
  CHECK_EQ(*packaged.dpu_subgraph_num, 32);
  CHECK(packaged.trailing_reshapes_stay);
  const auto with_sub_pass = [](const std::string& more) {
    return load_text(R"({"vaip": {"compatibility": "amd"}, "passes": [{"name": "d", "plugin": "vaip-pass_level1_dpu",
        "passDpuParam": {"sub_pass": [{"name": "e", )" +
                     more + R"("plugin": "vaip-pass_convert_ending_blacklist_ops_to_unknown_op"}]}}]})")
        .trailing_reshapes_stay;
  };
  CHECK(with_sub_pass(""));
  CHECK(!with_sub_pass(R"("disabled": true, )"));
  CHECK_THROWS(load_text(R"({"passes": [{"name": "d", "plugin": "p", "passDpuParam": {"minimum_num_of_conv": "2"}}]})"),
               ": /passes/0/passDpuParam/minimum_num_of_conv: expected an integer");
  CHECK_THROWS(load_text(R"({"passes": [{"name": "d", "plugin": "p",
      "passDpuParam": {"xcompilerAttrs": {"dpu_subgraph_num": {"intValue": "many"}}}}]})"),
               ": /passes/0/passDpuParam/xcompilerAttrs/dpu_subgraph_num/intValue: expected an integer");
  CHECK_THROWS(load_text(R"({"vaip": {"compatibility": "amdd"}})"),
               ": /vaip/compatibility: expected one of \"none\", \"amd\", got \"amdd\"; did you mean \"amd\"?");
  const Config option =
      resolve_config({{"config_file", path},
                      {"compatibility", "amd"},
                      {"target_opts", R"({"xcompilerAttrs": {"dpu_subgraph_num": {"uintValue": 1}}})"}});
  CHECK_EQ(*option.dpu_subgraph_num, 1);
  CHECK_THROWS(resolve_config({{"target_opts", "{"}}), "option \"target_opts\":1:2: not valid JSON");
  CHECK_THROWS(resolve_config({{"target_opts", R"({"minimum_num_of_conv": "2"})"}}),
               "option \"target_opts\": /minimum_num_of_conv: expected an integer");
}

TEST(options_override_the_file) {
  const std::string file = R"({"cacheDir": "amd", "enable_cache_file_io_in_mem": false,
      "vaip": {"device": "phoenix", "cache_key": "file", "num_threads": 1}, "sessionOptions": {"num_threads": "2", "opt_level": "3"}})";
  const Config config = resolve_with(file, {{"device", "strix"}, {"cachekey", "option"}, {"log_level", "info"}});
  CHECK_EQ(config.device, "strix");
  CHECK_EQ(config.cache_key, "option");
  CHECK_EQ(config.cache_dir, "amd");
  CHECK_EQ(config.num_threads, 2);
  CHECK(!config.enable_cache_file_io_in_mem);
  CHECK_EQ(config.log_level, "info");
  CHECK_EQ(resolve_with(file, {{"num_threads", "7"}}).num_threads, 7);
}

TEST(spellings_and_values_of_options) {
  for (const char* spelling : {"cacheDir", "cache_dir", "cachedir", "CACHE_DIR"}) {
    CHECK_EQ(resolve_config({{spelling, "x"}}).cache_dir, "x");
  }
  for (const char* yes : {"1", "true", "True"})
    CHECK(resolve_config({{"ai_analyzer_profiling", yes}}).ai_analyzer_profiling);
  for (const char* no : {"0", "false", "FALSE"}) {
    CHECK(!resolve_config({{"enable_cache_file_io_in_mem", no}}).enable_cache_file_io_in_mem);
  }
  CHECK(resolve_config({{"fallback", "error"}}).fallback == partition::Fallback::error);
  CHECK_EQ(resolve_config({{"opt_level", "65536"}, {"num_of_dpu_runners", "4"}, {"xlnx_enable_py3_round", "0"}}).device,
           "strix");
  CHECK_EQ(resolve_config({{"cacheDir", "x"}, {"cache_dir", "x"}}).cache_dir, "x");
  CHECK_THROWS(resolve_config({{"cacheDir", "x"}, {"cache_dir", "y"}}), "which is the same option");
  CHECK_THROWS(resolve_config({{"devise", "strix"}}),
               "option \"devise\": unknown option; did you mean \"device\"? (known options: ");
  CHECK_THROWS(resolve_config({{"zzz", ""}}), "cache_dir, cache_key, columns");
  CHECK_THROWS(resolve_config({{"num_threads", "two"}}),
               "option \"num_threads\": expected an integer from 0 to 1024, got \"two\"");
  CHECK_THROWS(resolve_config({{"num_threads", "3x"}}), "got \"3x\"");
  CHECK_THROWS(resolve_config({{"num_threads", "-1"}}), "got -1");
  CHECK_THROWS(resolve_config({{"ai_analyzer_profiling", "maybe"}}), "expected 0, 1, true or false, got \"maybe\"");
  CHECK_THROWS(resolve_config({{"log_level", "verbos"}}),
               "expected one of \"error\", \"warning\", \"info\", \"debug\"");
  CHECK_THROWS(resolve_config({{"opt_level", "7"}}), "option \"opt_level\": expected one of \"0\", \"1\"");
  CHECK_THROWS(resolve_config({{"rounding", "conv_evn"}}), "option \"rounding\": expected one of \"floor\"");
  CHECK_THROWS(resolve_config({{"rounding", "conv_evn"}}), "did you mean \"conv_even\"?");
  CHECK_THROWS(resolve_config({{"encryption_key", "abc"}}),
               "option \"encryption_key\": expected a string that matches");
  CHECK_THROWS(resolve_config({{"device", "stryx"}}),
               "option \"device\": unknown device 'stryx'; did you mean \"strix\"?");
  CHECK_THROWS(resolve_config({{"config_file", ""}}), "option \"config_file\": expected a non-empty string");
  CHECK_THROWS(resolve_with(R"({"sessionOptions": {"devise": "x"}})", {}), ": /sessionOptions/devise: unknown option");
}

TEST(xclbin_selects_the_array) {
  const auto array = [](const std::string& name) {
    const auto overlay = partition::overlay_of_xclbin(name);
    return overlay ? overlay->device + " " + std::to_string(overlay->rows) + " " + std::to_string(overlay->columns)
                   : "";
  };
  CHECK_EQ(array("1x4.xclbin"), "phoenix 4 1");
  CHECK_EQ(array("4x4.xclbin"), "phoenix 4 4");
  CHECK_EQ(array("C:\\voe-4.0-win_amd64\\xclbins\\phoenix\\4x4.xclbin"), "phoenix 4 4");
  CHECK_EQ(array("/opt/xclbins/AMD_AIE2P_4x4_Overlay.xclbin"), "strix 4 4");
  CHECK_EQ(array("AMD_AIE2P_4x4_Overlay_2904.xclbin"), "strix 4 4");
  CHECK_EQ(array("AMD_AIE2P_4x8_CMC_Overlay.xclbin"), "strix 4 8");
  CHECK_EQ(array("AMD_AIE2P_8x4_Overlay.xclbin"), "strix 4 8");
  CHECK_EQ(array("AMD_AIE2P_Nx4_Overlay.xclbin"), "strix 4 1");
  CHECK_EQ(array("AMD_AIE2_Nx4_Overlay.xclbin"), "phoenix 4 1");
  CHECK_EQ(array("my.xclbin"), "");
  CHECK_EQ(array("4x4"), "");
  CHECK_EQ(array(""), "");

  const Config phoenix = resolve_config({{"xclbin", "4x4.xclbin"}});
  CHECK_EQ(phoenix.device, "phoenix");
  CHECK_EQ(*phoenix.rows * 10 + *phoenix.columns, 44);
  CHECK_EQ(resolve_config({{"xclbin", "AMD_AIE2P_4x4_Overlay.xclbin"}, {"device", "krackan"}}).device, "krackan");
  CHECK_EQ(*resolve_config({{"xclbin", "4x4.xclbin"}, {"columns", "2"}}).columns, 2);
  CHECK_THROWS(resolve_config({{"xclbin", "my.xclbin"}}),
               "option \"xclbin\": unknown xclbin name \"my.xclbin\"; accepted are ");
  CHECK_THROWS(
      resolve_config({{"xclbin", "4x4.xclbin"}, {"device", "strix"}}),
      "\"4x4.xclbin\" is an overlay of 4 rows and 4 columns for phoenix (xdna1), and the device is strix (xdna2");
}

VAIP_TEST_MAIN()
