#include "device/fields.h"

#include <map>

namespace vaip::device {
namespace {

template <typename Visit>
void object(FieldVisitor& v, std::string_view key, Visit&& visit_members) {
  v.begin(key);
  visit_members();
  v.end();
}

template <typename Entry, typename Visit>
void entries(FieldVisitor& v, std::string_view key, std::map<std::string, Entry>& map, Visit&& visit_entry) {
  object(v, key, [&] {
    std::vector<std::string> present;
    for (const auto& item : map) present.push_back(item.first);
    for (const std::string& name : v.keys(present)) object(v, name, [&] { visit_entry(map[name]); });
  });
}

void visit_matrix(FieldVisitor& v, MatrixKernel& kernel) {
  v.number("issue_efficiency", kernel.issue_efficiency, "fraction");
  v.number("epilogue_cycles_per_element", kernel.epilogue_cycles_per_element, "cycles/element");
  v.number("call_cycles", kernel.call_cycles, "cycles");
}

void visit_named(FieldVisitor& v, std::string_view key, std::map<std::string, double>& numbers, std::string_view unit) {
  object(v, key, [&] {
    std::vector<std::string> present;
    for (const auto& item : numbers) present.push_back(item.first);
    for (const std::string& name : v.keys(present)) v.number(name, numbers[name], unit);
  });
}

void visit_profile(FieldVisitor& v, Profile& p) {
  object(v, "kernels", [&] {
    entries(v, "matmul", p.kernels.matmul, [&](MatrixKernel& kernel) { visit_matrix(v, kernel); });
    entries(v, "convolution", p.kernels.convolution, [&](MatrixKernel& kernel) { visit_matrix(v, kernel); });
    v.number("depthwise_macs_per_cycle", p.kernels.depthwise_macs_per_cycle, "MAC/cycle");
    visit_named(v, "elements_8bit", p.kernels.elements_8bit, "cycles/element");
    visit_named(v, "elements_16bit", p.kernels.elements_16bit, "cycles/element");
    visit_named(v, "rows", p.kernels.rows, "cycles/row");
    v.integer("core_reserved_bytes", p.kernels.core_reserved_bytes, "bytes");
  });
  object(v, "dataflow", [&] {
    v.flag("adaptive", p.dataflow.adaptive);
    v.flag("m_over_columns", p.dataflow.m_over_columns);
    v.flag("pipelined_blocks", p.dataflow.pipelined_blocks);
    v.number("step_overhead_cycles", p.dataflow.step_overhead_cycles, "cycles");
    v.flag("activations_in_l2", p.dataflow.activations_in_l2);
    v.number("column_loss", p.dataflow.column_loss, "fraction");
    v.flag("chains_layers", p.dataflow.chains_layers);
    v.number("activation_share", p.dataflow.activation_share, "fraction");
    v.flag("spread_streams", p.dataflow.spread_streams);
    v.flag("b_resident", p.dataflow.b_resident);
    v.integer("tile_m", p.dataflow.tile_m, "count");
    v.integer("tile_k", p.dataflow.tile_k, "count");
    v.integer("tile_n", p.dataflow.tile_n, "count");
    v.integer("c_buffers", p.dataflow.c_buffers, "count");
    v.integer("partial_sum_bytes", p.dataflow.partial_sum_bytes, "bytes");
    v.flag("converts_apart", p.dataflow.converts_apart);
    v.integer("staged_run_bytes", p.dataflow.staged_run_bytes, "bytes");
    v.integer("rows", p.dataflow.rows, "count");
    v.integer("columns", p.dataflow.columns, "count");
    v.integer("element_rows", p.dataflow.element_rows, "count");
  });
  object(v, "dispatch", [&] {
    v.number("host_call_us", p.dispatch.host_call_us, "us");
    v.number("launch_us", p.dispatch.launch_us, "us");
    v.number("layer_us", p.dispatch.layer_us, "us");
    v.number("block_us", p.dispatch.block_us, "us");
    v.number("quantize_ns_per_element", p.dispatch.quantize_ns_per_element, "ns");
  });
}

}  // namespace

void visit(Device& d, FieldVisitor& v) {
  v.text("name", d.name);
  v.text("description", d.description);
  v.text("generation", d.generation);
  v.texts("aliases", d.aliases);
  v.number("clock_ghz", d.clock_ghz, "GHz");
  object(v, "array", [&] {
    v.integer("rows", d.array.rows, "count");
    v.integer("columns", d.array.columns, "count");
  });
  object(v, "core", [&] {
    v.integer("data_memory_bytes", d.core.data_memory_bytes, "bytes");
    v.number("load_bytes_per_cycle", d.core.load_bytes_per_cycle, "bytes/cycle");
    v.number("store_bytes_per_cycle", d.core.store_bytes_per_cycle, "bytes/cycle");
  });
  object(v, "memory_tile", [&] {
    v.integer("bytes", d.memory_tile.bytes, "bytes");
    v.integer("channels_in", d.memory_tile.channels_in, "count");
    v.integer("channels_out", d.memory_tile.channels_out, "count");
  });
  object(v, "shim", [&] {
    v.integer("channels_in", d.shim.channels_in, "count");
    v.integer("channels_out", d.shim.channels_out, "count");
    v.number("bytes_per_cycle", d.shim.bytes_per_cycle, "bytes/cycle");
    v.integer("granule_bytes", d.shim.granule_bytes, "bytes");
    v.number("run_overhead_ns", d.shim.run_overhead_ns, "ns");
    v.number("read_task_cycles", d.shim.read_task_cycles, "cycles");
    v.number("write_task_cycles", d.shim.write_task_cycles, "cycles");
    v.number("read_start_cycles", d.shim.read_start_cycles, "cycles");
    v.number("write_start_cycles", d.shim.write_start_cycles, "cycles");
  });
  object(v, "stream", [&] { v.number("bytes_per_cycle", d.stream.bytes_per_cycle, "bytes/cycle"); });
  object(v, "lock", [&] {
    v.number("acquire_cycles", d.lock.acquire_cycles, "cycles");
    v.number("release_cycles", d.lock.release_cycles, "cycles");
  });
  object(v, "dram", [&] {
    v.number("read_gbps", d.dram.read_gbps, "GB/s");
    v.number("write_gbps", d.dram.write_gbps, "GB/s");
    v.number("combined_gbps", d.dram.combined_gbps, "GB/s");
    v.integer("granule_bytes", d.dram.granule_bytes, "bytes");
    v.integer("page_bytes", d.dram.page_bytes, "bytes");
    v.number("page_miss_ns", d.dram.page_miss_ns, "ns");
    v.integer("translated_pages", d.dram.translated_pages, "count");
  });
  entries(v, "matmul", d.matmul, [&](MatmulRate& rate) {
    v.number("macs_per_cycle", rate.macs_per_cycle, "MAC/cycle");
    v.integer("native_m", rate.native_m, "count");
    v.integer("native_k", rate.native_k, "count");
    v.integer("native_n", rate.native_n, "count");
  });
}

void visit(Stack& s, FieldVisitor& v) {
  v.text("name", s.name);
  v.text("description", s.description);
  entries(v, "generations", s.generations, [&](Profile& p) { visit_profile(v, p); });
}

}  // namespace vaip::device
