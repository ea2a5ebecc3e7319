// A device is data: arrays, memories, links and clocks of an NPU, each number with unit and source in devices/*.json.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/format.h"
#include "device/stack.h"

namespace vaip::device {

// Matrix multiplication of a pair of operand formats on one core.
struct MatmulRate {
  double macs_per_cycle = 0;                              // issue limit
  std::int64_t native_m = 0, native_k = 0, native_n = 0;  // the shape that one instruction (group) multiplies
};

struct Device {
  std::string name, description;
  std::string generation;  // selects the profile of a stack: "xdna1" (AIE2), "xdna2" (AIE2P)
  std::vector<std::string> aliases;

  double clock_ghz = 0;
  struct Array {
    std::int64_t rows = 0, columns = 0;  // compute tiles that DMA can feed
  } array;
  struct Core {
    std::int64_t data_memory_bytes = 0;
    double load_bytes_per_cycle = 0, store_bytes_per_cycle = 0;  // vector path to the local memory
  } core;
  struct MemoryTile {
    std::int64_t bytes = 0;  // one per column
    std::int64_t channels_in = 0, channels_out = 0;
  } memory_tile;
  struct Shim {
    std::int64_t channels_in = 0, channels_out = 0;        // per column: DDR -> array (MM2S), array -> DDR (S2MM)
    double bytes_per_cycle = 0;                            // of a channel
    std::int64_t granule_bytes = 0;                        // the least that a channel reads or writes of a run
    double run_overhead_ns = 0;                            // of a channel, per contiguous run in DDR
    double read_task_cycles = 0, write_task_cycles = 0;    // of a channel, per task after its first
    double read_start_cycles = 0, write_start_cycles = 0;  // from the start of a transfer to its first data
  } shim;
  struct Stream {
    double bytes_per_cycle = 0;  // one stream switch connection
  } stream;
  struct Lock {
    double acquire_cycles = 0, release_cycles = 0;
  } lock;
  struct Dram {
    double read_gbps = 0, write_gbps = 0, combined_gbps = 0;  // sustained, as the array sees it
    std::int64_t granule_bytes = 0;                           // the least that it moves of a run
    std::int64_t page_bytes = 0;                              // of address translation
    double page_miss_ns = 0;            // of the memory system, per access to a page whose translation is not at hand
    std::int64_t translated_pages = 0;  // that stay at hand
  } dram;
  std::map<std::string, MatmulRate> matmul;  // by pair_key(a, b)

  std::map<std::string, std::string> sources;  // dotted path of a field -> where its number comes from
};

std::vector<std::string> names();  // of the devices that come with VAIP

// A name or alias (case and '-'/'_' do not matter) or the path of a device file. Throws Error(invalid_config) naming
// file and JSON pointer of a wrong field, Error(io) for a file that cannot be read.
std::shared_ptr<const Device> load(const std::string& name_or_path);

std::string to_json(const Device& device);
Device device_from_json(const std::string& text, const std::string& origin);  // origin: named in errors

// Fields by dotted path, e.g. {"dram.read_gbps": "30", "matmul.int8_int8.macs_per_cycle": "128"}.
Device with_overrides(Device device, const std::map<std::string, std::string>& overrides);

// Paths of everything that can be overridden on this device running this stack; those of the stack's profile for the
// device's generation begin with "stack.".
std::vector<std::string> override_paths(const Device& device, const Stack& stack);

// How the matrix unit multiplies a pair of operand formats: as they are, or widened to a pair that it knows.
struct MatmulChoice {
  Format a, b;  // as multiplied
  MatmulRate rate;
};
std::optional<MatmulChoice> find_matmul(const Device& device, Format a, Format b);

}  // namespace vaip::device
