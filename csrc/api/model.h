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

// A model as it was read: what it is whatever the options say.
struct ModelFile {
  std::string path;  // "" for bytes
  frontend::OnnxGraph onnx;
};

struct Model::Impl {
  // earlier: the same file with other options, whose recognition serves again where that does not depend on them.
  Impl(std::shared_ptr<const ModelFile> read, partition::Config chosen, const Impl* earlier = nullptr);

  std::shared_ptr<const ModelFile> file;
  const frontend::OnnxGraph& onnx;  // of `file`
  partition::Config config;
  std::shared_ptr<const frontend::Recognition> recognition;
  partition::Partition partition;

  bool wholly_claimed() const { return partition.unclaimed.empty() && partition.clusters.size() == 1; }
  std::string list_unclaimed() const;  // a line per node, or per operator and reason
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
