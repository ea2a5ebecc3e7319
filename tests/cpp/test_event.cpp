#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "compiler/estimate.h"
#include "compiler/mapping/contraction.h"
#include "event_agreement.h"
#include "sim/event/object_fifo.h"
#include "sim/event/observer.h"
#include "sim/event/play.h"
#include "sim/resources.h"
#include "sim/simulate.h"
#include "sim/tile_schedule.h"

namespace {

using namespace vaip;
using device::Format;
using sim::LayerProgram;
using test::Agreement;
using test::layers_of_every_kind;
using test::Machine;
using test::on_the_array;
using test::programs_of;

LayerProgram product(std::int64_t M, std::int64_t K, std::int64_t N, Format format, const sim::Target& target,
                     int c_buffers = 2, std::optional<compiler::Tile> tile = std::nullopt) {
  compiler::Contraction problem;
  problem.a = problem.b = problem.c = format;
  problem.horizontal = {M, M, 1, 1};
  problem.channels = K;
  problem.n = N;
  problem.a_bytes = device::bytes(format, M * K);
  problem.b_bytes = device::bytes(format, K * N);
  problem.c_bytes = device::bytes(format, M * N);
  const compiler::Region region = compiler::make_region(target, {}, {});
  LayerProgram layer = compiler::map_contraction(problem, region, target, {tile, c_buffers}).value();
  layer.name = detail::concat("product ", M, "x", K, "x", N, " ", device::name(format), " C", c_buffers);
  return layer;
}

sim::event::Played play(const LayerProgram& layer, const sim::Target& target,
                        sim::event::Observer* observer = nullptr) {
  const sim::KernelModel model(layer.kernel, target.device, target.profile);
  return sim::event::play(layer, model.cycles(layer.kernel), target, observer);
}

// A stream of products by hand: 4 x 4 cores, everything double-buffered.
LayerProgram streaming_layer() {
  LayerProgram layer;
  layer.name = "streaming";
  layer.kernel.kind = sim::KernelKind::matmul;
  layer.kernel.m = layer.kernel.k = layer.kernel.n = 64;
  layer.kernel.partial_sum_bytes = 1;
  layer.blocks = 10;
  layer.steps = 8;
  layer.rows = layer.columns = 4;
  const std::int64_t tiles = layer.blocks * layer.steps;
  layer.a.tile_bytes = layer.b.tile_bytes = layer.c.tile_bytes = 4096;
  layer.a.tiles = layer.b.tiles = tiles;
  layer.c.tiles = layer.blocks;
  layer.a.near = layer.b.near = {4 * tiles * 4096, 4, 4096, 4 * tiles};
  layer.a.far = layer.b.far = {4 * tiles * 4096, 4, 0, 4};
  layer.c.near = {16 * 10 * 4096, 16, 4096, 160};
  layer.c.far = {16 * 10 * 4096, 4, 0, 4};
  return layer;
}

}  // namespace

TEST(every_kind_of_layer_agrees) {
  Agreement agreement;
  for (const char* device : {"phoenix", "strix"}) {
    for (const char* stack : {"vitisai", "taka", "iron", "air"}) {
      const Machine machine(device, stack);
      for (const auto& [kind, graph] : layers_of_every_kind()) {
        for (LayerProgram& layer : on_the_array(programs_of(graph, device, stack))) {
          layer.name = kind;
          agreement.add(layer, machine.target());
        }
      }
    }
  }
  agreement.check();
}

TEST(products_agree_with_single_and_double_buffers) {
  Agreement agreement;
  for (const char* device : {"phoenix", "strix", "8700g"}) {
    for (const char* stack : {"vitisai", "taka", "iron", "air"}) {
      const Machine machine(device, stack);
      const sim::Target target = machine.target();
      for (const Format format : {Format::int8, Format::bf16}) {
        for (const int c_buffers : {1, 2}) {
          agreement.add(product(2048, 2048, 2048, format, target, c_buffers), target);
          agreement.add(product(1999, 777, 1234, format, target, c_buffers), target);
          agreement.add(product(1, 4096, 4096, format, target, c_buffers), target);
          agreement.add(product(4096, 64, 4096, format, target, c_buffers), target);
        }
      }
    }
  }
  agreement.check();
}

// Beyond the chosen ones: shapes that a mapping fills badly, in few blocks, where what nothing hides weighs most.
TEST(random_products_agree_within_3_percent) {
  std::mt19937 random(77);
  const auto pick = [&](std::initializer_list<std::int64_t> values) {
    return values.begin()[std::uniform_int_distribution<std::size_t>(0, values.size() - 1)(random)];
  };
  const auto extent = [&] { return pick({1, 3, 8, 17, 64, 100, 197, 256, 384, 511, 1000, 1536, 2048}); };
  double sum = 0;
  int layers = 0;
  for (const std::string& device : device::names()) {
    for (const std::string& stack : device::stack_names()) {
      const Machine machine(device, stack);
      for (int trial = 0; trial < 8; ++trial) {
        const Format format = pick({0, 1}) == 0 ? Format::int8 : Format::bf16;
        const std::int64_t M = extent(), K = extent(), N = extent();
        const LayerProgram layer = product(M, K, N, format, machine.target(), static_cast<int>(pick({1, 2})));
        const double steady = sim::time_layer(layer, machine.target()).cycles;
        const double event = sim::time_layer(layer, machine.target(), sim::Mode::event).cycles;
        const double off = std::fabs(steady / event - 1);
        if (off > 0.03)
          test::report(device.c_str(), 0, detail::concat(stack, ": ", layer.name, ": ", steady, " and ", event));
        sum += off;
        ++layers;
      }
    }
  }
  CHECK(sum < 0.0015 * layers);
}

TEST(networks_agree) {
  Agreement agreement;
  for (const char* device : {"phoenix", "strix", "8700g"}) {
    const Machine machine(device, "vitisai");
    for (const ir::Graph& graph : {test::resnet50(), test::mobilenet_v2()}) {
      const std::vector<LayerProgram> layers = programs_of(graph, device, "vitisai");
      const double steady = sim::simulate(layers, machine.target()).cycles;
      const double event = sim::simulate(layers, machine.target(), sim::Mode::event).cycles;
      CHECK(std::fabs(steady / event - 1) < 0.003);
      for (const LayerProgram& layer : on_the_array(layers)) agreement.add(layer, machine.target());
    }
  }
  agreement.check();
}

// By hand: with everything double-buffered the cores set the pace, after the first tiles and before the last output.
TEST(cores_that_never_wait) {
  const Machine machine("phoenix", "taka");
  const sim::Target target = machine.target();
  const device::Device& device = machine.device;
  const LayerProgram layer = streaming_layer();
  const sim::event::Played played = sim::event::play(layer, {6000, 0}, target);
  const double calls = 80 * (6000.0 + 4) + 10 * 2;  // two input locks per call, one per block
  // 2 x 16 KiB at 15 bytes per cycle, then a tile of 4 KiB per core at 4.
  const double fill = device.shim.read_start_cycles + 2 * 16384.0 / 15 + 1024;
  const double drain = 1024 + 4 * 16384.0 / 15;
  CHECK(std::fabs(played.cycles - (fill + calls + drain)) < 1);
  CHECK(std::fabs(played.compute_cycles - calls) < 1e-3);
  CHECK(std::fabs(played.l1_cycles - 80 * 1024.0) < 1e-3);
  CHECK_EQ(played.l1_peak_bytes, 6 * 4096);
}

TEST(single_buffers_make_the_core_wait) {
  const Machine machine("phoenix", "taka");
  LayerProgram layer = streaming_layer();
  const sim::KernelCycles kernel{6000, 0};
  const double two = sim::event::play(layer, kernel, machine.target()).cycles;
  layer.c.buffers = 1;
  const double one_c = sim::event::play(layer, kernel, machine.target()).cycles;
  CHECK(std::fabs(one_c - two - 9 * 1024.0) < 1);  // each block but the first waits for the output before it to leave
  layer.a.buffers = 1;
  const double one_a = sim::event::play(layer, kernel, machine.target()).cycles;
  // Each call but the first waits for its tile; a block's first tile comes while the output leaves.
  CHECK(std::fabs(one_a - two - 79 * 1024.0) < 1);
}

TEST(blocks_that_are_not_pipelined_fill_and_drain_one_by_one) {
  const Machine pipelined("phoenix", "taka");
  Machine serial("phoenix", "taka");
  serial.stack = std::make_shared<device::Stack>(
      device::with_overrides(*serial.stack, {{"generations.xdna1.dataflow.pipelined_blocks", "false"}}));
  const sim::KernelCycles kernel{6000, 0};
  LayerProgram layer = streaming_layer();
  const double ten = sim::event::play(layer, kernel, serial.target()).cycles;
  CHECK(ten > 1.1 * sim::event::play(layer, kernel, pipelined.target()).cycles);
  // Ten times a layer of one block, but for the channels' start.
  LayerProgram one = layer;
  one.blocks = 1;
  for (sim::Operand* operand : {&one.a, &one.b, &one.c}) {
    operand->tiles /= 10;
    operand->near.bytes /= 10;
    operand->far.bytes /= 10;
  }
  const double single = sim::event::play(one, kernel, serial.target()).cycles - serial.device.shim.read_start_cycles;
  CHECK(std::fabs(ten - serial.device.shim.read_start_cycles - 10 * single) < 10);
}

TEST(tasks_pause_their_channel) {
  const Machine machine("phoenix", "taka");
  LayerProgram layer = streaming_layer();
  const sim::KernelCycles kernel{100, 0};  // DRAM-bound
  const double few = sim::event::play(layer, kernel, machine.target()).cycles;
  layer.a.far.descriptors = layer.b.far.descriptors = 4 * 80;  // a task per tile
  const double many = sim::event::play(layer, kernel, machine.target()).cycles;
  CHECK(std::fabs(many - few - 79 * machine.device.shim.read_task_cycles) < 0.01 * many);
}

TEST(schedules_of_tiles) {
  LayerProgram layer = streaming_layer();
  layer.steps = 7;
  layer.blocks = 3;
  layer.a.tiles = 21;
  layer.a.staging.unit_tiles = 3;  // 7 tiles in three units: 2, 2, 3
  const sim::TileSchedule staged(layer, layer.a);
  CHECK_EQ(staged.units(), 9);
  CHECK_EQ(staged.unique_tiles(), 21);
  std::int64_t tile = 0;
  for (std::int64_t unit = 0; unit < 9; ++unit) {
    CHECK_EQ(staged.first_tile_of_unit(unit), tile);
    for (std::int64_t i = 0; i < staged.tiles_in_unit(unit); ++i, ++tile) {
      CHECK_EQ(staged.unit_of_tile(tile), unit);
      CHECK_EQ(staged.releases_unit(tile), i + 1 == staged.tiles_in_unit(unit));
      CHECK_EQ(staged.block_of_tile(tile), tile / 7);
      CHECK_EQ(staged.tile_of_call(tile), tile);
    }
  }
  CHECK_EQ(tile, 21);

  layer.b.tiles = 21;
  layer.b.staging = {1, 14, 7, 2};  // a panel of 7, for two blocks; the third block has the next one
  const sim::TileSchedule replayed(layer, layer.b);
  CHECK_EQ(replayed.units(), 14);
  for (std::int64_t t = 0; t < 21; ++t) {
    CHECK_EQ(replayed.unit_of_tile(t), t < 14 ? t % 7 : t - 7);
    CHECK_EQ(replayed.releases_unit(t), t >= 7 && t < 14);
  }
  CHECK_EQ(replayed.first_tile_of_unit(8), 15);

  layer.b.tiles = 3;  // one for all calls of a block
  layer.b.staging = {};
  const sim::TileSchedule stationary(layer, layer.b);
  for (std::int64_t call = 0; call < 21; ++call) CHECK_EQ(stationary.tile_of_call(call), call / 7);
  CHECK_EQ(stationary.block_of_tile(2), 2);
}

TEST(dram_is_shared_in_proportion_to_the_work) {
  const Machine machine("strix", "taka",
                        {{"clock_ghz", "1"},
                         {"shim.bytes_per_cycle", "4"},
                         {"dram.read_gbps", "50"},
                         {"dram.write_gbps", "50"},
                         {"dram.combined_gbps", "70"}});
  LayerProgram layer = streaming_layer();
  layer.a.far = {80000, 10, 0, 10};  // 40 bytes per cycle at full speed
  layer.b.far = {40000, 10, 0, 10};
  layer.c.far = {120000, 10, 0, 10};
  const auto share = [&](const LayerProgram& of, const device::Device& device) {
    return sim::DramShare(sim::shim_works(of, device), device);
  };
  device::Device device = machine.device;
  device.shim.run_overhead_ns = 0;
  const auto near = [](double a, double b) { return std::fabs(a - b) < 1e-9; };
  sim::DramShare dram = share(layer, device);
  auto speeds = dram.speeds({2000, 1000, 0});  // 80 asked for, 50 there: two to one
  CHECK(near(speeds[0], 50.0 * 2 / 3 / 40) && near(speeds[1], 50.0 / 3 / 40) && speeds[2] == 0);
  CHECK(near(dram.load(speeds), 1));
  speeds = dram.speeds({2000, 1000, 3000});  // 70 for all: as 2 : 1 : 3
  CHECK(near(speeds[0], 70.0 / 3 / 40) && near(speeds[1], 70.0 / 6 / 40) && near(speeds[2], 35.0 / 40));
  speeds = dram.speeds({0, 1000, 0});
  CHECK_EQ(speeds[1], 1.0);
  const auto finish = dram.race({2000, 1000, 0});
  CHECK(near(finish[0], 120000 / 50.0) && near(finish[1], 120000 / 50.0) && finish[2] == 0);
  CHECK(near(dram.busy_cycles({1, 1, 1}), 240000 / 70.0));

  device.dram.page_miss_ns = 10;  // a miss stops both directions
  device.dram.translated_pages = 1;
  layer.c.far.page_visits = 120;
  layer.c.far.page_set = 1 << 20;
  CHECK(near(share(layer, device).busy_cycles({1, 1, 1}), 240000 / 70.0 + 1200));
}

TEST(object_fifos_count_their_buffers) {
  sim::event::ObjectFifo fifo(2);
  CHECK(fifo.has_room() && !fifo.holds(0));
  fifo.acquire();
  CHECK(fifo.has_room() && !fifo.holds(0));
  fifo.publish();
  fifo.acquire();
  CHECK(!fifo.has_room() && fifo.holds(0) && !fifo.holds(1));
  fifo.release();
  CHECK(fifo.has_room());
  CHECK_EQ(fifo.peak(), 2);
}

TEST(bytes_are_conserved_and_memories_never_overflow) {
  std::mt19937 random(7);
  const auto pick = [&](std::initializer_list<std::int64_t> values) {
    return values.begin()[std::uniform_int_distribution<std::size_t>(0, values.size() - 1)(random)];
  };
  const auto check = [](const LayerProgram& layer, const sim::Target& target) {
    const sim::event::Played played = play(layer, target);
    CHECK_EQ(played.a.far, layer.a.far.bytes);
    CHECK_EQ(played.b.far, layer.b.far.bytes);
    CHECK_EQ(played.c.far, layer.c.far.bytes);
    CHECK_EQ(played.a.near, layer.a.near.bytes);
    CHECK_EQ(played.b.near, layer.b.near.bytes);
    CHECK_EQ(played.c.near, layer.c.near.bytes);
    CHECK(played.l1_peak_bytes <= layer.l1_bytes);
    CHECK(layer.l1_bytes <= target.device.core.data_memory_bytes);
    CHECK(played.l2_peak_bytes <= layer.l2_bytes * target.device.array.columns);
    CHECK(layer.l2_bytes <= target.device.memory_tile.bytes);
  };
  for (int trial = 0; trial < 150; ++trial) {
    const Machine machine(device::names()[static_cast<std::size_t>(pick({0, 1, 2, 3, 4}))],
                          device::stack_names()[static_cast<std::size_t>(pick({0, 1, 2, 3, 4}))]);
    const auto extent = [&] { return pick({1, 3, 8, 17, 64, 100, 256, 511, 1000, 1536}); };
    check(product(extent(), extent(), extent(), pick({0, 1}) > 0 ? Format::int8 : Format::bf16, machine.target(),
                  static_cast<int>(pick({1, 2}))),
          machine.target());
  }
  for (const auto& [kind, graph] : layers_of_every_kind()) {
    const Machine machine("strix", "vitisai");
    for (const LayerProgram& layer : on_the_array(programs_of(graph, "strix", "vitisai")))
      check(layer, machine.target());
  }
}

TEST(random_products_respect_physics) {
  std::mt19937 random(20240607);
  const auto pick = [&](std::initializer_list<std::int64_t> values) {
    return values.begin()[std::uniform_int_distribution<std::size_t>(0, values.size() - 1)(random)];
  };
  for (int trial = 0; trial < 80; ++trial) {
    const std::string device = device::names()[static_cast<std::size_t>(pick({0, 1, 2, 3, 4}))];
    const std::string stack = device::stack_names()[static_cast<std::size_t>(pick({0, 1, 2, 3, 4}))];
    const Machine machine(device, stack);
    const auto extent = [&] { return pick({1, 8, 17, 64, 100, 256, 511, 1000, 2048}); };
    const std::int64_t M = extent(), K = extent(), N = extent();
    const LayerProgram layer = product(M, K, N, Format::int8, machine.target());
    const auto us = [&](const std::map<std::string, std::string>& overrides) {
      const Machine other(device, stack, overrides);
      return sim::time_layer(layer, other.target(), sim::Mode::event).cycles / (other.device.clock_ghz * 1e3);
    };
    const sim::LayerTiming timing = sim::time_layer(layer, machine.target(), sim::Mode::event);
    const double base = us({});
    // The roofline.
    const double peak = device::find_matmul(machine.device, Format::int8, Format::int8)->rate.macs_per_cycle *
                        static_cast<double>(machine.device.array.rows * machine.device.array.columns);
    CHECK(timing.cycles >= static_cast<double>(M * K * N) / peak);
    CHECK(base >= static_cast<double>(timing.ddr_read_bytes) / machine.device.dram.read_gbps * 1e-3);
    CHECK(base >= static_cast<double>(timing.ddr_write_bytes) / machine.device.dram.write_gbps * 1e-3);
    for (const double busy :
         {timing.cost.compute_cycles, timing.cost.l1_cycles, timing.cost.l2_cycles, timing.cost.ddr_cycles})
      CHECK(timing.cycles >= busy);
    // More of anything never costs time.
    const auto twice = [](double value) { return std::to_string(2 * value); };
    const double slack = 1 + 1e-6;
    CHECK(us({{"clock_ghz", twice(machine.device.clock_ghz)}}) <= base * slack);
    CHECK(us({{"dram.read_gbps", twice(machine.device.dram.read_gbps)}}) <= base * slack);
    CHECK(us({{"dram.write_gbps", twice(machine.device.dram.write_gbps)}}) <= base * slack);
    const double both = machine.device.dram.read_gbps + machine.device.dram.write_gbps;
    CHECK(us({{"dram.combined_gbps", std::to_string(both)}}) <= base * slack);
    // Faster channels meet at DRAM in another order, which may cost the first tiles a little.
    CHECK(us({{"shim.bytes_per_cycle", twice(machine.device.shim.bytes_per_cycle)}}) <= base * 1.001);
    CHECK(us({{"stream.bytes_per_cycle", twice(machine.device.stream.bytes_per_cycle)}}) <= base * 1.001);
    // More work never costs less.
    LayerProgram more = layer;
    more.blocks *= 2;
    for (sim::Operand* operand : {&more.a, &more.b, &more.c}) {
      operand->tiles *= 2;
      for (sim::Leg* leg : {&operand->near, &operand->far}) {
        leg->bytes *= 2;
        leg->descriptors *= 2;
        leg->page_visits *= 2;
      }
    }
    CHECK(sim::time_layer(more, machine.target(), sim::Mode::event).cycles * slack >= timing.cycles);
  }
}

TEST(fewer_columns_are_never_faster) {
  const auto device = device::load("strix");
  const auto stack = device::load_stack("iron");
  compiler::GemmQuery query;
  query.M = query.K = query.N = 1024;
  query.mode = sim::Mode::event;
  double last = 0;
  for (const std::int64_t columns : {8, 4, 2, 1}) {
    query.columns = columns;
    const double us = compiler::estimate_gemm(query, *device, *stack).latency_us();
    CHECK(us > last);
    last = us;
  }
}

// Busy times are the service times of both modes: the same resources, scheduled differently.
TEST(both_modes_have_the_same_busy_times) {
  const Machine machine("strix", "vitisai");
  for (const auto& [kind, graph] : layers_of_every_kind()) {
    for (const LayerProgram& layer : on_the_array(programs_of(graph, "strix", "vitisai"))) {
      const sim::LayerTiming steady = sim::time_layer(layer, machine.target());
      const sim::LayerTiming event = sim::time_layer(layer, machine.target(), sim::Mode::event);
      const auto same = [&, name = kind](const char* what, double a, double b) {
        if (std::fabs(a - b) > 1e-6 * std::max(a, b) + 1e-6)
          test::report(name.c_str(), 0, detail::concat(what, ": ", a, " and ", b));
      };
      same("compute", steady.cost.compute_cycles, event.cost.compute_cycles);
      same("l1", steady.cost.l1_cycles, event.cost.l1_cycles);
      same("l2", steady.cost.l2_cycles, event.cost.l2_cycles);
      same("dispatch", steady.cost.dispatch_cycles, event.cost.dispatch_cycles);
      // DRAM that moves both directions one after another is busy longer than one that overlaps them.
      CHECK(event.cost.ddr_cycles >= steady.cost.ddr_cycles * (1 - 1e-6));
      CHECK_EQ(steady.ddr_read_bytes, event.ddr_read_bytes);
      CHECK_EQ(steady.lock_operations, event.lock_operations);
      CHECK(steady.tile == event.tile && steady.array == event.array);
    }
  }
}

TEST(a_trace_has_a_track_per_unit) {
  const Machine machine("phoenix", "vitisai");
  const std::vector<LayerProgram> layers = programs_of(test::resnet18(), "phoenix", "vitisai");
  sim::event::Recorder recorder;
  const sim::Timing timing = sim::simulate(layers, machine.target(), sim::Mode::event, &recorder);
  using Unit = sim::event::Track::Unit;
  std::map<std::array<std::int64_t, 3>, double> last;  // end of the span before, per track
  std::map<std::int64_t, std::int64_t> kernels;        // calls of the first core, per layer
  std::map<std::int64_t, double> work;
  for (const auto& [layer, span] : recorder.entries()) {
    CHECK(span.start >= 0 && span.end >= span.start && span.end <= timing.cycles * (1 + 1e-9));
    CHECK(!span.name.empty() && span.track.copies >= 1);
    double& before = last[{static_cast<std::int64_t>(span.track.unit), span.track.operand, span.track.index}];
    CHECK(span.start >= before - 1e-3);
    before = span.end;
    if (layer < 0) continue;  // the launch
    const sim::LayerTiming& of_layer = timing.layers[static_cast<std::size_t>(layer)];
    CHECK(span.start >= of_layer.start_cycles - 1e-3 && span.end <= of_layer.start_cycles + of_layer.cycles + 1e-3);
    if (span.track.unit == Unit::core && span.track.index == 0) {
      ++kernels[layer];
      work[layer] += span.end - span.start;
    }
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (timing.layers[i].cost.compute_cycles == 0) continue;
    const auto index = static_cast<std::int64_t>(i);
    CHECK_EQ(kernels[index], layers[i].blocks * layers[i].steps);
    CHECK(std::fabs(work[index] - timing.layers[i].cost.compute_cycles) < 1e-3 * work[index]);
  }
  CHECK(last.count({static_cast<std::int64_t>(Unit::host), 0, 0}) == 1);
  CHECK(last.count({static_cast<std::int64_t>(Unit::shim_read), 'b', 0}) == 1);
  CHECK(last.count({static_cast<std::int64_t>(Unit::memory_tile), 'c', 0}) == 1);
}

TEST(the_mode_is_an_option) {
  CHECK(sim::mode_from_name("event") == sim::Mode::event && sim::mode_from_name("steady") == sim::Mode::steady);
  CHECK_EQ(sim::name(sim::Mode::event), "event");
  CHECK_THROWS(sim::mode_from_name("exact"), "mode 'exact': expected 'steady' or 'event'");
  compiler::CompileOptions options;
  options.device = device::load("strix");
  options.stack = device::load_stack("vitisai");
  const double steady = compiler::compile(test::mobilenet_v2(), options).timing.cycles;
  options.mode = sim::Mode::event;
  const double event = compiler::compile(test::mobilenet_v2(), options).timing.cycles;
  CHECK(steady != event && std::fabs(steady / event - 1) < 0.01);
}

TEST(a_layer_too_large_to_play_says_so) {
  const Machine machine("phoenix", "taka");
  LayerProgram layer = streaming_layer();
  layer.blocks = std::int64_t{1} << 40;
  CHECK_THROWS(sim::event::play(layer, {100, 0}, machine.target()), "`streaming` takes 1099511627776 x 8 kernel calls");
}

TEST(a_program_that_cannot_go_on_is_an_internal_error) {
  const Machine machine("phoenix", "taka");
  LayerProgram layer = streaming_layer();
  layer.c.tiles = 5;  // fewer than blocks: the cores would wait for ever
  CHECK_THROWS(sim::event::play(layer, {100, 0}, machine.target()), "layer `streaming` is stuck");
}

VAIP_TEST_MAIN()
