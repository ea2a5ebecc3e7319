// The library's exported entries: those that onnxruntime calls and VAIP's own.
#include <algorithm>
#include <cstring>

#include "custom_ops/domains.h"
#include "ep/factory.h"
#include "ep/session_registry.h"
#include "ort/status.h"
#include "vaip/ep_api.h"

#define VAIP_EXPORT extern "C" __attribute__((visibility("default")))

namespace vaip::ep {
namespace {

size_t get_session_ids(uint64_t* ids, size_t capacity) noexcept {
  try {
    const std::vector<std::uint64_t> alive = SessionRegistry::instance().ids();
    std::copy_n(alive.begin(), std::min(alive.size(), capacity), ids);
    return alive.size();
  } catch (...) {
    return 0;  // out of memory
  }
}

uint64_t find_session(const char* tag) noexcept {
  try {
    return SessionRegistry::instance().find_tagged(tag);
  } catch (...) {
    return 0;
  }
}

size_t get_report(uint64_t session_id, char* buffer, size_t capacity) noexcept {
  try {
    const std::shared_ptr<SessionRecord> record = SessionRegistry::instance().find(session_id);
    if (record == nullptr) return 0;
    const std::string json = report::to_json(record->snapshot());
    if (json.size() < capacity) std::memcpy(buffer, json.c_str(), json.size() + 1);
    return json.size() + 1;
  } catch (...) {
    return 0;
  }
}

constexpr VaipEpApi kApi = {VAIP_EP_API_VERSION, VAIP_VERSION, get_session_ids, find_session, get_report};

}  // namespace
}  // namespace vaip::ep

VAIP_EXPORT OrtStatus* CreateEpFactories(const char* registration_name, const OrtApiBase* api_base, const OrtLogger*,
                                         OrtEpFactory** factories, size_t max_factories,
                                         size_t* num_factories) noexcept {
  if (OrtStatus* too_old = vaip::ort::bind(*api_base)) return too_old;
  return vaip::ort::guard([&] {
    if (max_factories < 1) vaip::fail(vaip::ErrorKind::invalid_argument, "CreateEpFactories: no room for a factory");
    factories[0] = &vaip::ep::Factory::of(registration_name);
    *num_factories = 1;
  });
}

VAIP_EXPORT OrtStatus* ReleaseEpFactory(OrtEpFactory*) noexcept {
  return nullptr;  // factories are kept, see Factory::of
}

// What SessionOptions::RegisterCustomOpsLibrary looks for.
VAIP_EXPORT OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* api_base) noexcept {
  if (OrtStatus* too_old = vaip::ort::bind(*api_base)) return too_old;
  return vaip::ort::guard([&] { vaip::custom_ops::add_missing_domains(*options); });
}

VAIP_EXPORT const VaipEpApi* VaipGetApi(uint32_t version) noexcept {
  return version == VAIP_EP_API_VERSION ? &vaip::ep::kApi : nullptr;
}
