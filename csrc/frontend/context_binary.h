// A cluster by itself, as bytes: what an EPContext node carries in place of the nodes that it stands for.
//
// Behind a header of 24 bytes (the magic "VAIPCTX1", the size of what follows, its fingerprint; little endian) comes an
// ONNX model of the cluster with its weights: readable by any tool, and compiled like any other graph when it is
// loaded, so that it holds for every device, option and version of VAIP.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "base/span.h"
#include "frontend/onnx_graph.h"

namespace vaip::frontend {

struct ContextBinary {
  OnnxGraph graph;  // inputs and outputs in the order of the EPContext node's
  std::map<std::string, std::string> properties;
};

std::string pack_context(const ContextBinary& context);

// `source` names the bytes in errors. Throws Error(invalid_model) for what pack_context() did not make, or what was
// changed or cut off since.
ContextBinary unpack_context(Span<const std::byte> bytes, const std::string& source);

}  // namespace vaip::frontend
