// What is behind vaip::Model and vaip::Program.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "frontend/onnx_graph.h"
#include "frontend/recognise.h"
#include "partition/config.h"
#include "partition/partition.h"
#include "report/session_report.h"
#include "runtime/executor.h"
#include "vaip/vaip.h"

namespace vaip {

struct Model::Impl {
  std::string source;  // the file, or "" for bytes
  partition::Config config;
  frontend::OnnxGraph onnx;
  frontend::Recognition recognition;
  partition::Partition partition;

  bool wholly_claimed() const { return partition.unclaimed.empty() && partition.clusters.size() == 1; }
  std::string list_unclaimed() const;  // one line per node, the first few
};

// Values of the model as it declares them.
std::vector<TensorDesc> describe(const frontend::OnnxGraph& graph, const std::vector<std::string>& values);

struct Program::Impl {
  std::shared_ptr<const Model::Impl> model;
  std::vector<TensorDesc> inputs, outputs;
  std::optional<runtime::Executor> executor;  // of a wholly claimed model
  report::SessionReport report;
};

}  // namespace vaip
