#include "ort/api.h"

#include <atomic>
#include <cstdio>

namespace vaip::ort {
namespace {

// Atomic because a library may be registered from several threads; every bind() of a process stores the same tables.
std::atomic<const OrtApi*> g_api{nullptr};
std::atomic<const OrtEpApi*> g_ep_api{nullptr};

// onnxruntime 1.N has the API versions 1 to N. GetApi() itself prints to stderr when asked for too much, so ask first.
unsigned newest_api_version(const char* onnxruntime_version) noexcept {
  unsigned major = 0, minor = 0;
  if (onnxruntime_version == nullptr || std::sscanf(onnxruntime_version, "%u.%u", &major, &minor) != 2) return 0;
  return major == 1 ? minor : major > 1 ? kRequiredApiVersion : 0;
}

OrtStatus* too_old(const OrtApiBase& base) noexcept {
  char message[256];
  const char* version = base.GetVersionString();
  std::snprintf(message, sizeof message,
                "VitisAIEP needs onnxruntime >= 1.%u, this is %s. Install a newer one: pip install -U onnxruntime",
                unsigned{kRequiredApiVersion}, version != nullptr ? version : "of an unknown version");
  return base.GetApi(1)->CreateStatus(ORT_NOT_IMPLEMENTED, message);  // CreateStatus is there since version 1
}

}  // namespace

OrtStatus* bind(const OrtApiBase& base) noexcept {
  if (newest_api_version(base.GetVersionString()) < kRequiredApiVersion) return too_old(base);
  const OrtApi* table = base.GetApi(kRequiredApiVersion);
  if (table == nullptr) return too_old(base);
  g_ep_api.store(table->GetEpApi());
  g_api.store(table);
  return nullptr;
}

const OrtApi& api() noexcept { return *g_api.load(std::memory_order_relaxed); }
const OrtEpApi& ep_api() noexcept { return *g_ep_api.load(std::memory_order_relaxed); }

}  // namespace vaip::ort
