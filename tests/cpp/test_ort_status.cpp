// Errors and versions at onnxruntime's boundary, against an onnxruntime made of a few functions.
#include <map>
#include <new>
#include <stdexcept>
#include <string>

#include "check.h"
#include "ep/options.h"
#include "ort/api.h"
#include "ort/status.h"
#include "vaip/ep_api.h"

struct OrtStatus {
  OrtErrorCode code;
  std::string message;
};

namespace {

using vaip::ErrorKind;

int g_live_statuses = 0;
const char* g_version = "1.31.1";
unsigned g_asked_version = 0;

const OrtApi& fake_api() {
  static OrtApi api = [] {
    OrtApi table{};
    table.CreateStatus = [](OrtErrorCode code, const char* message) noexcept {
      ++g_live_statuses;
      return new OrtStatus{code, message};
    };
    table.GetErrorCode = [](const OrtStatus* status) noexcept { return status->code; };
    table.GetErrorMessage = [](const OrtStatus* status) noexcept { return status->message.c_str(); };
    table.ReleaseStatus = [](OrtStatus* status) noexcept {
      g_live_statuses -= status != nullptr ? 1 : 0;
      delete status;
    };
    table.GetEpApi = []() noexcept { return static_cast<const OrtEpApi*>(nullptr); };
    return table;
  }();
  return api;
}

OrtApiBase fake_base() {
  OrtApiBase base{};
  base.GetApi = [](std::uint32_t version) noexcept {
    g_asked_version = version;
    return &fake_api();
  };
  base.GetVersionString = []() noexcept { return g_version; };
  return base;
}

struct Outcome {
  OrtErrorCode code = ORT_OK;
  std::string message;
};

Outcome take(OrtStatus* status) {
  if (status == nullptr) return {};
  Outcome outcome{status->code, status->message};
  fake_api().ReleaseStatus(status);
  return outcome;
}

template <typename Body>
Outcome guarded(Body body) {
  return take(vaip::ort::guard(body));
}

}  // namespace

TEST(binds_to_onnxruntime_1_25_and_newer) {
  for (const char* version : {"1.25.0", "1.31.1", "2.0.0"}) {
    g_version = version;
    CHECK(vaip::ort::bind(fake_base()) == nullptr);
    CHECK_EQ(g_asked_version, vaip::ort::kRequiredApiVersion);
    CHECK(&vaip::ort::api() == &fake_api());
  }
}

TEST(older_onnxruntime_is_an_error_that_names_both_versions) {
  for (const char* version : {"1.24.4", "1.9.0", "0.5.0", "nonsense"}) {
    g_version = version;
    const Outcome outcome = take(vaip::ort::bind(fake_base()));
    CHECK_EQ(outcome.code, ORT_NOT_IMPLEMENTED);
    CHECK(outcome.message.find(std::string("VitisAIEP needs onnxruntime >= 1.25, this is ") + version) == 0);
    CHECK_EQ(g_asked_version, 1u);  // a newer table would not be there
  }
  g_version = "1.31.1";
  CHECK(vaip::ort::bind(fake_base()) == nullptr);
}

TEST(each_kind_of_error_has_its_code) {
  const std::map<ErrorKind, OrtErrorCode> codes = {{ErrorKind::invalid_config, ORT_INVALID_ARGUMENT},
                                                   {ErrorKind::invalid_model, ORT_INVALID_GRAPH},
                                                   {ErrorKind::invalid_argument, ORT_INVALID_ARGUMENT},
                                                   {ErrorKind::unsupported, ORT_NOT_IMPLEMENTED},
                                                   {ErrorKind::io, ORT_FAIL},
                                                   {ErrorKind::internal, ORT_RUNTIME_EXCEPTION}};
  for (const auto& [kind, code] : codes) {
    const Outcome outcome = guarded([kind = kind] { vaip::fail(kind, "node '", "conv1", "': no"); });
    CHECK_EQ(outcome.code, code);
    CHECK_EQ(outcome.message, "node 'conv1': no");
  }
}

TEST(nothing_gets_through_a_guard) {
  CHECK_EQ(guarded([] {}).code, ORT_OK);
  CHECK_EQ(guarded([] { throw std::bad_alloc(); }).message, "VitisAIEP: out of memory");
  CHECK_EQ(guarded([] { throw std::out_of_range("at"); }).code, ORT_RUNTIME_EXCEPTION);
  CHECK_EQ(guarded([] { throw 7; }).code, ORT_RUNTIME_EXCEPTION);
}

TEST(onnxruntimes_own_errors_keep_their_code_but_never_ep_fail) {
  const auto relayed = [](OrtErrorCode code) {
    return guarded([code] { vaip::ort::check(fake_api().CreateStatus(code, "no such node")); });
  };
  CHECK_EQ(relayed(ORT_NO_SUCHFILE).code, ORT_NO_SUCHFILE);
  CHECK_EQ(relayed(ORT_NO_SUCHFILE).message, "no such node");
  CHECK_EQ(relayed(ORT_EP_FAIL).code, ORT_FAIL);
  CHECK_EQ(g_live_statuses, 0);
}

TEST(options_are_the_entries_with_our_prefix) {
  const vaip::ep::ProviderOptions options = vaip::ep::select_options({{"ep.vitisaiep.device", "phoenix"},
                                                                      {"ep.vitisaiep.cacheDir", "/c"},
                                                                      {"ep.vitisaiep.device_id", "0"},
                                                                      {"ep.otherep.device", "x"},
                                                                      {"session.use_env_allocators", "1"},
                                                                      {"ep.context_enable", "0"}});
  const std::map<std::string, std::string> expected = {{"device", "phoenix"}, {"cacheDir", "/c"}};
  CHECK(options.entries == expected);
  CHECK(!options.context.make);
  const vaip::ep::ContextOptions context =
      vaip::ep::select_options(
          {{"ep.context_enable", "1"}, {"ep.context_embed_mode", "1"}, {"ep.context_file_path", "/m/model_ctx.onnx"}})
          .context;
  CHECK(context.make && context.embed);
  CHECK_EQ(context.model_path, "/m/model_ctx.onnx");
}

TEST(intra_op_threads_are_known_where_entries_tell) {
  const auto threads = [](const std::map<std::string, std::string>& entries) {
    return vaip::ep::select_options(entries).intra_op_threads;
  };
  CHECK_EQ(threads({}), 0);
  CHECK_EQ(threads({{VAIP_INTRA_OP_NUM_THREADS, "3"}}), 3);
  CHECK_EQ(threads({{"session.intra_op_thread_affinities", ""}}), 0);
  CHECK_EQ(threads({{"session.intra_op_thread_affinities", "1"}}), 2);
  CHECK_EQ(threads({{"session.intra_op_thread_affinities", "1,2;3-4;5"}}), 4);
  CHECK_EQ(threads({{"session.intra_op_thread_affinities", "1;2"}, {VAIP_INTRA_OP_NUM_THREADS, "1"}}), 1);
  for (const char* wrong : {"", "two", "2x", "-1", "99999999999"}) {
    const std::map<std::string, std::string> entries = {{VAIP_INTRA_OP_NUM_THREADS, wrong}};
    CHECK_THROWS(threads(entries), VAIP_INTRA_OP_NUM_THREADS);
  }
}

VAIP_TEST_MAIN()
