#include "device/format.h"

#include <array>

#include "base/error.h"

namespace vaip::device {
namespace {

struct Entry {
  Format format;
  std::string_view name;
  std::int64_t bits;
};

// bfp16ebs8: eight 8-bit mantissas and one shared 8-bit exponent, 72 bits for 8 values.
constexpr std::array<Entry, 8> kFormats = {{{Format::int4, "int4", 4},
                                            {Format::int8, "int8", 8},
                                            {Format::int16, "int16", 16},
                                            {Format::int32, "int32", 32},
                                            {Format::int64, "int64", 64},
                                            {Format::bf16, "bf16", 16},
                                            {Format::bfp16, "bfp16", 9},
                                            {Format::f32, "f32", 32}}};

const Entry& entry(Format format) { return kFormats[static_cast<std::size_t>(format)]; }

}  // namespace

std::string_view name(Format format) { return entry(format).name; }

Format format_from_name(std::string_view text) {
  std::string known;
  for (const Entry& e : kFormats) {
    if (e.name == text) return e.format;
    known.append(known.empty() ? "" : ", ").append(e.name);
  }
  fail(ErrorKind::invalid_argument, "unknown number format '", text, "'; known: ", known);
}

std::int64_t bits(Format format) { return entry(format).bits; }

std::int64_t bytes(Format format, std::int64_t elements) { return (elements * bits(format) + 7) / 8; }

std::string pair_key(Format a, Format b) { return std::string(name(a)).append("_").append(name(b)); }

}  // namespace vaip::device
