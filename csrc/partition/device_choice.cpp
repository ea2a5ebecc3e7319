#include "partition/device_choice.h"

#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "partition/overrides.h"
#include "partition/xclbin.h"

namespace vaip::partition {
namespace {

const Setting* find(const Settings& settings, const char* key) {
  const auto found = settings.find(key);
  return found == settings.end() ? nullptr : &found->second;
}

// Runs `load` and says in its error which setting asked for it.
template <typename Load>
auto load_for(const std::string& origin, const Load& load) {
  try {
    return load();
  } catch (const Error& error) {
    fail(error.kind(), origin, ": ", error.what());
  }
}

struct Choice {
  std::string device;
  std::string origin;  // the setting that decided
  std::optional<Overlay> overlay;
  std::string overlay_origin;
};

// Who decides on the device: the option device, then xclbin; the file's device; AMD's compiler names X1 (Phoenix and
// Hawk Point) and X2 (Strix and Krackan); the xclbin of the file's target; its vaiml_config.
Choice choose(const Settings& settings, const AmdSections& amd, Config& config) {
  const Setting* device = find(settings, "device");
  const Setting* xclbin = find(settings, "xclbin");
  const bool compiler = amd.target == "X1" || amd.target == "X2";
  Choice choice;
  if (xclbin != nullptr && xclbin->value != "") {
    config.xclbin = xclbin->value.get<std::string>();
    choice.overlay = overlay_of_xclbin(config.xclbin);
    choice.overlay_origin = xclbin->origin;
    if (!choice.overlay) {
      fail(ErrorKind::invalid_config, xclbin->origin, ": unknown xclbin name ", json::excerpt(xclbin->value),
           "; accepted are ", accepted_xclbin_names());
    }
  } else if (device == nullptr && !compiler && !amd.xclbin.empty()) {
    choice.overlay = overlay_of_xclbin(amd.xclbin);  // AMD ships more names than those that tell the array
    choice.overlay_origin = amd.xclbin_origin;
    if (choice.overlay) config.xclbin = amd.xclbin;
  }
  const bool overlay_decides = choice.overlay && (device == nullptr || !device->from_session);
  if (overlay_decides) {
    choice.device = choice.overlay->device;
    choice.origin = choice.overlay_origin;
  } else if (device != nullptr) {
    choice.device = device->value.get<std::string>();
    choice.origin = device->origin;
  } else if (compiler) {
    choice.device = amd.target == "X1" ? "phoenix" : "strix";
    choice.origin = "target " + amd.target;
  } else if (!amd.vaiml_device.empty()) {
    choice.device = amd.vaiml_device;
    choice.origin = config.source + ": vaiml_config";
  } else {
    choice.device = config.device;
    choice.origin = "built-in defaults";
  }
  return choice;
}

void limit(const Settings& settings, const char* key, std::int64_t available, const std::string& device,
           std::optional<int>& out) {
  if (const Setting* setting = find(settings, key)) {
    const std::int64_t wanted = setting->value.get<std::int64_t>();
    if (wanted > available) {
      fail(ErrorKind::invalid_config, setting->origin, ": expected an integer from 1 to ", available, " (the ", key,
           " of ", device, "'s array), got ", wanted);
    }
    out = static_cast<int>(wanted);
  }
}

}  // namespace

void choose_device(const Settings& settings, const AmdSections& amd, Config& config) {
  const Choice choice = choose(settings, amd, config);
  config.device = choice.device;
  load_for(choice.origin, [&] { return device::load(choice.device); });
  const std::string overrides_origin =
      find(settings, "overrides") != nullptr ? find(settings, "overrides")->origin : "";
  const Overrides overrides = read_overrides(settings);
  config.device_overrides = overrides.device;
  config.stack_overrides = overrides.stack;
  const auto device = load_for(overrides_origin, [&] { return device_of(config); });
  if (choice.overlay) {
    const auto family = device::load(choice.overlay->device);
    if (family->generation != device->generation || choice.overlay->columns > device->array.columns ||
        choice.overlay->rows > device->array.rows) {
      fail(ErrorKind::invalid_config, choice.overlay_origin, ": \"", config.xclbin, "\" is an overlay of ",
           choice.overlay->rows, " rows and ", choice.overlay->columns, " columns for ", family->name, " (",
           family->generation, "), and the device is ", device->name, " (", device->generation, ", ",
           device->array.rows, " rows, ", device->array.columns, " columns)");
    }
    config.rows = choice.overlay->rows;
    config.columns = choice.overlay->columns;
  }
  limit(settings, "rows", device->array.rows, device->name, config.rows);
  limit(settings, "columns", device->array.columns, device->name, config.columns);

  if (const Setting* stack = find(settings, "stack")) config.stack = stack->value.get<std::string>();
  load_for(find(settings, "stack") != nullptr ? find(settings, "stack")->origin : "built-in defaults",
           [&] { return device::load_stack(config.stack)->profile(device->generation); });
  load_for(overrides_origin, [&] { return stack_of(config, *device); });
}

std::shared_ptr<const device::Device> device_of(const Config& config) {
  auto named = device::load(config.device);
  if (config.device_overrides.empty()) return named;
  return std::make_shared<const device::Device>(device::with_overrides(*named, config.device_overrides));
}

std::shared_ptr<const device::Stack> stack_of(const Config& config, const device::Device& device) {
  auto named = device::load_stack(config.stack);
  if (config.stack_overrides.empty()) return named;
  return std::make_shared<const device::Stack>(
      device::with_profile_overrides(*named, device.generation, config.stack_overrides));
}

}  // namespace vaip::partition
