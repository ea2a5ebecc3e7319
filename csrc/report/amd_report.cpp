// AMD's own report and console lines, field by field: the StatProto of its capability.proto as protobuf prints it in
// JSON. That leaves out empty and zero fields and writes 64-bit integers as strings.
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "report/session_report.h"

namespace vaip::report {
namespace {

using Json = nlohmann::ordered_json;

// An ordered object that grows copies what it holds, so it gets room for all its fields first.
Json object_of(std::size_t fields) {
  Json out = Json::object();
  out.get_ref<Json::object_t&>().reserve(fields);
  return out;
}

const char* device_of(const NodeEntry& node) { return node.claimed ? "NPU" : "CPU"; }

std::map<std::string, std::size_t> nodes_by_device(const SessionReport& report) {
  std::map<std::string, std::size_t> counts;
  for (const NodeEntry& node : report.nodes) ++counts[device_of(node)];
  return counts;
}

// As AMD counts: all that stays on the CPU is one subgraph.
std::vector<std::pair<std::string, std::size_t>> subgraphs_by_device(const SessionReport& report) {
  std::vector<std::pair<std::string, std::size_t>> counts;
  if (nodes_by_device(report).count("CPU") != 0) counts.emplace_back("CPU", 1);
  if (!report.clusters.empty()) {
    counts.emplace_back("NPU", report.clusters.size());
    counts.emplace_back("Actually running on NPU", report.clusters.size());
  }
  return counts;
}

Json device_stat(const SessionReport& report, const std::string& device, bool all) {
  std::set<std::string> op_types;
  std::size_t count = 0;
  for (const NodeEntry& node : report.nodes) {
    if (!all && device != device_of(node)) continue;
    op_types.insert(node.domain + "::" + node.op_type);
    ++count;
  }
  Json out = object_of(3);
  out["name"] = device;
  if (count != 0) out["nodeNum"] = count;
  if (!op_types.empty()) out["supportedOpType"] = op_types;
  return out;
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

Json node_stat(const NodeEntry& node) {
  std::vector<std::string> inputs = node.inputs;
  std::replace(inputs.begin(), inputs.end(), std::string(), std::string("VAIP_NOT_EXISTS"));
  Json out = object_of(7);
  if (!node.outputs.empty()) out["output"] = node.outputs;
  if (!inputs.empty()) out["input"] = inputs;
  if (!node.domain.empty()) out["opDomain"] = node.domain;
  out["opType"] = node.op_type;
  out["comment"] = "[" + listed(node.outputs) + "] = " + node.domain + "::" + node.op_type + "(" + listed(inputs) + ")";
  out["device"] = device_of(node);
  if (!node.claimed) out["reason"] = node.reason;  // ours
  return out;
}

Json shape_info(const std::string& name, const frontend::TensorInfo& info) {
  Json out = object_of(2);
  out["name"] = name;
  if (!info.has_shape) {
    out["isUnknown"] = true;
  } else if (info.shape.empty()) {
    out["isScalar"] = true;
  } else {
    for (const std::int64_t dimension : info.shape) out["shape"].push_back(std::to_string(dimension));
  }
  return out;
}

// setw(6) name, setw(6) count, a blank: longer names push the columns.
std::string column(const std::string& name, std::size_t count) {
  char number[32];
  std::snprintf(number, sizeof number, "%6zu ", count);
  return std::string(name.size() < 6 ? 6 - name.size() : 0, ' ') + name + number;
}

}  // namespace

std::string to_amd_json(const SessionReport& report) {
  Json devices = Json::array({device_stat(report, "all", true)}), nodes, shapes, subgraphs;
  for (const auto& [device, count] : nodes_by_device(report)) devices.push_back(device_stat(report, device, false));
  for (const NodeEntry& node : report.nodes) nodes.push_back(node_stat(node));
  for (const auto& [name, info] : report.shapes) shapes.push_back(shape_info(name, info));
  for (const auto& [device, count] : subgraphs_by_device(report)) {
    subgraphs.push_back({{"device", device}, {"count", count}});
  }
  const std::array<std::pair<const char*, Json*>, 4> parts = {
      {{"deviceStat", &devices}, {"nodeStat", &nodes}, {"shapeInfo", &shapes}, {"subgraphStat", &subgraphs}}};
  Json out = object_of(parts.size());
  for (const auto& [key, part] : parts)
    if (!part->empty()) out[key] = std::move(*part);
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string console_lines(const SessionReport& report) {
  std::string out = "[Vitis AI EP] No. of Operators :";
  const auto counts = nodes_by_device(report);
  for (const auto& [device, count] : counts) out += column(device, count);
  if (const auto npu = counts.find("NPU"); npu != counts.end()) {
    char share[32];
    std::snprintf(share, sizeof share, "%6.2f%%",
                  100.0 * static_cast<double>(npu->second) / static_cast<double>(report.nodes.size()));
    out += share;
  }
  out += "\n[Vitis AI EP] No. of Subgraphs :";
  for (const auto& [device, count] : subgraphs_by_device(report)) out += column(device, count);
  return out + "\n";
}

}  // namespace vaip::report
