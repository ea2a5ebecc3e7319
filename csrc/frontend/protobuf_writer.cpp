#include "frontend/protobuf_writer.h"

#include <cstring>

namespace vaip::frontend {

void ProtobufWriter::varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) encoded_ += static_cast<char>(value | 0x80);
  encoded_ += static_cast<char>(value);
}

void ProtobufWriter::integer(int field, std::int64_t value) {
  tag(field, 0);
  varint(static_cast<std::uint64_t>(value));
}

void ProtobufWriter::float32(int field, float value) {
  tag(field, 5);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  for (int shift = 0; shift < 32; shift += 8) encoded_ += static_cast<char>(bits >> shift);
}

void ProtobufWriter::bytes(int field, std::string_view value) {
  tag(field, 2);
  varint(value.size());
  encoded_ += value;
}

}  // namespace vaip::frontend
