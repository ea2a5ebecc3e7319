#include "device/device.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "check.h"
#include "embedded.h"

namespace {

using namespace vaip;
using json::Value;

// Every leaf {"value", "unit", "source"} of a document, with its JSON pointer.
void for_each_quantity(const Value& value, const std::string& pointer,
                       const std::function<void(const std::string&, const Value&)>& visit) {
  if (!value.is_object()) return;
  if (value.contains("value")) {
    visit(pointer, value);
    return;
  }
  for (const auto& item : value.items()) for_each_quantity(item.value(), json::child(pointer, item.key()), visit);
}

Value document(const char* device) { return Value::parse(device::to_json(*device::load(device))); }

std::string failure(const Value& text) {
  try {
    device::device_from_json(text.dump(), "mine.json");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_config);
    return error.what();
  }
  return "no error";
}

bool mentions(const std::string& message, const std::string& part) { return message.find(part) != std::string::npos; }

struct TemporaryFile {
  std::filesystem::path path;
  explicit TemporaryFile(const std::string& text)
      : path(std::filesystem::temp_directory_path() /
             ("vaip_test_device_" + std::to_string(std::random_device{}()) + ".json")) {
    std::ofstream(path) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
};

}  // namespace

TEST(the_known_devices_and_stacks_load) {
  const std::vector<std::string> devices = device::names();
  for (const char* name : {"phoenix", "hawk_point", "ryzen_8700g", "strix", "krackan"})
    CHECK(std::find(devices.begin(), devices.end(), name) != devices.end());
  for (const std::string& name : devices) CHECK_EQ(device::load(name)->name, name);
  for (const std::string& name : device::stack_names()) CHECK_EQ(device::load_stack(name)->name, name);
  for (const char* name : {"vitisai", "taka", "iron", "air", "iree"}) CHECK_EQ(device::load_stack(name)->name, name);
}

TEST(published_figures_survive_loading) {
  const auto phoenix = device::load("phoenix"), strix = device::load("strix");
  CHECK_EQ(phoenix->clock_ghz, 1.0);
  CHECK_EQ(phoenix->array.rows * phoenix->array.columns, 16);
  CHECK_EQ(strix->array.rows * strix->array.columns, 32);
  CHECK_EQ(strix->core.data_memory_bytes, 65536);
  CHECK_EQ(strix->memory_tile.bytes, 524288);
  CHECK_EQ(phoenix->matmul.at("int8_int8").macs_per_cycle, 256.0);
  CHECK_EQ(strix->matmul.at("int8_int8").macs_per_cycle, 512.0);
}

TEST(names_are_forgiving_and_aliases_work) {
  CHECK_EQ(device::load("8700G")->name, "ryzen_8700g");
  CHECK_EQ(device::load("8700g")->clock_ghz, 1.8);
  CHECK_EQ(device::load("Hawk-Point")->name, "hawk_point");
  CHECK_EQ(device::load("STX")->name, "strix");
  CHECK(device::load("strix") == device::load("strix"));  // parsed once
}

TEST(aliases_are_unambiguous) {
  std::set<std::string> seen;
  for (const std::string& name : device::names()) {
    CHECK(seen.insert(name).second);
    for (const std::string& alias : device::load(name)->aliases) CHECK(seen.insert(alias).second);
  }
}

TEST(an_unknown_name_lists_the_known_ones) {
  CHECK_THROWS(device::load("strixx"), "unknown device 'strixx'");
  CHECK_THROWS(device::load("strixx"), "did you mean \"strix\"");
  CHECK_THROWS(device::load("strixx"), "phoenix");
  CHECK_THROWS(device::load_stack("irn"), "iron");
  CHECK_THROWS(device::load("/no/such/file.json"), "/no/such/file.json");
}

TEST(a_stack_file_has_its_own_variants) {
  Value document = Value::parse(device::to_json(*device::load_stack("air")));
  document["variants"] = {
      {"late", {{"generations.xdna2.dispatch.launch_us", {{"value", 1234}, {"source", "this test"}}}}}};
  const TemporaryFile file(document.dump());
  const std::string path = file.path.string();  // has a slash, which a name has not
  CHECK_EQ(device::load_stack(path)->name, "air");
  const auto late = device::load_stack(path + ":late");
  CHECK_EQ(late->name, "air:late");
  CHECK_EQ(late->profile("xdna2").dispatch.launch_us, 1234.0);
  CHECK_EQ(late->profile("xdna1").dispatch.launch_us, device::load_stack("air")->profile("xdna1").dispatch.launch_us);
  CHECK_THROWS(device::load_stack(path + ":direct"), path + ": no variant 'direct'; it has late");
  CHECK_THROWS(device::load_stack(path + ":"), path + ": no variant ''");
  CHECK_THROWS(device::load_stack("air:late"), "unknown stack 'air:late'");
  const TemporaryFile wrong(R"({"name": "mine", "variants": []})");
  CHECK_THROWS(device::load_stack(wrong.path.string() + ":late"), wrong.path.string() + ": ");
  const std::string beside = path + ":beside.json";  // a colon in a file's name
  std::filesystem::copy_file(file.path, beside);
  CHECK_EQ(device::load_stack(beside)->name, "air");
  CHECK_EQ(device::load_stack(beside + ":late")->name, "air:late");
  std::filesystem::remove(beside);
}

TEST(every_stack_covers_every_generation) {
  for (const std::string& stack : device::stack_names())
    for (const std::string& name : device::names())
      CHECK(device::load_stack(stack)->profile(device::load(name)->generation).kernels.matmul.count("default") == 1);
  CHECK_THROWS(device::load_stack("taka")->profile("xdna9"), "xdna9");
}

TEST(every_number_has_unit_and_source) {
  int seen = 0;
  const auto check = [&](const std::string& pointer, const Value& quantity) {
    ++seen;
    if (!quantity.contains("source") || quantity["source"].get<std::string>().size() < 4 ||
        quantity["source"] == "not stated")
      test::report(pointer.c_str(), 0, "no source");
    const bool of_variant = pointer.find("/variants/") != std::string::npos;  // its unit is that of the field
    if (!quantity["value"].is_boolean() && !of_variant && !quantity.contains("unit"))
      test::report(pointer.c_str(), 0, "no unit");
  };
  for (const std::string& name : device::names()) for_each_quantity(document(name.c_str()), "", check);
  for (const std::string& name : device::stack_names())
    for_each_quantity(Value::parse(device::to_json(*device::load_stack(name))), "", check);
  CHECK(seen > 500);
}

TEST(json_round_trips) {
  for (const std::string& name : device::names()) {
    const std::string text = device::to_json(*device::load(name));
    CHECK_EQ(device::to_json(device::device_from_json(text, "copy")), text);
    // Nothing in the shipped file is dropped on the way.
    Value shipped = json::parse(embedded::file("csrc/device/devices/" + name + ".json"), name);
    shipped.erase("$schema");
    CHECK(shipped == Value::parse(text));
  }
  for (const std::string& name : device::stack_names()) {
    const std::string text = device::to_json(*device::load_stack(name));
    CHECK_EQ(device::to_json(device::stack_from_json(text, "copy")), text);
    Value shipped = json::parse(embedded::file("csrc/device/stacks/" + name + ".json"), name);
    shipped.erase("$schema");
    CHECK(shipped == Value::parse(text));
  }
}

TEST(a_file_of_ones_own_loads) {
  Value mine = document("strix");
  mine["name"] = "mine";
  mine["dram"]["read_gbps"]["value"] = 77;
  const TemporaryFile file(mine.dump());
  const auto loaded = device::load(file.path.string());
  CHECK_EQ(loaded->name, "mine");
  CHECK_EQ(loaded->dram.read_gbps, 77.0);
  CHECK_EQ(loaded->sources.at("dram.read_gbps"), device::load("strix")->sources.at("dram.read_gbps"));
}

// Each number in turn: missing, negative, absurd, of the wrong type, in the wrong unit. The error names file and
// pointer.
TEST(every_number_is_checked) {
  const Value good = document("strix");
  std::vector<std::string> pointers;
  for_each_quantity(good, "", [&](const std::string& pointer, const Value&) { pointers.push_back(pointer); });
  CHECK(pointers.size() > 30);
  for (const std::string& pointer : pointers) {
    const json::Value::json_pointer at(pointer), value_at(pointer + "/value"), unit_at(pointer + "/unit");
    const auto expect = [&](Value bad, const std::string& what) {
      const std::string message = failure(bad);
      if (!mentions(message, "mine.json") || !mentions(message, pointer))
        test::report(pointer.c_str(), 0, what + ": " + message);
    };
    Value bad = good;
    bad[value_at] = -3;
    expect(bad, "negative");
    bad[value_at] = 1e12;
    expect(bad, "absurd");
    bad[value_at] = "fast";
    expect(bad, "a string");
    bad[value_at] = nullptr;
    expect(bad, "null");
    bad = good;
    bad[unit_at] = "furlongs";
    expect(bad, "wrong unit");
    bad = good;
    bad[at].erase("source");
    expect(bad, "no source");
    bad = good;
    bad[at] = 5;
    expect(bad, "a bare number");

    const std::string key = at.back(), parent = at.parent_pointer().to_string();
    bad = good;
    if (parent.empty())
      bad.erase(key);
    else
      bad[at.parent_pointer()].erase(key);
    const std::string message = failure(bad);
    if (!mentions(message, "mine.json") || !mentions(message, key)) test::report(pointer.c_str(), 0, message);
  }
}

TEST(unknown_fields_and_broken_files_are_errors) {
  Value bad = document("phoenix");
  bad["dram"]["read_gps"] = bad["dram"]["read_gbps"];
  CHECK(mentions(failure(bad), "read_gps"));
  bad = document("phoenix");
  bad["matmul"]["int8_int9"] = bad["matmul"]["int8_int8"];
  CHECK(mentions(failure(bad), "int8_int9"));
  bad = document("phoenix");
  bad["array"]["rows"]["value"] = 2.5;
  CHECK(mentions(failure(bad), "/array/rows/value"));
  bad = document("phoenix");
  bad["dram"]["combined_gbps"]["value"] = 1000;
  CHECK(mentions(failure(bad), "/dram/combined_gbps/value"));
  CHECK(mentions(failure(Value::array()), "mine.json"));
  CHECK_THROWS(device::device_from_json("{", "mine.json"), "mine.json:1");
  CHECK_THROWS(device::device_from_json("", "mine.json"), "mine.json");
  CHECK_THROWS(device::stack_from_json("{\"name\": 3}", "s.json"), "s.json");
}

TEST(a_stack_needs_a_default_kernel) {
  Value stack = Value::parse(device::to_json(*device::load_stack("iron")));
  stack["generations"]["xdna1"]["kernels"]["matmul"].erase("default");
  CHECK_THROWS(device::stack_from_json(stack.dump(), "s.json"), "/generations/xdna1/kernels/matmul");
}

TEST(overrides_by_dotted_path) {
  const device::Device device = device::with_overrides(
      *device::load("strix"),
      {{"dram.read_gbps", "30"}, {"array.columns", "4"}, {"matmul.int8_int8.macs_per_cycle", "128.5"}});
  CHECK_EQ(device.dram.read_gbps, 30.0);
  CHECK_EQ(device.array.columns, 4);
  CHECK_EQ(device.matmul.at("int8_int8").macs_per_cycle, 128.5);
  CHECK_EQ(device.sources.at("dram.read_gbps"), "override");
  CHECK_EQ(device.dram.write_gbps, device::load("strix")->dram.write_gbps);
  CHECK_EQ(device::load("strix")->dram.read_gbps, 50.0);  // the shared one is untouched

  const device::Stack stack = device::with_overrides(
      *device::load_stack("vitisai"),
      {{"generations.xdna2.dispatch.layer_us", "5"}, {"generations.xdna2.dataflow.activations_in_l2", "false"}});
  CHECK_EQ(stack.profile("xdna2").dispatch.layer_us, 5.0);
  CHECK(!stack.profile("xdna2").dataflow.activations_in_l2);
  CHECK(stack.profile("xdna1").dataflow.activations_in_l2);
}

TEST(bad_overrides_are_errors) {
  const device::Device& strix = *device::load("strix");
  CHECK_THROWS(device::with_overrides(strix, {{"dram.read_gps", "30"}}), "did you mean \"dram.read_gbps\"");
  CHECK_THROWS(device::with_overrides(strix, {{"dram", "30"}}), "only numbers and flags");
  CHECK_THROWS(device::with_overrides(strix, {{"dram.read_gbps.value", "30"}}), "dram.read_gbps.value");
  CHECK_THROWS(device::with_overrides(strix, {{"", "30"}}), "override");
  CHECK_THROWS(device::with_overrides(strix, {{"name", "x"}}), "only numbers and flags");
  CHECK_THROWS(device::with_overrides(strix, {{"dram.read_gbps", "fast"}}), "expected a number");
  CHECK_THROWS(device::with_overrides(strix, {{"dram.read_gbps", ""}}), "expected a number");
  CHECK_THROWS(device::with_overrides(strix, {{"dram.read_gbps", "nan"}}), "dram");
  CHECK_THROWS(device::with_overrides(strix, {{"dram.read_gbps", "-1"}}),
               "dram.read_gbps=-1: expected a number from 0.1 to 10000, got -1");
  CHECK_THROWS(device::with_overrides(strix, {{"array.rows", "1.5"}}), "array.rows=1.5: expected an integer from 1 to");
}

TEST(formats) {
  using device::Format;
  CHECK_EQ(device::bytes(Format::int4, 3), 2);  // packed, rounded up
  CHECK_EQ(device::bytes(Format::bfp16, 8), 9);
  CHECK_EQ(device::bytes(Format::bf16, 5), 10);
  CHECK_EQ(device::pair_key(Format::int16, Format::int8), "int16_int8");
  for (const char* name : {"int4", "int8", "int16", "int32", "int64", "bf16", "bfp16", "f32"})
    CHECK_EQ(device::name(device::format_from_name(name)), name);
  CHECK_THROWS(device::format_from_name("int7"), "bf16");
}

TEST(operands_are_widened_to_what_the_device_multiplies) {
  using device::Format;
  const device::Device& phoenix = *device::load("phoenix");
  CHECK_EQ(device::find_matmul(phoenix, Format::int8, Format::int8)->rate.macs_per_cycle, 256.0);
  CHECK_EQ(device::find_matmul(phoenix, Format::int4, Format::int4)->rate.macs_per_cycle, 512.0);  // as int8 x int4
  const auto f32 = device::find_matmul(phoenix, Format::f32, Format::f32);
  CHECK(f32->a == Format::bf16 && f32->b == Format::bf16);
  const auto mixed = device::find_matmul(phoenix, Format::bf16, Format::int4);
  CHECK(mixed->a == Format::bf16 && mixed->b == Format::bf16);
  CHECK(!device::find_matmul(phoenix, Format::int32, Format::int8));
}

VAIP_TEST_MAIN()
