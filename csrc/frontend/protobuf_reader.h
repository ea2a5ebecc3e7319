// A bounds-checked reader of the protobuf wire format (protobuf.dev, "Encoding"): enough for ONNX's messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/span.h"

namespace vaip::frontend {

// Walks the fields of one message:
//   while (reader.next()) switch (reader.field()) { case 1: name = reader.string(); break; ... }
// Fields that are not asked for are skipped. Whatever the bytes are, nothing outside of them is read; what is no
// protobuf is Error(invalid_model) that names the source, the message and the offset.
class ProtobufReader {
 public:
  // `source` and `message` name the bytes in errors and must outlive the reader, as must the bytes.
  ProtobufReader(Span<const std::byte> bytes, const std::string& source, const char* message);

  bool next();  // to the next field; false at the end
  int field() const { return field_; }

  std::int64_t integer() const;
  float float32() const;
  Span<const std::byte> bytes() const;
  std::string string() const;
  ProtobufReader message(const char* name) const;

  // Repeated fields: packed or one by one.
  void append_to(std::vector<std::int64_t>& values) const;
  void append_to(std::vector<std::uint64_t>& values) const;
  void append_to(std::vector<float>& values) const;
  void append_to(std::vector<double>& values) const;

  [[noreturn]] void malformed(const std::string& what) const;

 private:
  enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, length = 2, fixed32 = 5 };
  std::uint64_t read_varint();
  std::uint64_t read_fixed(std::size_t size);
  void expect(Wire wire) const;
  template <typename T, typename Bits>
  void append_fixed(std::vector<T>& values, Wire wire) const;

  Span<const std::byte> data_;
  const std::string* source_;
  const char* message_;
  std::size_t position_ = 0;
  int field_ = 0;
  Wire wire_ = Wire::varint;
  std::uint64_t scalar_ = 0;
  Span<const std::byte> payload_;
};

}  // namespace vaip::frontend
