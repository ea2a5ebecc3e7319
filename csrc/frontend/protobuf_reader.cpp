#include "frontend/protobuf_reader.h"

#include <cstring>

#include "base/error.h"

namespace vaip::frontend {

ProtobufReader::ProtobufReader(Span<const std::byte> bytes, const std::string& source, const char* message)
    : data_(bytes), source_(&source), message_(message) {}

void ProtobufReader::malformed(const std::string& what) const {
  fail(ErrorKind::invalid_model, *source_, ": not a valid ONNX model: ", message_, " field ", field_, " before byte ",
       position_, " of its ", data_.size(), ": ", what);
}

std::uint64_t ProtobufReader::read_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (position_ == data_.size()) malformed("truncated");
    const auto byte = std::to_integer<std::uint64_t>(data_[position_++]);
    value |= (byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  malformed("an integer of more than 10 bytes");
}

std::uint64_t ProtobufReader::read_fixed(std::size_t size) {
  if (data_.size() - position_ < size) malformed("truncated");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::to_integer<std::uint64_t>(data_[position_ + i]) << (8 * i);
  position_ += size;
  return value;
}

bool ProtobufReader::next() {
  if (position_ == data_.size()) return false;
  const std::uint64_t tag = read_varint();
  // Field numbers have 29 bits.
  if (tag >> 32 != 0 || tag >> 3 == 0) malformed("an impossible field number");
  field_ = static_cast<int>(tag >> 3);
  switch (tag & 7) {
    case 0:
      wire_ = Wire::varint;
      break;
    case 1:
      wire_ = Wire::fixed64;
      break;
    case 2:
      wire_ = Wire::length;
      break;
    case 5:
      wire_ = Wire::fixed32;
      break;
    default:
      malformed("an unknown wire type");
  }
  if (wire_ == Wire::varint) scalar_ = read_varint();
  if (wire_ == Wire::fixed64) scalar_ = read_fixed(8);
  if (wire_ == Wire::fixed32) scalar_ = read_fixed(4);
  if (wire_ == Wire::length) {
    const std::uint64_t size = read_varint();
    if (size > data_.size() - position_) {
      malformed("truncated: " + std::to_string(size) + " bytes are announced, " +
                std::to_string(data_.size() - position_) + " are left");
    }
    payload_ = Span<const std::byte>(data_.data() + position_, static_cast<std::size_t>(size));
    position_ += static_cast<std::size_t>(size);
  }
  return true;
}

void ProtobufReader::expect(Wire wire) const {
  if (wire_ != wire) malformed("has the wrong wire type");
}

std::int64_t ProtobufReader::integer() const {
  expect(Wire::varint);
  return static_cast<std::int64_t>(scalar_);
}

float ProtobufReader::float32() const {
  expect(Wire::fixed32);
  const auto bits = static_cast<std::uint32_t>(scalar_);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

Span<const std::byte> ProtobufReader::bytes() const {
  expect(Wire::length);
  return payload_;
}

std::string ProtobufReader::string() const {
  expect(Wire::length);
  return std::string(reinterpret_cast<const char*>(payload_.data()), payload_.size());
}

ProtobufReader ProtobufReader::message(const char* name) const { return ProtobufReader(bytes(), *source_, name); }

void ProtobufReader::append_to(std::vector<std::uint64_t>& values) const {
  if (wire_ == Wire::varint) {
    values.push_back(scalar_);
    return;
  }
  ProtobufReader packed(bytes(), *source_, message_);
  packed.field_ = field_;
  while (packed.position_ < packed.data_.size()) values.push_back(packed.read_varint());
}

void ProtobufReader::append_to(std::vector<std::int64_t>& values) const {
  std::vector<std::uint64_t> raw;
  append_to(raw);
  for (const std::uint64_t value : raw) values.push_back(static_cast<std::int64_t>(value));
}

template <typename T, typename Bits>
void ProtobufReader::append_fixed(std::vector<T>& values, Wire wire) const {
  static_assert(sizeof(T) == sizeof(Bits));
  const auto append = [&values](std::uint64_t scalar) {
    const auto bits = static_cast<Bits>(scalar);
    T value;
    std::memcpy(&value, &bits, sizeof value);
    values.push_back(value);
  };
  if (wire_ == wire) return append(scalar_);
  ProtobufReader packed(bytes(), *source_, message_);
  packed.field_ = field_;
  while (packed.position_ < packed.data_.size()) append(packed.read_fixed(sizeof(T)));
}

void ProtobufReader::append_to(std::vector<float>& values) const {
  append_fixed<float, std::uint32_t>(values, Wire::fixed32);
}
void ProtobufReader::append_to(std::vector<double>& values) const {
  append_fixed<double, std::uint64_t>(values, Wire::fixed64);
}

}  // namespace vaip::frontend
