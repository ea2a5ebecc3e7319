// The little of oneDNN that every kernel on it shares.
#pragma once

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

namespace vaip {
class ArchiveReader;
class ArchiveWriter;
}  // namespace vaip

namespace vaip::kernels {

dnnl::engine& onednn_engine();

// Its version, the instructions that it uses and the caches that it blocks for: what may have it pack in another way.
std::string onednn_traits();

// Attributes of every primitive: scratch memory comes from the caller, and floats stay floats whatever
// ONEDNN_DEFAULT_FPMATH_ MODE says.
dnnl::primitive_attr onednn_attributes();

// Memory of a constant and how it is laid out, to be read by a later process; borrowed until the archive is written.
void store_memory(ArchiveWriter& to, const dnnl::memory& memory);
// That memory, where it is. Throws Error(io) where it was not laid out in this way.
dnnl::memory archived_memory(ArchiveReader& from, const dnnl::memory::desc& desc);

// A primitive with its constant arguments, shared by all threads, and the slots that each run fills.
class OneDnnPrimitive {
 public:
  struct Argument {
    int index;
    dnnl::memory::desc desc;
  };
  // variable: source, destination, scratchpad, in the order in which execute() is given their addresses.
  OneDnnPrimitive(dnnl::primitive primitive, std::vector<std::pair<int, dnnl::memory>> constants,
                  std::vector<Argument> variable);

  // Memory objects of one thread of execution.
  struct Run {
    dnnl::stream stream;
    std::vector<dnnl::memory> memories;  // keeps those of `arguments` alive
    std::vector<dnnl_exec_arg_t> arguments;
  };
  std::unique_ptr<Run> make_run() const;

  // Allocates nothing.
  void execute(Run& run, std::initializer_list<void*> addresses) const;

 private:
  dnnl::primitive primitive_;
  std::vector<std::pair<int, dnnl::memory>> constants_;
  std::vector<Argument> variable_;
};

}  // namespace vaip::kernels
