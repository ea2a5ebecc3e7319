#include "frontend/context_binary.h"

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/fingerprint.h"
#include "frontend/protobuf_export.h"
#include "frontend/protobuf_import.h"
#include "frontend/protobuf_reader.h"

namespace vaip::frontend {
namespace {

constexpr std::string_view kMagic = "VAIPCTX1";  // the last character is the version of this format
constexpr std::size_t kHeaderBytes = 24;

std::uint64_t fingerprint_of(std::string_view bytes) {
  Fingerprint fingerprint;
  fingerprint.add(bytes);
  return fingerprint.value();
}

void append(std::string& bytes, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(value >> shift);
}

std::uint64_t number_at(std::string_view bytes, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::uint64_t{static_cast<unsigned char>(bytes[offset + i])} << (8 * i);
  return value;
}

std::map<std::string, std::string> read_properties(Span<const std::byte> model, const std::string& source) {
  std::map<std::string, std::string> properties;
  ProtobufReader reader(model, source, "ModelProto");
  while (reader.next()) {
    if (reader.field() != 14) continue;
    std::string key, value;
    ProtobufReader entry = reader.message("StringStringEntryProto");
    while (entry.next()) {
      if (entry.field() == 1) key = entry.string();
      if (entry.field() == 2) value = entry.string();
    }
    properties[key] = value;
  }
  return properties;
}

}  // namespace

std::string pack_context(const ContextBinary& context) {
  const std::string model = export_model(context.graph, context.properties);
  std::string bytes(kMagic);
  append(bytes, model.size());
  append(bytes, fingerprint_of(model));
  return bytes + model;
}

ContextBinary unpack_context(Span<const std::byte> bytes, const std::string& source) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto reject = [&](const auto&... what) {
    fail(ErrorKind::invalid_model, source, ": ", what..., "; make the context model again from the original one");
  };
  if (text.size() < kHeaderBytes || text.substr(0, kMagic.size() - 1) != kMagic.substr(0, kMagic.size() - 1))
    reject("is no context that VitisAIEP made");
  if (text[kMagic.size() - 1] != kMagic.back())
    reject("is a context of format ", text.substr(kMagic.size() - 1, 1), ", this VAIP reads format ", kMagic.back());
  const std::uint64_t size = number_at(text, 8), fingerprint = number_at(text, 16);
  const std::string_view payload = text.substr(kHeaderBytes);
  if (payload.size() != size) reject("has ", payload.size(), " bytes of the ", size, " that it was written with");
  if (fingerprint_of(payload) != fingerprint) reject("was changed since it was written");
  const Span<const std::byte> model(bytes.data() + kHeaderBytes, payload.size());
  return {import_model(model, source, ""), read_properties(model, source)};
}

}  // namespace vaip::frontend
