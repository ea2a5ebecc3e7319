#include "compiler/mapping/contraction.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "compiler/mapping/candidates.h"

namespace vaip::compiler {
namespace {

using sim::LayerProgram;

// Activations lie in memory as YCXC8 (mlir-aie ml/bottleneck): eight channels are contiguous.
constexpr std::int64_t kChannelBlock = 8;

enum class Order : std::uint8_t {
  stream,        // A and B are read again for each block
  a_stationary,  // the blocks of a round of A tiles follow each other: A is read once
  b_stationary,  // the same for B
};

struct Candidate {
  std::int64_t tile_height = 1, tile_width = 1;  // of output positions
  std::int64_t channels = 0, n = 0;              // per kernel call
  std::int64_t across_m = 1, across_n = 1;       // cores side by side
  Order order = Order::stream;
  bool other_resident = false;  // the operand that is not stationary lies in L2 as a whole
  double least_cycles = 0;      // that it takes
};

class Mapper {
 public:
  Mapper(const Contraction& problem, const Region& region, const sim::Target& target, const TileConstraint& constraint)
      : p_(problem),
        region_(region),
        target_(target),
        flow_(target.profile.dataflow),
        c_buffers_(constraint.c_buffers.value_or(flow_.c_buffers)),
        model_(kernel_of(problem), target.device, target.profile) {}

  std::optional<LayerProgram> search() {
    for (const auto& [across_m, across_n] : distributions()) {
      for (const auto& [height, width] : position_tiles()) {
        for (const std::int64_t n : n_tiles()) {
          Candidate candidate;
          candidate.tile_height = height;
          candidate.tile_width = width;
          candidate.n = n;
          candidate.across_m = across_m;
          candidate.across_n = across_n;
          candidate.channels = deepest_channels(candidate);
          if (candidate.channels > 0) add_orders(candidate);
        }
      }
    }
    return best();
  }

  std::optional<LayerProgram> with_tile(const Tile& tile) {
    Candidate candidate;
    candidate.tile_width = tile.m;
    candidate.channels = tile.k;
    candidate.n = tile.n;
    const auto [across_m, across_n] = streaming_distribution();
    candidate.across_m = across_m;
    candidate.across_n = across_n;
    add_orders(candidate);
    return best();
  }

 private:
  static sim::Kernel kernel_of(const Contraction& problem) {
    sim::Kernel kernel;
    kernel.kind = problem.kind;
    kernel.a = problem.a;
    kernel.b = problem.b;
    kernel.c = problem.c;
    kernel.nonlinear_epilogue = problem.nonlinear_epilogue;
    return kernel;
  }

  std::array<std::int64_t, 2> streaming_distribution() const {
    if (flow_.m_over_columns) return {region_.columns, region_.rows};
    return {region_.rows, region_.columns};
  }

  // M over the rows and N over the columns shares both operands; the others suit layers that are long in one of them.
  std::vector<std::array<std::int64_t, 2>> distributions() const {
    const std::int64_t cores = region_.cores();
    if (!flow_.adaptive) return {streaming_distribution()};
    std::vector<std::array<std::int64_t, 2>> result = {{region_.rows, region_.columns}};
    for (const std::int64_t m : {cores, region_.columns, std::int64_t{1}}) {
      const std::array<std::int64_t, 2> split = {m, cores / m};
      if (std::find(result.begin(), result.end(), split) == result.end()) result.push_back(split);
    }
    return result;
  }

  bool is_flat() const { return p_.images == 1 && p_.vertical.output == 1 && p_.window == 1; }

  std::vector<std::array<std::int64_t, 2>> position_tiles() const {
    std::vector<std::array<std::int64_t, 2>> result;
    if (is_flat()) {
      for (const std::int64_t m : multiples(model_.native_m(), p_.horizontal.output)) result.push_back({1, m});
      return result;
    }
    constexpr std::int64_t kMostPositions = 1024;  // more never fit a core's memory with a useful depth
    for (const std::int64_t width : equal_parts(p_.horizontal.output, model_.native_m())) {
      for (const std::int64_t height : multiples(1, p_.vertical.output))
        if (height * width <= kMostPositions) result.push_back({height, width});
    }
    return result;
  }

  std::vector<std::int64_t> n_tiles() const { return multiples(model_.native_n(), p_.n); }

  std::int64_t patch(const Candidate& c) const {
    return p_.vertical.under(c.tile_height) * p_.horizontal.under(c.tile_width);
  }
  std::int64_t a_tile(const Candidate& c) const { return device::bytes(p_.a, patch(c) * c.channels); }
  std::int64_t b_tile(const Candidate& c) const { return device::bytes(p_.b, p_.window * c.channels * c.n); }
  std::int64_t c_tile(const Candidate& c) const { return device::bytes(p_.c, c.tile_height * c.tile_width * c.n); }
  std::int64_t steps(const Candidate& c) const { return ceil_div(p_.channels, c.channels); }
  std::int64_t partial_sum_bytes(const Candidate& c) const {
    if (steps(c) == 1 && flow_.adaptive) return 0;
    return flow_.partial_sum_bytes > 0 ? flow_.partial_sum_bytes : device::bytes(p_.c, 1);
  }
  std::int64_t l1_bytes(const Candidate& c) const {
    const std::int64_t accumulators =
        steps(c) > 1 && flow_.partial_sum_bytes > 0 ? c.tile_height * c.tile_width * c.n * flow_.partial_sum_bytes : 0;
    return 2 * a_tile(c) + 2 * b_tile(c) + c_buffers_ * c_tile(c) + accumulators;
  }

  // The most channels per kernel call that fit a core's memory: depth amortises the epilogue and costs no traffic.
  std::int64_t deepest_channels(Candidate c) const {
    c.channels = p_.channels;
    if (l1_bytes(c) <= region_.core_bytes) return c.channels;
    const std::int64_t granule = p_.window > 1 ? kChannelBlock : model_.native_k();
    std::int64_t low = 0, high = p_.channels / granule;  // in granules; low fits, high does not
    if (high * granule == p_.channels) --high;
    while (low < high) {
      const std::int64_t middle = (low + high + 1) / 2;
      c.channels = middle * granule;
      if (l1_bytes(c) <= region_.core_bytes)
        low = middle;
      else
        high = middle - 1;
    }
    if (low == 0) return 0;
    const std::int64_t calls = ceil_div(p_.channels, low * granule);
    return std::min(low, ceil_div(ceil_div(p_.channels, calls), granule)) * granule;  // equal steps
  }

  void add_orders(Candidate c) {
    if (l1_bytes(c) > region_.core_bytes) return;
    if (!flow_.adaptive) return add(c);
    for (const Order order : {Order::a_stationary, Order::b_stationary, Order::stream}) {
      for (const bool resident : {false, true}) {
        if (order == Order::stream && resident) continue;
        c.order = order;
        c.other_resident = resident;
        add(c);
      }
    }
  }

  void add(Candidate c) {
    if (!build(c)) return;
    const sim::KernelCycles kernel = model_.cycles(layer_.kernel);
    c.least_cycles = sim::least_cycles(layer_, kernel, target_, reached_);
    if (c.least_cycles > reached_) return;
    candidates_.push_back(c);
    if (c.least_cycles >= lowest_) return;
    lowest_ = c.least_cycles;
    reached_ = std::min(reached_, sim::layer_cost(layer_, kernel, target_).cycles);
  }

  // The fastest; of equals the one that reads least from DDR, and of these the first. Those that may be fastest are
  // timed first, so that few are timed at all.
  std::optional<LayerProgram> best() {
    std::vector<std::size_t> order(candidates_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::pair(candidates_[a].least_cycles, a) < std::pair(candidates_[b].least_cycles, b);
    });
    std::optional<LayerProgram> best;
    std::tuple<double, std::int64_t, std::size_t> best_rank;
    for (const std::size_t index : order) {
      const Candidate& candidate = candidates_[index];
      if (best && candidate.least_cycles > std::get<0>(best_rank)) break;
      build(candidate);
      const sim::LayerCost cost = sim::layer_cost(layer_, model_.cycles(layer_.kernel), target_);
      const std::tuple rank(cost.cycles, layer_.a.far.bytes + layer_.b.far.bytes, index);
      if (best && rank >= best_rank) continue;
      best = layer_;
      best_rank = rank;
    }
    return best;
  }

  // Writes the candidate's program into layer_; false when it does not fit L2.
  bool build(const Candidate& c) {
    const std::int64_t tiles_per_problem =
        p_.images * ceil_div(p_.vertical.output, c.tile_height) * ceil_div(p_.horizontal.output, c.tile_width);
    const std::int64_t m_tiles = p_.batch * tiles_per_problem;
    const std::int64_t n_tiles = ceil_div(p_.n, c.n);
    const std::int64_t m_rounds = ceil_div(m_tiles, c.across_m), n_rounds = ceil_div(n_tiles, c.across_n);
    const std::int64_t cores_m = std::min(c.across_m, m_tiles), cores_n = std::min(c.across_n, n_tiles);
    // Rows that work on different problems do not share B.
    const std::int64_t b_streams = cores_n * std::min(p_.batch, ceil_div(cores_m, tiles_per_problem));
    const std::int64_t calls = steps(c);
    const std::int64_t a = a_tile(c), b = b_tile(c), out = c_tile(c);

    // How often each operand is read from DDR, and how often a core receives it.
    const std::int64_t b_rounds = std::max<std::int64_t>(1, ceil_div(tiles_per_problem, c.across_m));
    std::int64_t a_reads = n_rounds, b_reads = b_rounds;
    std::int64_t a_tiles = m_rounds * n_rounds * calls, b_tiles = a_tiles;
    const std::int64_t c_l2 = p_.c_in_l2 ? 0 : cores_m * cores_n * out;
    const std::int64_t staged = staged_tiles(c, 2 * (cores_m * a + b_streams * b), region_.l2_bytes - c_l2);
    std::int64_t a_l2 = 2 * cores_m * a * staged;
    std::int64_t b_l2 = 2 * b_streams * b * staged;
    sim::Staging a_staging, b_staging;
    a_staging.unit_tiles = b_staging.unit_tiles = staged;
    const std::int64_t a_panel = cores_m * a * calls * (m_rounds > 1 ? 2 : 1);
    const std::int64_t b_panel = b_streams * b * calls * (n_rounds > 1 ? 2 : 1);
    if (flow_.b_resident && b_panel + a_l2 + c_l2 <= region_.l2_bytes) {
      b_reads = 1;
      b_l2 = b_panel;
      b_staging = {1, calls * (n_rounds > 1 ? 2 : 1), calls, b_rounds};
    }
    if (c.order == Order::a_stationary) {
      a_reads = 1;
      if (calls == 1) a_tiles = m_rounds;
      if (calls > 1) {
        a_l2 = a_panel;
        a_staging = {1, calls * (m_rounds > 1 ? 2 : 1), calls, n_rounds};
      }
      if (c.other_resident) {
        b_reads = 1;
        b_l2 = p_.b_bytes;
        b_staging = {1, b_tiles / b_rounds, n_rounds * calls, b_rounds};
      }
    } else if (c.order == Order::b_stationary) {
      b_reads = 1;
      if (calls == 1) b_tiles = n_rounds * (m_rounds > b_rounds ? ceil_div(m_rounds, b_rounds) : 1);
      if (calls > 1) {
        b_l2 = b_panel;
        b_staging = {1, calls * (n_rounds > 1 ? 2 : 1), calls, b_rounds};
      }
      if (c.other_resident) {
        a_reads = 1;
        a_l2 = p_.a_bytes;
        a_staging = {1, m_rounds * calls, m_rounds * calls, n_rounds};
      }
    }
    if (p_.a_in_l2) a_l2 = 0;
    if (p_.b_in_l2) b_l2 = 0;
    if (a_l2 + b_l2 + c_l2 > region_.l2_bytes) return false;
    const bool c_doubled = a_l2 + b_l2 + 2 * c_l2 <= region_.l2_bytes;  // where there is room

    layer_.kernel = kernel_of(p_);
    layer_.kernel.m = c.tile_height * c.tile_width;
    layer_.kernel.k = p_.window * c.channels;
    layer_.kernel.n = c.n;
    layer_.kernel.partial_sum_bytes = partial_sum_bytes(c);
    layer_.blocks = m_rounds * n_rounds;
    layer_.steps = calls;
    if (c.across_m == region_.rows && c.across_n == region_.columns) {
      layer_.rows = cores_m;
      layer_.columns = cores_n;
    } else {
      layer_.columns = std::min(region_.columns, cores_m * cores_n);
      layer_.rows = ceil_div(cores_m * cores_n, layer_.columns);
    }
    layer_.macs = p_.macs();
    layer_.l1_bytes = l1_bytes(c);
    layer_.l2_bytes = ceil_div(a_l2 + b_l2 + (c_doubled ? 2 : 1) * c_l2, region_.columns);

    const device::Device& device = target_.device;
    const std::int64_t near_channels = region_.columns * device.memory_tile.channels_out;
    set_near(layer_.a, p_.a, a, a_tiles, cores_m, near_channels);
    set_near(layer_.b, p_.b, b, b_tiles, b_streams, near_channels);
    set_near(layer_.c, p_.c, out, m_rounds * n_rounds, cores_m * cores_n,
             region_.columns * device.memory_tile.channels_in);
    layer_.a.buffers = layer_.b.buffers = 2;
    layer_.a.staging = a_staging;
    layer_.b.staging = b_staging;
    layer_.c.staging.units = c_doubled ? 2 : 1;
    layer_.c.buffers = static_cast<int>(c_buffers_);

    const std::int64_t rounds = c.order == Order::b_stationary ? n_rounds : m_rounds;
    set_far(layer_.a, p_.a_in_l2 ? 0 : p_.a_bytes * a_reads, input_channels(cores_m, p_.b_in_l2), a_run(c, staged),
            rounds);
    set_far(layer_.b, p_.b_in_l2 ? 0 : p_.b_bytes * b_reads, input_channels(b_streams, p_.a_in_l2), b_run(c, staged),
            rounds);
    set_far(layer_.c, p_.c_in_l2 ? 0 : p_.c_bytes, region_.columns * (flow_.adaptive ? device.shim.channels_out : 1),
            c_run(c), rounds);
    // Columns of the array that work side by side read a row of B, and write a row of C, together.
    layer_.b.far.abreast = p_.b_row_major ? cores_n : 1;
    const bool whole_rows = !flow_.adaptive || p_.kind == sim::KernelKind::matmul;
    layer_.c.far.abreast = !whole_rows ? 1 : p_.c_column_major ? cores_m : cores_n;
    if (is_flat()) set_row_pages(c, cores_m, cores_n);
    return true;
  }

  // Tiles along K that L2 stages together, so that DDR is read in longer runs: as many as the stack wants and L2 holds.
  std::int64_t staged_tiles(const Candidate& c, std::int64_t bytes_per_stage, std::int64_t l2_bytes) const {
    const std::int64_t wanted = flow_.staged_run_bytes / std::max<std::int64_t>(device::bytes(p_.a, c.channels), 1);
    const std::int64_t held = l2_bytes / std::max<std::int64_t>(bytes_per_stage, 1);
    const std::int64_t most = std::clamp<std::int64_t>(std::min(wanted, held), 1, steps(c));
    return ceil_div(steps(c), ceil_div(steps(c), most));  // equal stages: a short one would not hide the next
  }

  // Pages that a strided walk enters: `runs` pieces, `stride` bytes apart, come back to the same page after `between`
  // of them (never: 0).
  void set_pages(sim::Leg& leg, std::int64_t stride, std::int64_t between) const {
    leg.page_visits = leg.page_set = 0;
    const std::int64_t page = target_.device.dram.page_bytes;
    if (leg.bytes == 0 || leg.run_bytes <= 0 || leg.run_bytes >= stride) return;
    const auto pages = [&](std::int64_t runs) { return stride >= page ? runs : ceil_div(runs * stride, page); };
    leg.page_visits = pages(ceil_div(leg.bytes, leg.run_bytes));
    leg.page_set = between > 0 ? pages(between) : leg.page_visits;
  }

  // The operands of a plain product lie in rows. A walk along K comes back to a row's page with its next step;
  // row-major B goes through all K rows first, and C never comes back.
  void set_row_pages(const Candidate& c, std::int64_t cores_m, std::int64_t cores_n) {
    set_pages(layer_.a.far, device::bytes(p_.a, p_.channels), c.tile_width * cores_m);
    if (p_.b_row_major)
      set_pages(layer_.b.far, device::bytes(p_.b, p_.n), p_.channels);
    else
      set_pages(layer_.b.far, device::bytes(p_.b, p_.channels), c.n * cores_n);
    set_pages(layer_.c.far, device::bytes(p_.c, p_.n), 0);
  }

  // One shim channel per column and operand; all of them for the only operand that comes from DDR.
  std::int64_t input_channels(std::int64_t streams, bool other_in_l2) const {
    if (flow_.spread_streams) return target_.device.array.columns;
    const std::int64_t available =
        flow_.adaptive && other_in_l2 ? region_.columns * target_.device.shim.channels_in : region_.columns;
    return std::min(streams, available);
  }

  std::int64_t a_run(const Candidate& c, std::int64_t staged) const {
    const std::int64_t depth = device::bytes(p_.a, c.channels);
    if (c.channels >= p_.channels && (p_.window == 1 || c.tile_width == p_.horizontal.output)) return a_tile(c);
    if (!flow_.adaptive) return depth * staged;
    if (p_.kind == sim::KernelKind::matmul) return depth;
    const std::int64_t width = p_.horizontal.under(c.tile_width);
    return device::bytes(p_.a, width * (width == p_.horizontal.input ? c.channels : kChannelBlock));
  }

  std::int64_t b_run(const Candidate& c, std::int64_t staged) const {
    if (p_.b_row_major) return c.n >= p_.n ? b_tile(c) : device::bytes(p_.b, c.n);
    if (flow_.adaptive || c.channels >= p_.channels) return b_tile(c);
    return device::bytes(p_.b, c.channels) * staged;
  }

  std::int64_t c_run(const Candidate& c) const {
    if (p_.c_column_major) {
      const std::int64_t positions = c.tile_height * c.tile_width;
      return positions >= p_.positions() ? c_tile(c) : device::bytes(p_.c, positions);
    }
    if (c.n >= p_.n) return c_tile(c);
    if (!flow_.adaptive || p_.kind == sim::KernelKind::matmul) return device::bytes(p_.c, c.n);
    return device::bytes(p_.c, c.tile_width * (c.tile_width == p_.horizontal.output ? c.n : kChannelBlock));
  }

  static void set_near(sim::Operand& operand, device::Format format, std::int64_t tile_bytes, std::int64_t tiles,
                       std::int64_t streams, std::int64_t most_channels) {
    operand.format = format;
    operand.tile_bytes = tile_bytes;
    operand.tiles = tiles;
    operand.near.bytes = tiles * tile_bytes * streams;
    operand.near.channels = std::min(streams, most_channels);
    operand.near.run_bytes = tile_bytes;
    operand.near.descriptors = tiles * streams;
  }

  static void set_far(sim::Operand& operand, std::int64_t bytes, std::int64_t channels, std::int64_t run_bytes,
                      std::int64_t rounds) {
    operand.far.bytes = bytes;
    operand.far.channels = channels;
    operand.far.run_bytes = run_bytes;
    operand.far.descriptors = bytes > 0 ? rounds * channels : 0;
  }

  const Contraction& p_;
  const Region& region_;
  const sim::Target& target_;
  const device::Profile::Dataflow& flow_;
  std::int64_t c_buffers_;
  sim::KernelModel model_;
  LayerProgram layer_;                 // of the candidate under consideration
  std::vector<Candidate> candidates_;  // but for those that are surely slower than another
  // Cycles: the lowest of their bounds, and what the best of those takes that had it.
  double lowest_ = std::numeric_limits<double>::infinity(), reached_ = lowest_;
};

bool has_disjoint_windows(const Contraction& problem) {
  return problem.window > 1 && problem.vertical.stride >= problem.vertical.extent &&
         problem.horizontal.stride >= problem.horizontal.extent;
}

// A window whose weights do not fit a core as a whole, as a patch embedding's in bf16 (16x16 pixels): where no input is
// read twice, the patches are the rows of a plain product, which may be cut anywhere along K.
Contraction over_patches(Contraction problem) {
  const std::int64_t positions = problem.positions();
  problem.images = 1;
  problem.vertical = {};
  problem.horizontal = {positions, positions, 1, 1};
  problem.channels *= problem.window;
  problem.window = 1;
  return problem;
}

}  // namespace

std::optional<LayerProgram> map_contraction(const Contraction& problem, const Region& region, const sim::Target& target,
                                            const TileConstraint& constraint) {
  if (problem.macs() == 0) return LayerProgram{};
  Mapper mapper(problem, region, target, constraint);
  if (constraint.tile) return mapper.with_tile(*constraint.tile);
  const device::Profile::Dataflow& flow = target.profile.dataflow;
  if (flow.tile_m > 0 && flow.tile_k > 0 && flow.tile_n > 0 && problem.window == 1 && problem.vertical.output == 1)
    return mapper.with_tile({flow.tile_m, flow.tile_k, flow.tile_n});
  std::optional<LayerProgram> mapped = mapper.search();
  if (mapped || !has_disjoint_windows(problem)) return mapped;
  return Mapper(over_patches(problem), region, target, constraint).search();
}

}  // namespace vaip::compiler
