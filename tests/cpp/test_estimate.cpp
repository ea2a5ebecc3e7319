#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "check.h"
#include "compiler/estimate.h"
#include "compiler/estimate_elements.h"
#include "compiler/estimate_layers.h"

namespace {

using namespace vaip;
using compiler::AttentionQuery;
using compiler::ConvQuery;
using compiler::ElementQuery;
using compiler::GemmQuery;
using compiler::KernelQuery;
using device::Format;

const device::Device& strix() {
  static const auto loaded = device::load("strix");
  return *loaded;
}
const device::Stack& stack(const char* name) { return *device::load_stack(name); }

GemmQuery bf16_gemm(std::int64_t M, std::int64_t K, std::int64_t N) {
  GemmQuery query;
  query.M = M;
  query.K = K;
  query.N = N;
  query.a = query.b = query.out = Format::bf16;
  return query;
}

ConvQuery conv(std::int64_t side, std::int64_t in, std::int64_t out, std::int64_t window, std::int64_t rows) {
  ConvQuery query;
  query.height = query.width = side;
  query.in_channels = in;
  query.out_channels = out;
  query.window = window;
  query.rows = rows;
  query.columns = 1;
  return query;
}

}  // namespace

TEST(a_batch_is_as_many_products) {
  GemmQuery query = bf16_gemm(256, 512, 256);
  const sim::Timing one = compiler::estimate_gemm(query, strix(), stack("air"));
  query.batch = 8;
  const sim::Timing eight = compiler::estimate_gemm(query, strix(), stack("air"));
  CHECK_EQ(eight.macs, 8 * one.macs);
  CHECK_EQ(eight.ddr_write_bytes, 8 * one.ddr_write_bytes);
  CHECK(eight.cycles > one.cycles);
}

TEST(wider_partial_sums_take_room_in_the_core) {
  GemmQuery query = bf16_gemm(512, 512, 512);
  query.tile = compiler::Tile{32, 32, 64};
  const sim::Timing narrow = compiler::estimate_gemm(query, strix(), stack("air"));
  query.partial_sums = Format::f32;
  const sim::Timing wide = compiler::estimate_gemm(query, strix(), stack("air"));
  CHECK_EQ(wide.layers[0].l1_bytes - narrow.layers[0].l1_bytes, 32 * 64 * 4);
  CHECK_EQ(wide.ddr_write_bytes, narrow.ddr_write_bytes);
  query.tile = compiler::Tile{64, 32, 128};  // 24 KB of A and B, 16 KB of C, 32 KB of sums
  CHECK_THROWS(compiler::estimate_gemm(query, strix(), stack("air")), "64x32x128 does not fit");
}

TEST(longer_runs_are_never_slower) {
  GemmQuery query = bf16_gemm(1024, 2048, 1024);
  query.tile = compiler::Tile{64, 16, 64};
  query.l2_depth = 16;
  double previous = compiler::estimate_gemm(query, strix(), stack("taka")).cycles;
  for (const std::int64_t depth : {64, 256, 512}) {
    query.l2_depth = depth;
    const double cycles = compiler::estimate_gemm(query, strix(), stack("taka")).cycles;
    CHECK(cycles <= previous * 1.03);  // a deeper first stage takes longer to come
    previous = cycles;
  }
  GemmQuery narrow = bf16_gemm(4096, 64, 4096);  // little work per element of C: writing it dominates
  narrow.tile = compiler::Tile{16, 64, 128};
  const double by_rows = compiler::estimate_gemm(narrow, strix(), stack("taka")).cycles;
  narrow.c_layout = GemmQuery::Layout::column;
  CHECK(compiler::estimate_gemm(narrow, strix(), stack("taka")).cycles > by_rows);
}

TEST(a_kernel_variant_takes_the_place_of_the_usual_kernel) {
  device::Stack stack = *device::load_stack("taka");
  auto& kernels = stack.generations.at("xdna2").kernels.matmul;
  device::MatrixKernel slow = kernels.at("bf16_bf16");
  slow.issue_efficiency /= 100;
  kernels["bf16_bf16@slow"] = slow;
  GemmQuery query = bf16_gemm(512, 512, 512);
  query.tile = compiler::Tile{32, 64, 32};
  const auto array_cycles = [&] {
    const sim::Timing timing = compiler::estimate_gemm(query, strix(), stack);
    return timing.cycles - timing.host_cycles;
  };
  const double usual = array_cycles();
  query.kernel = "slow";
  CHECK(array_cycles() > 2 * usual);
  query.kernel = "slwo";
  CHECK_THROWS(compiler::estimate_gemm(query, strix(), stack),
               "stack 'taka' has no matmul kernel 'slwo' for bf16_bf16 on xdna2; variants: bf16_bf16@slow");
}

TEST(the_host_call_can_be_left_out) {
  GemmQuery query = bf16_gemm(64, 64, 64);
  const device::Stack& vitisai = stack("vitisai");
  const double with = compiler::estimate_gemm(query, strix(), vitisai).latency_us();
  query.host_call = false;
  const double without = compiler::estimate_gemm(query, strix(), vitisai).latency_us();
  CHECK(std::abs(with - without - vitisai.profile("xdna2").dispatch.host_call_us) < 1e-6);
}

// Rows of TAKA's table 1 (arXiv 2512.13282), on which its kernel constants were fitted.
TEST(kernels_of_taka_within_5_percent) {
  struct Row {
    const char* device;
    Format in, out;
    std::int64_t m, k, n;
    double macs_per_cycle;
  };
  for (const Row& row : {Row{"phoenix", Format::int8, Format::int8, 64, 232, 64, 233.0},
                         Row{"strix", Format::int8, Format::int32, 48, 280, 48, 384.0},
                         Row{"phoenix", Format::bf16, Format::bf16, 64, 104, 64, 112.6}}) {
    KernelQuery query;
    query.m = row.m;
    query.k = row.k;
    query.n = row.n;
    query.a = query.b = row.in;
    query.out = row.out;
    const double cycles = compiler::estimate_kernel(query, *device::load(row.device), stack("taka"));
    const double ratio = static_cast<double>(row.m * row.k * row.n) / cycles / row.macs_per_cycle;
    CHECK(ratio > 0.95 && ratio < 1.05);
  }
}

TEST(kernel_calls_cost_what_they_do) {
  KernelQuery query;
  query.m = query.n = 64;
  query.k = 64;
  const double once = compiler::estimate_kernel(query, strix(), stack("taka"));
  const double peak = 512;  // int8 MACs per cycle of an XDNA2 core
  CHECK(once >= 64.0 * 64 * 64 / peak);
  query.accumulates = false;
  CHECK(compiler::estimate_kernel(query, strix(), stack("taka")) < once);

  KernelQuery element;
  element.kind = KernelQuery::Kind::element;
  element.a = element.b = element.out = Format::bf16;
  element.op = "gelu";
  element.m = 1024;
  const double one = compiler::estimate_kernel(element, strix(), stack("air"));
  element.m = 3 * 1024;
  const double three = compiler::estimate_kernel(element, strix(), stack("air"));
  CHECK(three > 2 * one && three <= 3 * one);
  element.op = "gellu";
  CHECK_THROWS(compiler::estimate_kernel(element, strix(), stack("air")), "did you mean \"gelu\"");

  query.c_shares_a_bank = true;
  CHECK_THROWS(compiler::estimate_kernel(query, strix(), stack("taka")), "memory banks");
  query = {};
  CHECK_THROWS(compiler::estimate_kernel(query, strix(), stack("taka")), "m is 0");
}

TEST(element_wise_traffic_is_that_of_the_operands) {
  ElementQuery query;
  query.elements = 1 << 20;
  query.rows = 1;
  query.tile = 2048;
  const auto timing = [&](const char* op) {
    query.op = op;
    return compiler::estimate_elements(query, strix(), stack("air"));
  };
  const sim::Timing add = timing("add");
  CHECK_EQ(add.ddr_read_bytes, std::int64_t{2} << 21);
  CHECK_EQ(add.ddr_write_bytes, std::int64_t{1} << 21);
  CHECK_EQ(add.layers[0].tile[0], 2048);
  CHECK_EQ(add.layers[0].array[0], 1);
  CHECK_EQ(add.layers[0].array[1], 8);
  CHECK_EQ(timing("gelu").ddr_read_bytes, std::int64_t{1} << 21);
  const sim::Timing copy = timing("memcpy");
  CHECK_EQ(copy.ddr_read_bytes, std::int64_t{1} << 21);
  CHECK_EQ(copy.ddr_write_bytes, std::int64_t{1} << 21);

  query.rows = 2;
  CHECK_EQ(timing("gelu").layers[0].array[0], 2);
  query.row = 2048;
  query.tile = 4096;  // two rows of the norm at a time
  CHECK_EQ(timing("rmsnorm").layers[0].tile[0], 4096);
  query.tile = 1 << 16;
  CHECK_THROWS(timing("add"), "the tile does not fit");
  CHECK_THROWS(timing("frobnicate"), "unknown element-wise operator 'frobnicate'");
}

TEST(every_operator_is_predicted_and_more_cores_are_not_slower) {
  for (const compiler::ElementOp& op : compiler::element_ops()) {
    ElementQuery query;
    query.op = std::string(op.name);
    query.elements = 1 << 20;
    query.row = 1024;
    query.rows = 1;
    query.columns = 2;
    const double two = compiler::estimate_elements(query, strix(), stack("air")).cycles;
    query.columns = 8;
    CHECK(compiler::estimate_elements(query, strix(), stack("air")).cycles <= two);
  }
}

TEST(convolutions_count_their_macs) {
  ConvQuery query = conv(32, 64, 128, 3, 4);
  CHECK_EQ(compiler::estimate_conv(query, strix(), stack("vitisai")).macs, std::int64_t{32 * 32 * 9} * 64 * 128);
  query.depthwise = true;
  CHECK_THROWS(compiler::estimate_conv(query, strix(), stack("vitisai")), "got 128 and 64");
  query.out_channels = 64;
  CHECK_EQ(compiler::estimate_conv(query, strix(), stack("vitisai")).macs, std::int64_t{32 * 32 * 9 * 64});
}

TEST(a_pipeline_runs_at_the_pace_of_its_slowest_stage) {
  const ConvQuery first = conv(32, 256, 64, 1, 1), second = conv(32, 64, 64, 3, 2), third = conv(32, 64, 256, 1, 1);
  const device::Stack& iron = stack("iron");
  const sim::Timing all = compiler::estimate_pipeline({first, second, third}, strix(), iron);
  double slowest = 0, sum = 0;
  for (const sim::LayerTiming& layer : all.layers) {
    slowest = std::max(slowest, layer.cycles);
    sum += layer.cycles;
  }
  CHECK_EQ(all.layers.size(), std::size_t{3});
  CHECK(all.cycles - all.host_cycles >= slowest);
  CHECK(all.cycles - all.host_cycles < sum);
  // Input and weights come from DDR, the result goes there, what is between them does not.
  CHECK_EQ(all.ddr_write_bytes, 32 * 32 * 256);
  CHECK_EQ(all.layers[1].ddr_write_bytes, 0);
  CHECK(all.layers[1].ddr_read_bytes < 32 * 32 * 64 + all.layers[0].ddr_read_bytes);
  CHECK_THROWS(compiler::estimate_pipeline({}, strix(), iron), "no stages");
}

TEST(attention_keeps_its_scores_in_the_array) {
  AttentionQuery query;
  query.queries = query.keys = 1024;
  query.head_dim = 64;
  query.query_heads = 8;
  query.kv_heads = 2;
  const sim::Timing timing = compiler::estimate_attention(query, strix(), stack("air"));
  CHECK_EQ(timing.macs, std::int64_t{2} * 8 * 1024 * 1024 * 64);
  const std::int64_t head = 1024 * 64 * 2;
  CHECK_EQ(timing.ddr_write_bytes, 8 * head);
  CHECK(timing.ddr_read_bytes >= (8 + 2 * 2) * head);
  query.kv_heads = 16;
  CHECK_THROWS(compiler::estimate_attention(query, strix(), stack("air")), "kv_heads is 16");
}

VAIP_TEST_MAIN()
