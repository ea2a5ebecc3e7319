#include "partition/amd_plugins.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"
#include "partition/amd_fields.h"

namespace vaip::partition {
namespace {

using json::Value;

constexpr const char* kPythonRules = "vaip-pass_py_ext";

// The plug-ins that put quantized layers on the device: the CNN compiler, dynamic dispatch, the LLM and Whisper passes
// and the BF16 compiler, which takes quantized models too. All others (init, graph clean-up) only prepare.
constexpr std::array<const char*, 10> kOffloadingPlugins = {"vaip-pass_level1_dpu", "vaip-pass_level1_dd",
                                                            "vaip-pass_dd_",        "vaip-pass_matmul_nbits",
                                                            "vaip-pass_mladf_mlp",  "vaip-pass_ssmlp",
                                                            "vaip-pass_norm_k",     "vaip-pass_vaiml",
                                                            "vaip-pass_gemm_asr",   "vaip-pass_fuse_device_subgraph"};
// vaip-pass_py_ext runs rules of a Python module; these modules offload.
constexpr std::array<const char*, 7> kOffloadingModules = {
    "voe.passes.fuse_GEMM",          "voe.passes.fuse_MATMUL",      "voe.passes.fuse_QDQ_MATMUL", "voe.passes.fuse_DPU",
    "voe.passes.fuse_MATMULINTEGER", "voe.passes.fuse_MATMULNBITS", "voe.passes.dynamic_dispatch"};

// Some hundred plug-ins each for one pattern of a model, with new ones in every release.
constexpr const char* kMergingPlugins = "vaip-pass_dd_merge_";

// The others, of the configuration files of AMD's releases and of its open-source provider (amd/vaip).
const std::vector<std::string>& known_plugins() {
  static const std::vector<std::string> names = {
      "vaip-pass_init",
      "vaip-pass_level1_dpu",
      "vaip-pass_level1_dd",
      "vaip-pass_level1_dd_cxx",
      "vaip-pass_level1_dd_cxx_gen_txn",
      "vaip-pass_vaiml",
      "vaip-pass_vaiml_lt",
      "vaip-pass_vaiml_partition",
      "vaip-pass_matmul_nbits",
      "vaip-pass_mladf_mlp",
      "vaip-pass_ssmlp",
      "vaip-pass_norm_k",
      "vaip-pass_gemm_asr",
      "vaip-pass_gqa",
      "vaip-pass_fuse_device_subgraph",
      kPythonRules,
      "vaip-pass_const_add_fix",
      "vaip-pass_const_fold_batchnorm_to_scale",
      "vaip-pass_const_fold_transpose",
      "vaip-pass_convert_MHA",
      "vaip-pass_convert_ending_blacklist_ops_to_unknown_op",
      "vaip-pass_convert_instancenorm_to_groupnorm",
      "vaip-pass_convert_pad",
      "vaip-pass_convert_softmax_to_hard_softmax",
      "vaip-pass_convert_split_to_xir_op",
      "vaip-pass_convert_topk_to_xir_op",
      "vaip-pass_create_const_op",
      "vaip-pass_denotation",
      "vaip-pass_duplicate_dequantize",
      "vaip-pass_dynamic_input_batch",
      "vaip-pass_fuse_transpose",
      "vaip-pass_fuse_xmodel",
      "vaip-pass_graph_input_add_transpose",
      "vaip-pass_graph_label_example",
      "vaip-pass_graph_opt_fuse_Transpose",
      "vaip-pass_graph_opt_layout_transform_via_adding_Transpose",
      "vaip-pass_graph_output_add_node",
      "vaip-pass_layout_transform_via_adding_transpose",
      "vaip-pass_manual_partition",
      "vaip-pass_merge_add_into_conv_bias",
      "vaip-pass_merge_consecutive_fix",
      "vaip-pass_merge_duplicated_fix",
      "vaip-pass_merge_fix",
      "vaip-pass_merge_fix_fix_transpose",
      "vaip-pass_merge_hard_sigmoid",
      "vaip-pass_merge_input_transpose",
      "vaip-pass_merge_many_transpose_into_single_transpose",
      "vaip-pass_merge_mul",
      "vaip-pass_merge_pad",
      "vaip-pass_npu_checker",
      "vaip-pass_quantize_model",
      "vaip-pass_remove_bottom_transpose",
      "vaip-pass_remove_extra_q_dq",
      "vaip-pass_remove_identity",
      "vaip-pass_remove_isolated_node",
      "vaip-pass_save_super_layer_node",
      "vaip-pass_to_xir_ops",
  };
  return names;
}

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

template <std::size_t Count>
bool starts_with_any(const std::string& text, const std::array<const char*, Count>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const char* prefix) { return starts_with(text, prefix); });
}

}  // namespace

bool offloads(const Value& pass) {
  const std::string plugin = string_member(pass, "plugin");
  if (plugin != kPythonRules) return starts_with_any(plugin, kOffloadingPlugins);
  const Value* rules = member(pass, "py_ext");
  return rules != nullptr && starts_with_any(string_member(*rules, "module_name"), kOffloadingModules);
}

std::string unknown_plugin(const Value& pass) {
  const std::string plugin = string_member(pass, "plugin");
  const std::vector<std::string>& known = known_plugins();
  if (starts_with(plugin, kMergingPlugins) || std::find(known.begin(), known.end(), plugin) != known.end()) return "";
  return detail::concat("unknown plug-in \"", plugin, "\" of pass \"", string_member(pass, "name"), "\", which ",
                        offloads(pass) ? "by its name counts as one that offloads layers" : "has no effect",
                        did_you_mean(plugin, known));
}

}  // namespace vaip::partition
