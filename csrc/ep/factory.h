// What onnxruntime gets when it loads the library: the devices on which VitisAIEP runs, and a provider per session.
#pragma once

#include <string>

#include "ort/api.h"

namespace vaip::ep {

inline constexpr const char* kProviderName = "VitisAIEP";

class Factory : public OrtEpFactory {
 public:
  // The factory of a registration name. It lives as long as the process: a session that outlives its registration still
  // calls ReleaseEp on it, and onnxruntime may release factories while the process exits.
  static Factory& of(const std::string& registration_name);

 private:
  Factory();
  void list_devices(const OrtHardwareDevice* const* devices, size_t num_devices, OrtEpDevice** ep_devices,
                    size_t max_ep_devices, size_t& num_ep_devices);
  OrtEpDevice* make_ep_device(const OrtHardwareDevice& hardware, const char* kind);

  OrtHardwareDevice* virtual_npu_ = nullptr;  // onnxruntime's OrtEpDevice keeps a pointer to it
};

}  // namespace vaip::ep
