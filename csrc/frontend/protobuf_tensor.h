// onnx.TensorProto as a constant.
#pragma once

#include <string>

#include "frontend/onnx_graph.h"
#include "frontend/protobuf_reader.h"

namespace vaip::frontend {

struct NamedTensor {
  std::string name;
  TensorData data;  // without bytes for strings, which no layer reads
};

// Data in the message, or in a file under `external_data_dir`. Throws Error(invalid_model) when shape, type and bytes
// do not agree, Error(io) when an external file cannot be read.
NamedTensor read_tensor(ProtobufReader reader, const std::string& source, const std::string& external_data_dir);

}  // namespace vaip::frontend
