#include "base/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace vaip {
namespace {

// ASCII only, on purpose: option names and JSON keys must not depend on the process's locale.
std::string letters(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == ' ') continue;
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return out;
}

}  // namespace

std::size_t name_distance(std::string_view a, std::string_view b) {
  const std::string x = letters(a), y = letters(b);
  std::vector<std::size_t> before(y.size() + 1), row(y.size() + 1), next(y.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < x.size(); ++i) {
    next[0] = i + 1;
    for (std::size_t j = 0; j < y.size(); ++j) {
      next[j + 1] = std::min({next[j] + 1, row[j + 1] + 1, row[j] + (x[i] == y[j] ? 0 : 1)});
      const bool swapped = i > 0 && j > 0 && x[i] == y[j - 1] && x[i - 1] == y[j];
      if (swapped) next[j + 1] = std::min(next[j + 1], before[j - 1] + 1);
    }
    std::swap(before, row);
    std::swap(row, next);
  }
  return row.back();
}

std::string nearest(std::string_view written, Span<const std::string> known) {
  constexpr std::size_t kLongestName = 200;  // longer ones are not slips, and the distance is quadratic
  if (written.size() > kLongestName) return "";
  const std::string* best = nullptr;
  std::size_t best_distance = 0;
  for (const std::string& candidate : known) {
    const std::size_t distance = name_distance(written, candidate);
    const std::size_t longer = std::max(letters(written).size(), letters(candidate).size());
    if (3 * distance > longer) continue;
    if (best == nullptr || distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best == nullptr ? "" : *best;
}

std::string did_you_mean(std::string_view written, Span<const std::string> known) {
  const std::string name = nearest(written, known);
  return name.empty() ? "" : "; did you mean \"" + name + "\"?";
}

std::string join(Span<const std::string> names, std::string_view separator) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += separator;
    out += name;
  }
  return out;
}

}  // namespace vaip
