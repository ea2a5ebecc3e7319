#include "frontend/protobuf_tensor.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "frontend/constants.h"
#include "ir/packed.h"

namespace vaip::frontend {
namespace {

using ir::DType;

// The message's fields, as they are encoded.
struct Fields {
  std::string name;
  ir::Shape dims;
  std::int64_t data_type = 0;
  bool has_raw = false, external = false;
  Span<const std::byte> raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::int64_t> int32s, int64s;
  std::vector<std::uint64_t> uint64s;
  std::string location, offset, length;
};

void read_external_entry(ProtobufReader reader, Fields& fields) {
  std::string key, value;
  while (reader.next()) {
    if (reader.field() == 1) key = reader.string();
    if (reader.field() == 2) value = reader.string();
  }
  if (key == "location") fields.location = value;
  if (key == "offset") fields.offset = value;
  if (key == "length") fields.length = value;
}

Fields read_fields(ProtobufReader reader) {
  Fields fields;
  while (reader.next()) {
    switch (reader.field()) {  // onnx.proto, TensorProto
      case 1:
        reader.append_to(fields.dims);
        break;
      case 2:
        fields.data_type = reader.integer();
        break;
      case 4:
        reader.append_to(fields.floats);
        break;
      case 5:
        reader.append_to(fields.int32s);
        break;
      case 7:
        reader.append_to(fields.int64s);
        break;
      case 8:
        fields.name = reader.string();
        break;
      case 9:
        fields.raw = reader.bytes();
        fields.has_raw = true;
        break;
      case 10:
        reader.append_to(fields.doubles);
        break;
      case 11:
        reader.append_to(fields.uint64s);
        break;
      case 13:
        read_external_entry(reader.message("StringStringEntryProto"), fields);
        break;
      case 14:
        fields.external = reader.integer() == 1;
        break;
      default:
        break;
    }
  }
  return fields;
}

// Elements of a typed field, narrowed to the stored type.
template <typename Stored, typename Encoded>
std::vector<std::byte> narrowed(const std::vector<Encoded>& elements) {
  std::vector<std::byte> bytes(elements.size() * sizeof(Stored));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const Stored element = static_cast<Stored>(elements[i]);
    std::memcpy(bytes.data() + i * sizeof(Stored), &element, sizeof(Stored));
  }
  return bytes;
}

// Which typed field holds which element type: onnx.proto, comments of TensorProto.
std::vector<std::byte> typed_bytes(const Fields& fields, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return narrowed<float>(fields.floats);
    case DType::f64:
      return narrowed<double>(fields.doubles);
    case DType::s64:
      return narrowed<std::int64_t>(fields.int64s);
    case DType::u64:
      return narrowed<std::uint64_t>(fields.uint64s);
    case DType::u32:
      return narrowed<std::uint32_t>(fields.uint64s);
    case DType::s32:
      return narrowed<std::int32_t>(fields.int32s);
    case DType::s16:
    case DType::u16:
    case DType::f16:
    case DType::bf16:
      return narrowed<std::uint16_t>(fields.int32s);
    default:
      return narrowed<std::uint8_t>(fields.int32s);  // 8 bits, or a byte of packed 4-bit elements
  }
}

std::uint64_t parse_number(const std::string& text, const Fields& fields, const std::string& source) {
  std::uint64_t value = 0;
  for (const char c : text) {
    std::uint64_t digit = 0;
    const bool is_digit = c >= '0' && c <= '9';
    if (is_digit) digit = static_cast<std::uint64_t>(c - '0');
    if (!is_digit || __builtin_mul_overflow(value, std::uint64_t{10}, &value) ||
        __builtin_add_overflow(value, digit, &value)) {
      fail(ErrorKind::invalid_model, source, ": tensor `", fields.name, "`: external data at '", text,
           "' is not a number");
    }
  }
  return value;
}

std::vector<std::byte> external_bytes(const Fields& fields, std::uint64_t expected, const std::string& source,
                                      const std::string& directory) {
  const auto reject = [&](ErrorKind kind, const std::string& what) {
    fail(kind, source, ": tensor `", fields.name, "`: external data '", fields.location, "': ", what);
  };
  const std::filesystem::path location(fields.location);
  if (fields.location.empty() || location.has_root_path()) reject(ErrorKind::invalid_model, "must be a relative path");
  for (const auto& part : location) {
    if (part == "..") reject(ErrorKind::invalid_model, "must not leave the model's directory");
  }
  if (directory.empty())
    reject(ErrorKind::io, "the model was given as bytes; load it from its file to find the data next to it");
  const std::uint64_t offset = parse_number(fields.offset, fields, source);
  const std::uint64_t length = fields.length.empty() ? expected : parse_number(fields.length, fields, source);
  if (length != expected) {
    reject(ErrorKind::invalid_model,
           std::to_string(length) + " bytes, where the shape needs " + std::to_string(expected));
  }
  const std::filesystem::path path = std::filesystem::path(directory) / location;
  std::error_code error;
  const std::uint64_t file_size = std::filesystem::file_size(path, error);
  if (error) reject(ErrorKind::io, path.string() + ": " + error.message());
  if (offset > file_size || length > file_size - offset) {
    reject(ErrorKind::invalid_model, "bytes " + std::to_string(offset) + " to " + std::to_string(offset + length) +
                                         " are not in the file of " + std::to_string(file_size));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(length));
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(length));
  if (!file) reject(ErrorKind::io, path.string() + " cannot be read");
  return bytes;
}

}  // namespace

NamedTensor read_tensor(ProtobufReader reader, const std::string& source, const std::string& external_data_dir) {
  Fields fields = read_fields(reader);
  NamedTensor tensor;
  tensor.data.dtype = ir::from_onnx(static_cast<int>(fields.data_type));
  tensor.data.shape = fields.dims;
  std::uint64_t count = 1;
  bool overflow = false;
  for (const std::int64_t dim : fields.dims) {
    if (dim < 0) fail(ErrorKind::invalid_model, source, ": tensor `", fields.name, "` has the dimension ", dim);
    overflow = overflow || __builtin_mul_overflow(count, static_cast<std::uint64_t>(dim), &count);
  }
  const std::size_t element = ir::size_of(tensor.data.dtype);
  std::uint64_t expected = 0;
  overflow = overflow || __builtin_mul_overflow(count, static_cast<std::uint64_t>(element), &expected);
  if (overflow)
    fail(ErrorKind::invalid_model, source, ": tensor `", fields.name, "` of shape ", ir::to_string(fields.dims),
         " is too large");

  const bool packed = ir::is_packed(tensor.data.dtype);
  if (packed) expected = count / 2 + count % 2;
  const bool readable = element != 0 || packed;  // strings, complex numbers, ... are kept as names without bytes
  if (readable) {
    std::vector<std::byte> bytes;
    if (fields.external) {
      bytes = external_bytes(fields, expected, source, external_data_dir);
    } else if (fields.has_raw) {
      bytes.assign(fields.raw.begin(), fields.raw.end());
    } else {
      bytes = typed_bytes(fields, tensor.data.dtype);
    }
    if (bytes.size() != expected) {
      fail(ErrorKind::invalid_model, source, ": tensor `", fields.name, "` has ", bytes.size(), " bytes; ",
           ir::name(tensor.data.dtype), " ", ir::to_string(fields.dims), " needs ", expected);
    }
    tensor.data.constant = make_constant(std::move(bytes));
  }
  tensor.name = std::move(fields.name);
  return tensor;
}

}  // namespace vaip::frontend
