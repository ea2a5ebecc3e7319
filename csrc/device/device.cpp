#include "device/device.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/nearest.h"
#include "device/document.h"
#include "device/overrides.h"
#include "embedded.h"

namespace vaip::device {
namespace {

constexpr std::string_view kDeviceFolder = "csrc/device/devices/";
constexpr std::string_view kStackFolder = "csrc/device/stacks/";

// "8700G", "hawk-point" and "Hawk Point" are as good as "8700g" and "hawk_point".
std::string canonical(std::string_view name) {
  std::string result;
  for (const char c : name)
    result += c == '-' || c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// What comes with VAIP, each parsed when it is first asked for: a session needs one device and one stack.
template <typename T>
class Library {
 public:
  using Read = T (*)(const std::string& name);
  Library(std::string_view folder, Read read) : read_(read) {
    for (const embedded::File& file : embedded::files())
      if (file.name.substr(0, folder.size()) == folder)
        names_.emplace_back(file.name.substr(folder.size(), file.name.rfind('.') - folder.size()));
    std::sort(names_.begin(), names_.end());
  }

  const std::vector<std::string>& names() const { return names_; }
  bool has(const std::string& name) const { return std::binary_search(names_.begin(), names_.end(), name); }
  std::shared_ptr<const T> get(const std::string& name) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<const T>& entry = entries_[name];
    if (entry == nullptr) entry = std::make_shared<const T>(read_(name));
    return entry;
  }

 private:
  Read read_;
  std::vector<std::string> names_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const T>> entries_;
};

json::Value embedded_document(const std::string& origin) { return json::parse(embedded::file(origin), origin); }

const Library<Device>& devices() {
  static const Library<Device> library(kDeviceFolder, [](const std::string& name) {
    const std::string origin = std::string(kDeviceFolder) + name + ".json";
    return read_device(embedded_document(origin), origin);
  });
  return library;
}

// A stack's name, or with a variant of it: "name:variant".
const Library<Stack>& stacks() {
  static const Library<Stack> library(kStackFolder, [](const std::string& name) {
    const std::size_t colon = name.find(':');
    const std::string origin = std::string(kStackFolder) + name.substr(0, colon) + ".json";
    json::Value document = embedded_document(origin);
    if (colon != std::string::npos) document = select_variant(std::move(document), name.substr(colon + 1), origin);
    return read_stack(document, origin);
  });
  return library;
}

std::vector<std::string> stack_names_with_variants() {
  std::vector<std::string> result;
  for (const std::string& name : stacks().names()) {
    result.push_back(name);
    for (const auto& entry : stacks().get(name)->variants) result.push_back(name + ":" + entry.first);
  }
  return result;
}

bool is_path(const std::string& text) {
  constexpr std::string_view kExtension = ".json";
  const bool has_extension = text.size() > kExtension.size() &&
                             text.compare(text.size() - kExtension.size(), kExtension.size(), kExtension) == 0;
  return has_extension || text.find('/') != std::string::npos || text.find('\\') != std::string::npos;
}

// "file.json:variant"; a colon that belongs to a path has more of the path behind it.
struct StackFile {
  std::string path;
  std::optional<std::string> variant;
};
std::optional<StackFile> stack_file(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos && !is_path(text.substr(colon + 1)) && is_path(text.substr(0, colon)))
    return StackFile{text.substr(0, colon), text.substr(colon + 1)};
  if (is_path(text)) return StackFile{text, std::nullopt};
  return std::nullopt;
}

Stack read_stack_file(const StackFile& file) {
  json::Value document = json::load(file.path);
  stack_schema().validate(document, file.path);  // what select_variant() takes for granted
  if (file.variant) document = select_variant(std::move(document), *file.variant, file.path);
  return read_stack(document, file.path);
}

[[noreturn]] void fail_unknown(const char* what, const std::string& name, const std::vector<std::string>& known) {
  fail(ErrorKind::invalid_config, "unknown ", what, " '", name, "'", did_you_mean(name, known),
       "; known: ", join(known), ", or the path of a .json file");
}

}  // namespace

std::vector<std::string> names() { return devices().names(); }
std::vector<std::string> stack_names() { return stacks().names(); }

std::shared_ptr<const Device> load(const std::string& name_or_path) {
  if (is_path(name_or_path)) return std::make_shared<const Device>(read_device(json::load(name_or_path), name_or_path));
  const std::string wanted = canonical(name_or_path);
  if (devices().has(wanted)) return devices().get(wanted);
  for (const std::string& name : devices().names()) {
    auto device = devices().get(name);
    for (const std::string& alias : device->aliases)
      if (canonical(alias) == wanted) return device;
  }
  fail_unknown("device", name_or_path, names());
}

std::shared_ptr<const Stack> load_stack(const std::string& name_or_path) {
  if (const auto file = stack_file(name_or_path)) return std::make_shared<const Stack>(read_stack_file(*file));
  const std::string wanted = canonical(name_or_path);
  const std::size_t colon = wanted.find(':');
  const std::string name = wanted.substr(0, colon);
  if (stacks().has(name)) {
    auto stack = stacks().get(name);
    if (colon == std::string::npos) return stack;
    if (stack->variants.count(wanted.substr(colon + 1)) != 0) return stacks().get(wanted);
  }
  fail_unknown("stack", name_or_path, stack_names_with_variants());
}

std::string to_json(const Device& device) { return write(device).dump(2); }
std::string to_json(const Stack& stack) { return write(stack).dump(2); }

Device device_from_json(const std::string& text, const std::string& origin) {
  return read_device(json::parse(text, origin), origin);
}

Stack stack_from_json(const std::string& text, const std::string& origin) {
  return read_stack(json::parse(text, origin), origin);
}

Device with_overrides(Device device, const Overrides& overrides) {
  const std::string origin = "device " + device.name;
  json::Value document = override_fields(write(std::move(device)), overrides, {origin, {}, ""}, device_schema());
  // The shared cap never exceeds the sum of the directions: whoever lowers one of these means the cap to follow.
  json::Value& dram = document.at("dram");
  const double sum = dram.at("read_gbps").at("value").get<double>() + dram.at("write_gbps").at("value").get<double>();
  if (overrides.count("dram.combined_gbps") == 0 && dram.at("combined_gbps").at("value").get<double>() > sum) {
    dram.at("combined_gbps").at("value") = sum;
    dram.at("combined_gbps").at("source") = "follows from an override: the sum of read_gbps and write_gbps";
  }
  return read_device(document, origin);
}

Stack with_overrides(Stack stack, const Overrides& overrides) {
  const std::string origin = "stack " + stack.name;
  return read_stack(override_fields(write(std::move(stack)), overrides, {origin, {}, ""}, stack_schema()), origin);
}

Stack with_profile_overrides(Stack stack, const std::string& generation, const Overrides& overrides) {
  (void)stack.profile(generation);  // there is one
  const std::string origin = "stack " + stack.name + " (" + generation + ")";
  const OverrideScope scope = {origin, {"generations", generation}, "stack."};
  return read_stack(override_fields(write(std::move(stack)), overrides, scope, stack_schema()), origin);
}

std::vector<std::string> override_paths(const Device& device, const Stack& stack) {
  std::vector<std::string> paths = field_paths(write(device));
  for (const std::string& path : field_paths(write(stack).at("generations").at(device.generation)))
    paths.push_back("stack." + path);
  return paths;
}

const Profile& Stack::profile(const std::string& generation) const {
  const auto found = generations.find(generation);
  if (found != generations.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& entry : generations) known.push_back(entry.first);
  fail(ErrorKind::invalid_config, "stack '", name, "' has no profile of device generation '", generation, "'; it has ",
       join(known));
}

std::optional<MatmulChoice> find_matmul(const Device& device, Format a, Format b) {
  // Each format with those that hold all of its values, narrowest first; the matrix unit takes float32 as bf16.
  const auto widened = [](Format format) -> std::vector<Format> {
    switch (format) {
      case Format::int4:
        return {Format::int4, Format::int8, Format::int16, Format::bf16};
      case Format::int8:
        return {Format::int8, Format::int16, Format::bf16};
      case Format::int16:
        return {Format::int16};
      case Format::bf16:
      case Format::f32:
        return {Format::bf16};
      case Format::bfp16:
        return {Format::bfp16, Format::bf16};
      case Format::int32:
      case Format::int64:
        return {};
    }
    return {};
  };
  std::optional<MatmulChoice> best;
  for (const Format wide_a : widened(a)) {
    for (const Format wide_b : widened(b)) {
      const auto found = device.matmul.find(pair_key(wide_a, wide_b));
      if (found == device.matmul.end()) continue;
      const MatmulChoice choice{wide_a, wide_b, found->second};
      if (wide_a == a && wide_b == b) return choice;
      if (!best || choice.rate.macs_per_cycle > best->rate.macs_per_cycle) best = choice;
    }
  }
  return best;
}

}  // namespace vaip::device
