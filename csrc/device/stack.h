// A software stack is data too: how good its kernels are, how it moves tiles, and what it costs to launch work.
// Published measurements of one device differ by stack; each is a handful of numbers in stacks/*.json, per device
// generation.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vaip::device {

// A kernel built on the matrix unit: cycles = MACs / (issue rate * issue_efficiency) + elements of the output tile *
// (epilogue_cycles_per_element + its bytes through the load and store ports) + call_cycles.
struct MatrixKernel {
  double issue_efficiency = 0;             // of the device's macs_per_cycle, inside the inner loop
  double epilogue_cycles_per_element = 0;  // SRS, loop nest fill and drain, per element of the output tile and call
  double call_cycles = 0;
};

// Cycles of one core per element: of the output, for pools per window element, for reductions per input element; by the
// function's name (sim::name(Function)); "default" for the others.
using ElementKernels = std::map<std::string, double>;

struct Profile {
  struct Kernels {
    std::map<std::string, MatrixKernel> matmul;       // by pair_key(a, b); "default" for the others
    std::map<std::string, MatrixKernel> convolution;  // the same
    double depthwise_macs_per_cycle = 0;
    ElementKernels elements_8bit, elements_16bit;  // 16 bits and wider
    std::map<std::string, double> rows;            // cycles per row of functions that work row by row; none: 0
    std::int64_t core_reserved_bytes = 0;          // stack and tables in a core's data memory
  } kernels;
  struct Dataflow {
    bool adaptive = false;         // distribution, reuse and L2 residency are chosen per layer; else M over the rows,
                                   // N over the columns, A and B streamed again for each block
    bool m_over_columns = false;   // streaming dataflow: M over the columns and N over the rows instead
    bool pipelined_blocks = true;  // streaming dataflow: a block of output tiles is filled while the one before drains
    double step_overhead_cycles = 0;  // of a core, between two kernel calls: handing buffers over
    bool activations_in_l2 = false;   // between layers, where they fit
    double column_loss = 0;           // of the cores' time, per further column in use: columns wait for each other
    bool chains_layers = false;       // element-wise layers run in the pass of the layer before (compiler/chains.h)
    double activation_share = 0;      // of L2 that they may take
    bool spread_streams = false;  // an operand's streams go over the shim channels of all columns, however few they are
    bool b_resident = false;      // streaming dataflow: B is read once, its panel stays in L2 for every row of blocks
    std::int64_t tile_m = 0, tile_k = 0, tile_n = 0;  // of every plain product; 0: the fastest that fits
    std::int64_t c_buffers = 1;                       // of the output tile in a core
    std::int64_t partial_sum_bytes = 0;  // of an output element between two steps over K; 0: the output's own type
    bool converts_apart = false;         // a product's sums go to DDR, another program converts them
    std::int64_t staged_run_bytes = 0;   // depth over K that L2 stages: contiguous bytes read from DDR; 0: one tile
    std::int64_t rows = 0, columns = 0;  // of the array that the stack's overlay uses; 0: all
    std::int64_t element_rows = 0;       // rows that element-wise kernels use; 0: all
  } dataflow;
  struct Dispatch {
    double host_call_us = 0;             // host work per call of a program
    double launch_us = 0;                // from the host's submission to the array's first work and back
    double layer_us = 0;                 // synchronisation and reconfiguration between layers
    double block_us = 0;                 // from one block to the next where they are not pipelined: each is launched
    double quantize_ns_per_element = 0;  // host Q/DQ at a cluster's edge
  } dispatch;
};

struct Stack {
  std::string name, description;
  std::map<std::string, Profile> generations;  // by Device::generation
  // Other ways to use the stack: "stack:variant" loads one with these fields, by dotted path, in place.
  struct Field {
    std::string value;  // JSON: a number or a flag
    std::string source;
  };
  std::map<std::string, std::map<std::string, Field>> variants;

  std::map<std::string, std::string> sources;  // dotted path of a field -> where its number comes from

  const Profile& profile(const std::string& generation) const;  // throws Error(invalid_config) when there is none
};

std::vector<std::string> stack_names();  // of the stacks that come with VAIP, without their variants
// A name or the path of a stack file, either with or without ":variant". Errors as device::load.
std::shared_ptr<const Stack> load_stack(const std::string& name_or_path);
std::string to_json(const Stack& stack);
Stack stack_from_json(const std::string& text, const std::string& origin);
Stack with_overrides(Stack stack, const std::map<std::string, std::string>& overrides);

// The same with paths inside the profile of a generation, {"dispatch.layer_us": "10"}; errors call it
// "stack.dispatch.layer_us", as the command line does.
Stack with_profile_overrides(Stack stack, const std::string& generation,
                             const std::map<std::string, std::string>& overrides);

}  // namespace vaip::device
