#include "device/document.h"

#include <string>
#include <utility>
#include <vector>

#include "base/json_schema.h"
#include "device/fields.h"
#include "embedded.h"

namespace vaip::device {
namespace {

using json::Value;
using Sources = std::map<std::string, std::string>;

class Path {  // dotted, of the field being visited
 public:
  void push(std::string_view key) { keys_.emplace_back(key); }
  void pop() { keys_.pop_back(); }
  std::string to(std::string_view leaf) const {
    std::string path;
    for (const std::string& key : keys_) path.append(key).append(".");
    return path.append(leaf);
  }

 private:
  std::vector<std::string> keys_;
};

// Fills a description from a document that the schema has accepted.
class Reader final : public FieldVisitor {
 public:
  Reader(const Value& document, Sources& sources) : objects_{&document}, sources_(sources) {}

  void begin(std::string_view key) override {
    objects_.push_back(&member(key));
    path_.push(key);
  }
  void end() override {
    objects_.pop_back();
    path_.pop();
  }
  std::vector<std::string> keys(const std::vector<std::string>&) override {
    std::vector<std::string> result;
    for (const auto& item : objects_.back()->items()) result.push_back(item.key());
    return result;
  }
  void text(std::string_view key, std::string& value) override { value = member(key).get<std::string>(); }
  void texts(std::string_view key, std::vector<std::string>& value) override {
    value = member(key).get<std::vector<std::string>>();
  }
  void flag(std::string_view key, bool& value) override { value = quantity(key).get<bool>(); }
  void number(std::string_view key, double& value, std::string_view) override { value = quantity(key).get<double>(); }
  void integer(std::string_view key, std::int64_t& value, std::string_view) override {
    value = quantity(key).get<std::int64_t>();
  }

 private:
  const Value& member(std::string_view key) const { return objects_.back()->at(std::string(key)); }
  const Value& quantity(std::string_view key) {
    const Value& field = member(key);
    sources_[path_.to(key)] = field.at("source").get<std::string>();
    return field.at("value");
  }

  std::vector<const Value*> objects_;
  Path path_;
  Sources& sources_;
};

class Writer final : public FieldVisitor {
 public:
  Writer(Value& document, const Sources& sources) : objects_{&document}, sources_(sources) {}

  void begin(std::string_view key) override {
    Value& child = (*objects_.back())[std::string(key)];
    child = Value::object();
    objects_.push_back(&child);
    path_.push(key);
  }
  void end() override {
    objects_.pop_back();
    path_.pop();
  }
  std::vector<std::string> keys(const std::vector<std::string>& present) override { return present; }
  void text(std::string_view key, std::string& value) override { (*objects_.back())[std::string(key)] = value; }
  void texts(std::string_view key, std::vector<std::string>& value) override {
    (*objects_.back())[std::string(key)] = value;
  }
  void flag(std::string_view key, bool& value) override { write(key, value, ""); }
  void number(std::string_view key, double& value, std::string_view unit) override { write(key, value, unit); }
  void integer(std::string_view key, std::int64_t& value, std::string_view unit) override { write(key, value, unit); }

 private:
  template <typename T>
  void write(std::string_view key, const T& value, std::string_view unit) {
    const auto source = sources_.find(path_.to(key));
    Value& field = (*objects_.back())[std::string(key)];
    field["value"] = value;
    if (!unit.empty()) field["unit"] = unit;
    field["source"] = source == sources_.end() || source->second.empty() ? "not stated" : source->second;
  }

  std::vector<Value*> objects_;
  Path path_;
  const Sources& sources_;
};

template <typename T>
T read(const Value& document, const std::string& origin, const json::Schema& schema) {
  schema.validate(document, origin);
  T result;
  Reader reader(document, result.sources);
  visit(result, reader);
  return result;
}

template <typename T>
Value write_document(T& described) {
  Value document = Value::object();
  Writer writer(document, described.sources);
  visit(described, writer);
  return document;
}

}  // namespace

const json::Schema& device_schema() {
  static const json::Schema schema(json::parse(embedded::file("csrc/device/device.schema.json"), "device.schema.json"),
                                   "device.schema.json");
  return schema;
}

const json::Schema& stack_schema() {
  static const json::Schema schema(json::parse(embedded::file("csrc/device/stack.schema.json"), "stack.schema.json"),
                                   "stack.schema.json");
  return schema;
}

Device read_device(const Value& document, const std::string& origin) {
  Device device = read<Device>(document, origin, device_schema());
  if (device.dram.combined_gbps > device.dram.read_gbps + device.dram.write_gbps)
    json::fail_at(origin, "/dram/combined_gbps/value", "expected at most the sum of read_gbps and write_gbps");
  return device;
}

Stack read_stack(const Value& document, const std::string& origin) {
  Stack stack = read<Stack>(document, origin, stack_schema());
  if (const auto variants = document.find("variants"); variants != document.end())
    for (const auto& variant : variants->items())
      for (const auto& field : variant.value().items())
        stack.variants[variant.key()][field.key()] = {field.value().at("value").dump(),
                                                      field.value().at("source").get<std::string>()};
  for (const auto& [generation, profile] : stack.generations) {
    const std::string kernels = json::child("/generations", generation) + "/kernels";
    if (profile.kernels.matmul.count("default") == 0)
      json::fail_at(origin, kernels + "/matmul",
                    "expected an entry \"default\" for the pairs of types without their own");
    if (profile.kernels.convolution.count("default") == 0)
      json::fail_at(origin, kernels + "/convolution",
                    "expected an entry \"default\" for the pairs of types without their own");
  }
  return stack;
}

Value write(Device device) { return write_document(device); }
Value write(Stack stack) {
  Value document = write_document(stack);
  for (const auto& [variant, fields] : stack.variants)
    for (const auto& [path, field] : fields)
      document["variants"][variant][path] = {{"value", Value::parse(field.value)}, {"source", field.source}};
  return document;
}

}  // namespace vaip::device
