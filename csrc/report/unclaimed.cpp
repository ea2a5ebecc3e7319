#include "report/unclaimed.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vaip::report {
namespace {

constexpr std::size_t kNamesPerLine = 4;

std::string label(const NodeEntry& node) {
  if (!node.name.empty()) return "`" + node.name + "`";
  return "(" + (node.outputs.empty() ? "" : node.outputs.front()) + ")";
}

struct Group {  // of one operator and one reason
  std::vector<const NodeEntry*> nodes;
};

std::vector<Group> groups_of(const SessionReport& report) {
  std::vector<Group> groups;
  std::map<std::pair<std::string, std::string>, std::size_t> known;
  for (const NodeEntry& node : report.nodes) {
    if (node.claimed) continue;
    const auto [entry, added] = known.emplace(std::pair(node.op_type, node.reason), groups.size());
    if (added) groups.emplace_back();
    groups[entry->second].nodes.push_back(&node);
  }
  return groups;
}

std::string line(const Group& group) {
  const NodeEntry& first = *group.nodes.front();
  const std::size_t named = std::min(kNamesPerLine, group.nodes.size());
  std::string out = "\n  " + first.op_type + (first.name.empty() ? "" : " ") + label(first);
  for (std::size_t i = 1; i < named; ++i) out += ", " + label(*group.nodes[i]);
  if (group.nodes.size() > named) out += detail::concat(" and ", group.nodes.size() - named, " more");
  return out + ": " + first.reason;
}

}  // namespace

std::size_t count_unclaimed(const SessionReport& report) {
  return static_cast<std::size_t>(
      std::count_if(report.nodes.begin(), report.nodes.end(), [](const NodeEntry& node) { return !node.claimed; }));
}

std::string list_unclaimed(const SessionReport& report, std::size_t most_lines) {
  std::string out;
  if (count_unclaimed(report) <= most_lines) {
    for (const NodeEntry& node : report.nodes) {
      if (!node.claimed) out += line({{&node}});
    }
    return out;
  }
  const std::vector<Group> groups = groups_of(report);
  std::size_t left = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i < most_lines) {
      out += line(groups[i]);
    } else {
      left += groups[i].nodes.size();
    }
  }
  if (left > 0) out += detail::concat("\n  and ", left, left == 1 ? " other" : " others");
  return out;
}

}  // namespace vaip::report
