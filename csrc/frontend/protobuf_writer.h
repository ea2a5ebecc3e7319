// Writes the protobuf wire format (protobuf.dev, "Encoding"): the counterpart of ProtobufReader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vaip::frontend {

// The fields of one message, in the order of the calls.
class ProtobufWriter {
 public:
  void integer(int field, std::int64_t value);
  void float32(int field, float value);
  void bytes(int field, std::string_view value);  // also a string
  void message(int field, const ProtobufWriter& content) { bytes(field, content.encoded_); }

  const std::string& encoded() const { return encoded_; }

 private:
  void varint(std::uint64_t value);
  void tag(int field, unsigned wire) { varint(static_cast<std::uint64_t>(field) << 3 | wire); }

  std::string encoded_;
};

}  // namespace vaip::frontend
