#include "partition/xclbin.h"

#include <regex>

namespace vaip::partition {
namespace {

// AMD counts columns first on AIE2 ("1x4": one column of four rows) and uses both orders on AIE2P ("4x8" and "8x4":
// eight columns of four rows). "N" stands for one column, of which N contexts run side by side. Every array has four
// rows. Names: Ryzen AI 1.0 to 1.7, runtime_setup.rst and modelrun.rst (1x4, 4x4, 5x4), XLNX_TARGET_NAME (AMD_AIE2*).
constexpr int kRows = 4;

struct Pattern {
  const char* regex;  // the first group: columns
  const char* device;
};
constexpr Pattern kPatterns[] = {
    {"(1|2|3|4|5|N)x4\\.xclbin", "phoenix"},
    {"AMD_AIE2_(1|2|3|4|5|N)x4(?:_\\w+)?_Overlay\\w*\\.xclbin", "phoenix"},
    {"AMD_AIE2P_(1|2|4|8|N)x4(?:_\\w+)?_Overlay\\w*\\.xclbin", "strix"},
    {"AMD_AIE2P_4x(1|2|8)(?:_\\w+)?_Overlay\\w*\\.xclbin", "strix"},
};

}  // namespace

std::optional<Overlay> overlay_of_xclbin(const std::string& path) {
  const std::size_t slash = path.find_last_of("/\\");
  const std::string file = slash == std::string::npos ? path : path.substr(slash + 1);
  for (const Pattern& pattern : kPatterns) {
    std::smatch match;
    if (!std::regex_match(file, match, std::regex(pattern.regex, std::regex::icase))) continue;
    const std::string columns = match[1].str();
    const bool single = columns == "N" || columns == "n";
    return Overlay{pattern.device, kRows, single ? 1 : std::stoi(columns)};
  }
  return std::nullopt;
}

const char* accepted_xclbin_names() {
  return "<columns>x4.xclbin (1x4.xclbin, 4x4.xclbin, 5x4.xclbin), AMD_AIE2_<columns>x4_Overlay*.xclbin, "
         "AMD_AIE2P_<columns>x4_Overlay*.xclbin (AMD_AIE2P_4x4_Overlay.xclbin), AMD_AIE2P_4x8_Overlay*.xclbin";
}

}  // namespace vaip::partition
