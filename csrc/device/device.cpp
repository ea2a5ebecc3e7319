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

// What comes with VAIP, parsed once.
template <typename T>
using Library = std::map<std::string, std::shared_ptr<const T>>;

template <typename T>
Library<T> read_embedded(std::string_view folder, T (*read)(const json::Value&, const std::string&)) {
  Library<T> library;
  for (const embedded::File& file : embedded::files()) {
    if (file.name.substr(0, folder.size()) != folder) continue;
    const std::string name(file.name.substr(folder.size(), file.name.rfind('.') - folder.size()));
    const std::string origin(file.name);
    library[name] = std::make_shared<const T>(read(json::parse(file.text, origin), origin));
  }
  return library;
}

const Library<Device>& devices() {
  static const Library<Device> library = read_embedded<Device>(kDeviceFolder, read_device);
  return library;
}

const Library<Stack>& stacks() {
  static const Library<Stack> library = [] {
    Library<Stack> result = read_embedded<Stack>(kStackFolder, read_stack);
    const Library<Stack> plain = result;
    for (const auto& [name, stack] : plain) {
      const std::string origin = std::string(kStackFolder) + name + ".json";
      for (const auto& [variant, fields] : stack->variants)
        result[name + ":" + variant] = std::make_shared<const Stack>(
            read_stack(select_variant(json::parse(embedded::file(origin), origin), variant, origin), origin));
    }
    return result;
  }();
  return library;
}

template <typename T>
std::vector<std::string> keys(const Library<T>& library) {
  std::vector<std::string> result;
  for (const auto& entry : library) result.push_back(entry.first);
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

std::vector<std::string> names() { return keys(devices()); }
std::vector<std::string> stack_names() {
  std::vector<std::string> result = keys(stacks());
  const auto is_variant = [](const std::string& name) { return name.find(':') != std::string::npos; };
  result.erase(std::remove_if(result.begin(), result.end(), is_variant), result.end());
  return result;
}

std::shared_ptr<const Device> load(const std::string& name_or_path) {
  if (is_path(name_or_path)) return std::make_shared<const Device>(read_device(json::load(name_or_path), name_or_path));
  const std::string wanted = canonical(name_or_path);
  for (const auto& [name, device] : devices()) {
    if (name == wanted) return device;
    for (const std::string& alias : device->aliases)
      if (canonical(alias) == wanted) return device;
  }
  fail_unknown("device", name_or_path, names());
}

std::shared_ptr<const Stack> load_stack(const std::string& name_or_path) {
  if (const auto file = stack_file(name_or_path)) return std::make_shared<const Stack>(read_stack_file(*file));
  const auto found = stacks().find(canonical(name_or_path));
  if (found == stacks().end()) fail_unknown("stack", name_or_path, keys(stacks()));
  return found->second;
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
