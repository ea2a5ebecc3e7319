#include "ep/factory.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "custom_ops/domains.h"
#include "ep/provider.h"
#include "ort/handles.h"
#include "ort/status.h"

namespace vaip::ep {
namespace {

// PCI ids of the NPUs in Strix and Krackan (Linux: drivers/accel/amdxdna/amdxdna_pci_drv.c).
constexpr std::uint32_t kAmdVendorId = 0x1022;
constexpr std::uint32_t kNpuDeviceId = 0x17f0;

// onnxruntime sets it for registration names that end in ".virtual"; an application can, when it makes its OrtEnv.
bool virtual_devices_allowed() {
  OrtKeyValuePairs* entries = nullptr;
  ort::check(ort::ep_api().GetEnvConfigEntries(&entries));
  return ort::KeyValuePairs(entries).value_or("allow_virtual_devices", "0") == "1";
}

OrtHardwareDevice* make_virtual_npu() {
  const ort::KeyValuePairs metadata(std::map<std::string, std::string>{{"is_virtual", "1"}});
  OrtHardwareDevice* device = nullptr;
  ort::check(ort::ep_api().CreateHardwareDevice(OrtHardwareDeviceType_NPU, kAmdVendorId, kNpuDeviceId, "AMD",
                                                metadata.get(), &device));
  return device;
}

}  // namespace

Factory& Factory::of(const std::string& registration_name) {
  struct Factories {
    std::mutex mutex;
    std::map<std::string, std::unique_ptr<Factory>> by_name;
  };
  static auto& factories = *new Factories;  // never destroyed, see the class
  const std::lock_guard lock(factories.mutex);
  std::unique_ptr<Factory>& factory = factories.by_name[registration_name];
  if (factory == nullptr) factory.reset(new Factory);
  return *factory;
}

Factory::Factory() : OrtEpFactory{} {
  ort_version_supported = ort::kStructVersion;
  GetName = [](const OrtEpFactory*) noexcept { return kProviderName; };
  GetVendor = [](const OrtEpFactory*) noexcept { return "AMD"; };
  GetVendorId = [](const OrtEpFactory*) noexcept { return kAmdVendorId; };
  GetVersion = [](const OrtEpFactory*) noexcept { return VAIP_VERSION; };
  GetSupportedDevices = [](OrtEpFactory* self, const OrtHardwareDevice* const* devices, size_t num_devices,
                           OrtEpDevice** ep_devices, size_t max_ep_devices, size_t* num_ep_devices) noexcept {
    return ort::guard([&] {
      static_cast<Factory*>(self)->list_devices(devices, num_devices, ep_devices, max_ep_devices, *num_ep_devices);
    });
  };
  CreateEp = [](OrtEpFactory*, const OrtHardwareDevice* const*, const OrtKeyValuePairs* const*, size_t,
                const OrtSessionOptions* session_options, const OrtLogger* logger, OrtEp** ep) noexcept {
    return ort::guard([&] { *ep = std::make_unique<Provider>(*session_options, logger).release(); });
  };
  ReleaseEp = [](OrtEpFactory*, OrtEp* ep) noexcept { delete static_cast<Provider*>(ep); };

  // Host memory is all that we need; onnxruntime calls these without asking whether they are set.
  CreateAllocator = [](OrtEpFactory*, const OrtMemoryInfo*, const OrtKeyValuePairs*,
                       OrtAllocator** allocator) noexcept -> OrtStatus* {
    *allocator = nullptr;
    return nullptr;
  };
  ReleaseAllocator = [](OrtEpFactory*, OrtAllocator*) noexcept {};
  CreateDataTransfer = [](OrtEpFactory*, OrtDataTransferImpl** data_transfer) noexcept -> OrtStatus* {
    *data_transfer = nullptr;
    return nullptr;
  };
  IsStreamAware = [](const OrtEpFactory*) noexcept { return false; };

  // Sessions that name the device, not those that name the provider: see vaip/operators.py.
  GetNumCustomOpDomains = [](OrtEpFactory*, size_t* count) noexcept {
    return ort::guard([&] { *count = custom_ops::domains().size(); });
  };
  GetCustomOpDomains = [](OrtEpFactory*, OrtCustomOpDomain** out, size_t count) noexcept {
    return ort::guard([&] {
      const Span<OrtCustomOpDomain* const> domains = custom_ops::domains();
      std::copy_n(domains.begin(), std::min(count, domains.size()), out);
    });
  };
}

OrtEpDevice* Factory::make_ep_device(const OrtHardwareDevice& hardware, const char* kind) {
  const ort::KeyValuePairs metadata(std::map<std::string, std::string>{{"simulated", "1"}, {"runs_on", kind}});
  OrtEpDevice* device = nullptr;
  ort::check(ort::ep_api().CreateEpDevice(this, &hardware, metadata.get(), nullptr, &device));
  return device;
}

void Factory::list_devices(const OrtHardwareDevice* const* devices, size_t num_devices, OrtEpDevice** ep_devices,
                           size_t max_ep_devices, size_t& num_ep_devices) {
  num_ep_devices = 0;
  for (size_t i = 0; i < num_devices && num_ep_devices < max_ep_devices; ++i) {
    if (ort::api().HardwareDevice_Type(devices[i]) == OrtHardwareDeviceType_CPU) {
      ep_devices[num_ep_devices++] = make_ep_device(*devices[i], "host CPU");
      break;
    }
  }
  if (num_ep_devices < max_ep_devices && virtual_devices_allowed()) {
    if (virtual_npu_ == nullptr) virtual_npu_ = make_virtual_npu();
    ep_devices[num_ep_devices++] = make_ep_device(*virtual_npu_, "virtual NPU");
  }
}

}  // namespace vaip::ep
