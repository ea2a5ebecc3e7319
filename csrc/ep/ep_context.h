// EPContext nodes (domain com.microsoft): a cluster of an earlier session as one node of a model, made when the session
// option ep.context_enable is 1, and taken back as a cluster when such a model is loaded.
#pragma once

#include <string>
#include <vector>

#include "ep/options.h"
#include "frontend/context_binary.h"
#include "ort/handles.h"

namespace vaip::ep {

// Whether VitisAIEP made the node.
bool is_own_context(const frontend::Node& node);

// What the node carries, or the file that it names in the directory of `model_path`, with the names of the node's own
// inputs and outputs. Throws Error(invalid_model) naming the node or the file, Error(io) for a file that cannot be
// read.
frontend::ContextBinary read_context(const frontend::Node& node, const std::string& model_path);

// A node of these inputs and outputs that carries the cluster; without options.embed, a file beside the EPContext model
// does. model_path: of the session's model. Throws Error(io) naming the file.
ort::Node make_context_node(const std::string& name, const std::vector<std::string>& inputs,
                            const std::vector<std::string>& outputs, frontend::ContextBinary cluster,
                            const ContextOptions& options, const std::string& model_path);

}  // namespace vaip::ep
