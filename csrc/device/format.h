// Number formats as the array's datapath sees them: signedness does not matter to timing, width and kind do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vaip::device {

enum class Format : std::uint8_t { int4, int8, int16, int32, int64, bf16, bfp16, f32 };

std::string_view name(Format format);                      // "int8", "bf16", ...
Format format_from_name(std::string_view text);            // throws Error(invalid_argument) that lists the names
std::int64_t bits(Format format);                          // per element; bfp16: 9 (8 mantissas share an exponent)
std::int64_t bytes(Format format, std::int64_t elements);  // packed, rounded up

// The key of a pair of operand formats in device and stack files: "int8_int8".
std::string pair_key(Format a, Format b);

}  // namespace vaip::device
