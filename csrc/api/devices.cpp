#include "api/guard.h"
#include "device/device.h"

namespace vaip {

std::vector<std::string> device_names() {
  return guarded([] { return device::names(); });
}

std::string device_json(const std::string& name_or_path) {
  return guarded([&] { return device::to_json(*device::load(name_or_path)); });
}

const char* version() { return VAIP_VERSION; }

}  // namespace vaip
