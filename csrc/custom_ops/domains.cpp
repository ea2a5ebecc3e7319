#include "custom_ops/domains.h"

#include <array>
#include <memory>

#include "custom_ops/custom_op.h"
#include "custom_ops/instance_normalization.h"
#include "custom_ops/quantize_linear.h"
#include "ort/handles.h"

namespace vaip::custom_ops {
namespace {

using ort::api;
using ort::check;

OrtCustomOpDomain* make_domain(const char* name, std::initializer_list<const OrtCustomOp*> operators) {
  OrtCustomOpDomain* domain = nullptr;
  check(api().CreateCustomOpDomain(name, &domain));
  for (const OrtCustomOp* op : operators) check(api().CustomOpDomain_Add(domain, op));
  return domain;
}

// Whether onnxruntime takes the domain beside those of the options. It has no function that tells, but refuses a name
// that is taken when a session is made, before it looks at the model: here, one that is no model.
bool has_room(const OrtSessionOptions& options, OrtCustomOpDomain* domain) {
  using Options = std::unique_ptr<OrtSessionOptions, ort::Releaser<&OrtApi::ReleaseSessionOptions>>;
  using Env = std::unique_ptr<OrtEnv, ort::Releaser<&OrtApi::ReleaseEnv>>;
  OrtSessionOptions* copy = nullptr;
  check(api().CloneSessionOptions(&options, &copy));
  const Options owned_copy(copy);
  check(api().DisableProfiling(copy));  // it would write a file
  check(api().AddCustomOpDomain(copy, domain));
  OrtEnv* env = nullptr;
  check(api().CreateEnv(ORT_LOGGING_LEVEL_WARNING, "vaip", &env));  // the process's own, where it has one
  const Env owned_env(env);
  constexpr char kNoModel = '\x7F';
  OrtSession* session = nullptr;
  const ort::Status status(api().CreateSessionFromArray(env, &kNoModel, 1, copy, &session));
  return status != nullptr && api().GetErrorCode(status.get()) == ORT_INVALID_PROTOBUF;
}

}  // namespace

Span<OrtCustomOpDomain* const> domains() {
  static const CustomOp<QuantizeLinear> quantize("ExtendedQuantizeLinear"), vitis_quantize("VitisQuantizeLinear");
  static const CustomOp<DequantizeLinear> dequantize("ExtendedDequantizeLinear"),
      vitis_dequantize("VitisDequantizeLinear");
  static const CustomOp<InstanceNormalization> normalize("ExtendedInstanceNormalization"),
      vitis_normalize("VitisInstanceNormalization");
  static const std::array<OrtCustomOpDomain*, 2> all = {
      make_domain("com.amd.quark", {&quantize, &dequantize, &normalize}),
      make_domain("com.vai.quantize", {&vitis_quantize, &vitis_dequantize, &vitis_normalize})};
  return {all.data(), all.size()};
}

void add_missing_domains(OrtSessionOptions& options) {
  for (OrtCustomOpDomain* domain : domains()) {
    if (has_room(options, domain)) check(api().AddCustomOpDomain(&options, domain));
  }
}

}  // namespace vaip::custom_ops
