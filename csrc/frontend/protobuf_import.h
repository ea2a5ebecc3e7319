// Reads the bytes of an ONNX model file, without onnxruntime or the protobuf library.
#pragma once

#include <cstddef>
#include <string>

#include "base/span.h"
#include "frontend/onnx_graph.h"

namespace vaip::frontend {

// Constant nodes become constants. Nodes carry the version of the opset that the model imports for their domain, which
// is at least the operator's since_version. `source_name` stands for the bytes in errors; tensors with external data
// are read from `external_data_dir` ("": there is none). Nodes are put in topological order. Throws
// Error(invalid_model) for what is no ONNX model or has no such order, Error(unsupported) for sparse initializers,
// Error(io) for external data that cannot be read.
OnnxGraph import_model(Span<const std::byte> model_bytes, const std::string& source_name,
                       const std::string& external_data_dir);

}  // namespace vaip::frontend
