// Matrix products on every path, and the choice of a path.
#include <algorithm>
#include <array>
#include <string>

#include "kernel_harness.h"
#include "kernels/compute_path.h"
#include "kernels/epilogue.h"

namespace {

using namespace vaip;
using namespace vaip::test;
using kernels::ComputePath;

struct Product {
  Tensor a, b, bias, y;
  ir::MatMulAttrs attrs;
};

double product_real(const Product& p, bool bias, const Index& at) {
  const Shape &sa = p.a.value.shape, &sb = p.b.value.shape;
  Index rest = at;
  std::int64_t column = 0, row = 0;
  if (sb.size() > 1) {
    column = rest.back();
    rest.pop_back();
  }
  if (sa.size() > 1) {
    row = rest.back();
    rest.pop_back();
  }
  const bool ta = p.attrs.transpose_a && sa.size() > 1, tb = p.attrs.transpose_b && sb.size() > 1;
  const std::int64_t depth = sa.size() == 1 ? sa[0] : sa[sa.size() - (ta ? 2 : 1)];
  const auto batch_index = [&](const Shape& shape) {
    Index index;
    const std::size_t own = shape.size() - 2, lead = rest.size() - own;
    for (std::size_t d = 0; d < own; ++d) index.push_back(shape[d] == 1 ? 0 : rest[lead + d]);
    return index;
  };
  double sum = 0;
  for (std::int64_t k = 0; k < depth; ++k) {
    Index ia = {k}, ib = {k};
    if (sa.size() > 1) {
      ia = batch_index(sa);
      ia.insert(ia.end(), {ta ? k : row, ta ? row : k});
    }
    if (sb.size() > 1) {
      ib = batch_index(sb);
      ib.insert(ib.end(), {tb ? column : k, tb ? k : column});
    }
    sum += p.a.real(ia) * p.b.real(ib);
  }
  sum *= p.attrs.alpha;
  if (bias) {
    Index ic;
    const Shape& sc = p.bias.value.shape;
    for (std::size_t d = 0; d < sc.size(); ++d) ic.push_back(sc[d] == 1 ? 0 : at[at.size() - sc.size() + d]);
    sum += p.attrs.beta * p.bias.real(ic);
  }
  return ir::apply(p.attrs.activation, sum);
}

void check_product(Product& p, bool bias, const std::string& what,
                   std::vector<std::optional<ComputePath>> paths = {std::nullopt}) {
  for (const auto& path : paths) {
    kernels::KernelOptions options;
    options.path = path;
    Tensor y = p.y;
    run_layer(layer_of(p.attrs), {&p.a, &p.b, bias ? &p.bias : nullptr}, {&y}, options);
    expect_real(
        y, [&](const Index& at) { return product_real(p, bias, at); },
        what + " path " + (path ? std::string(name(*path)) : "any"));
  }
}

TEST(gemm_with_constant_weights) {
  Random random(11);
  for (int i = 0; i < 40; ++i) {
    Product p;
    const std::int64_t m = pick<std::int64_t>(random, {1, 3, 16, 50}), k = pick<std::int64_t>(random, {1, 7, 64, 200});
    const std::int64_t n = pick<std::int64_t>(random, {1, 5, 32, 71});
    p.attrs.transpose_a = random() % 3 == 0;
    p.attrs.transpose_b = random() % 2 == 0;
    if (random() % 3 == 0) p.attrs.alpha = 0.5;
    if (random() % 3 == 0) p.attrs.beta = 3.0;
    const DType x_dtype = pick<DType>(random, {DType::u8, DType::s8});
    p.a = random_tensor(random, x_dtype, p.attrs.transpose_a ? Shape{k, m} : Shape{m, k}, 0.03F,
                        x_dtype == DType::u8 ? 131 : -4);
    p.b = random_tensor(random, DType::s8, p.attrs.transpose_b ? Shape{n, k} : Shape{k, n}, 0.02F, 0);
    if (random() % 2 == 0) {
      p.b.value.quant = ir::QuantParams{{}, {}, p.attrs.transpose_b ? 0 : 1};
      for (std::int64_t j = 0; j < n; ++j) {
        p.b.value.quant->scale.push_back(0.01F + 0.001F * static_cast<float>(j % 13));
        p.b.value.quant->zero_point.push_back(0);
      }
    }
    make_constant(p.b);
    const Shape bias_shape = pick<Shape>(random, {{n}, {1, n}, {m, 1}, {m, n}, {1}, {}});
    p.bias = random() % 2 == 0 ? random_tensor(random, DType::f32, bias_shape)
                               : random_tensor(random, DType::s32, bias_shape, 0.0006F, 0);
    if (random() % 3 != 0) make_constant(p.bias);
    p.y = describe(DType::u8, {m, n}, 0.5F, 120);
    check_product(p, random() % 4 != 0, "gemm " + std::to_string(i),
                  {ComputePath::int8, ComputePath::int16, ComputePath::f32, ComputePath::f64, std::nullopt});
  }
}

TEST(matmul_of_two_activations_broadcasts_batches) {
  Random random(12);
  const std::vector<std::array<Shape, 3>> shapes = {
      {{{2, 3, 4, 70}, {2, 3, 70, 5}, {2, 3, 4, 5}}},
      {{{2, 1, 4, 9}, {3, 9, 5}, {2, 3, 4, 5}}},
      {{{4, 9}, {3, 9, 5}, {3, 4, 5}}},
      {{{9}, {3, 9, 5}, {3, 5}}},
      {{{2, 4, 9}, {9}, {2, 4}}},
      {{{9}, {9}, {}}},
      {{{1, 300}, {300, 2}, {1, 2}}},
      {{{2, 3, 600}, {2, 600, 3}, {2, 3, 3}}},
  };
  for (const auto& s : shapes) {
    for (const DType dtype : {DType::u8, DType::s8, DType::u16}) {
      for (const bool transposed : {false, true}) {
        Product p;
        p.a = random_tensor(random, dtype, s[0], 0.02F, dtype == DType::s8 ? 3 : 0);
        p.b = random_tensor(random, dtype, s[1], 0.03F, dtype == DType::u8 ? 200 : 0);
        if (transposed && s[1].size() > 1) {
          p.attrs.transpose_b = true;
          std::swap(p.b.value.shape[s[1].size() - 1], p.b.value.shape[s[1].size() - 2]);
        }
        if (transposed && s[0].size() > 1) {
          p.attrs.transpose_a = true;
          std::swap(p.a.value.shape[s[0].size() - 1], p.a.value.shape[s[0].size() - 2]);
        }
        p.y = describe(DType::s16, s[2], 0.37F, 5);
        std::vector<std::optional<ComputePath>> paths = {std::nullopt, ComputePath::f64};
        if (dtype != DType::u16) {
          paths.push_back(ComputePath::int16);
          paths.push_back(ComputePath::f32);
        }
        check_product(p, false, "batched matmul", paths);
      }
    }
  }
}

TEST(matmul_with_constant_weights_of_many_rows_and_dimensions) {
  Random random(13);
  for (const Shape& lead : {Shape{}, Shape{4}, Shape{2, 3}, Shape{2, 2, 2}}) {
    Product p;
    Shape a = lead, y = lead;
    a.push_back(33);
    y.push_back(10);
    p.a = random_tensor(random, DType::u8, a, 0.02F, 128);
    p.b = random_tensor(random, DType::s8, Shape{33, 10}, 0.03F, 0);
    make_constant(p.b);
    p.y = describe(DType::u8, y, 0.37F, 128);
    check_product(p, false, "matmul with weights");
  }
  // Constants with batches, and quantized along the batch.
  Product p;
  p.a = random_tensor(random, DType::u8, Shape{2, 4, 9}, 0.02F, 0);
  p.b = random_tensor(random, DType::s8, Shape{2, 9, 5}, 0.03F, 0);
  p.b.value.quant = ir::QuantParams{{0.02F, 0.05F}, {3, -1}, 0};
  make_constant(p.b);
  p.y = describe(DType::u8, {2, 4, 5}, 0.3F, 100);
  check_product(p, false, "batched constants");
}

TEST(matmul_with_weights_quantized_along_the_depth) {
  Random random(14);
  Product p;
  p.a = random_tensor(random, DType::u8, Shape{4, 3}, 0.02F, 0);
  p.b = random_tensor(random, DType::s8, Shape{3, 5}, 0.03F, 0);
  p.b.value.quant = ir::QuantParams{{0.02F, 0.05F, 0.1F}, {3, -1, 0}, 0};
  make_constant(p.b);
  p.y = describe(DType::u8, {4, 5}, 0.3F, 100);
  check_product(p, false, "scales along K");
}

TEST(matmul_without_depth_is_the_bias) {
  Product p;
  p.a = describe(DType::u8, {2, 0}, 0.1F, 0);
  p.b = describe(DType::s8, {0, 3}, 0.1F, 0);
  make_constant(p.b);
  Random random(1);
  p.bias = random_tensor(random, DType::f32, Shape{3});
  make_constant(p.bias);
  p.y = describe(DType::u8, {2, 3}, 0.1F, 100);
  check_product(p, true, "no depth");
}

TEST(packed_4_bit_weights) {
  Random random(15);
  Product p;
  p.a = random_tensor(random, DType::u8, Shape{3, 5}, 0.02F, 7);
  p.b = describe(DType::s8, {5, 3}, 0.03F, 2);
  auto bytes = std::make_shared<std::vector<std::byte>>(8);
  for (int i = 0; i < 15; ++i) {
    const int v = static_cast<int>(random() % 16) - 8;
    p.b.stored.push_back(v);
    (*bytes)[static_cast<std::size_t>(i / 2)] |= static_cast<std::byte>((v & 0xF) << (i % 2 * 4));
  }
  Tensor packed = p.b;
  packed.value.dtype = DType::s4;
  packed.value.constant = ir::Constant{std::shared_ptr<const std::byte>(bytes, bytes->data()), bytes->size()};
  p.y = describe(DType::u8, {3, 3}, 0.01F, 100);
  const ir::Layer layer = layer_of(p.attrs);
  const kernels::LayerOperands four_bit{
      layer,
      {kernels::make_operand(p.a.value, Layout::row_major), kernels::make_operand(packed.value, Layout::row_major)},
      {kernels::make_operand(p.y.value, Layout::row_major)}};
  const auto kernel = kernels::make_kernel(four_bit);
  const auto state = kernel->make_state();
  std::vector<std::byte> a = encode(p.a), y(9), scratch(kernel->scratch_bytes() + 64);
  const void* in[] = {a.data(), nullptr};
  void* out[] = {y.data()};
  kernel->execute({in, out, scratch.data(), state.get()});
  decode(p.y, y);
  expect_real(p.y, [&](const Index& at) { return product_real(p, false, at); }, "4-bit weights");
}

// ---- the choice of a path ----

kernels::LinearWeights weights_of(std::int64_t out, std::int64_t in, std::int16_t value) {
  kernels::LinearWeights w;
  w.out_channels = out;
  w.in_channels = in;
  w.integers.assign(static_cast<std::size_t>(out * in), value);
  w.scale.assign(static_cast<std::size_t>(out), 1.0);
  return w;
}

kernels::PathChoice choose(const kernels::LinearWeights& w, const kernels::SourceRange& source,
                           const kernels::CpuTraits& cpu) {
  return kernels::choose_path(w, kernels::bounds_of(w), source, cpu);
}

kernels::PathChoice require(ComputePath path, const kernels::LinearWeights& w, const kernels::SourceRange& source,
                            const kernels::CpuTraits& cpu) {
  return kernels::require_path(path, w, kernels::bounds_of(w), source, cpu);
}

// Results of 8 bits are tried in float32 first: every accumulator must come out as in double.
TEST(epilogue_equals_double_for_every_accumulator) {
  for (const double scale : {0.0031, 1.0 / 256, 0.1, 1.0 / 3.0, 0.5, 0.7e-4}) {
    for (const double share : {0.0, 5000.0, -123456.0}) {
      for (const bool bounded : {false, true}) {
        Tensor y = describe(DType::u8, {1, 1, 70001}, 0.25F, 100);
        kernels::Epilogue epilogue({scale * 0.25}, {}, {}, kernels::make_operand(y.value, Layout::row_major));
        epilogue.subtract({share});
        if (bounded) epilogue.set_largest_accumulator(160000);
        std::vector<std::int32_t> acc;
        for (int i = 0; i <= 70000; ++i) acc.push_back(i - 35000 + static_cast<int>(share));
        std::vector<std::byte> bytes(acc.size());
        epilogue.run(acc.data(), 0, 70001, {}, bytes.data());
        decode(y, bytes);
        int wrong = 0;
        for (std::size_t i = 0; i < acc.size(); ++i) {
          const double steps = (acc[i] - share) * (scale * 0.25 / 0.25);
          wrong += y.stored[i] != std::min(std::max(std::nearbyint(steps) + 100, 0.0), 255.0);
        }
        CHECK_EQ(wrong, 0);
      }
    }
  }
}

TEST(paths_follow_from_operands_and_cpu) {
  const kernels::SourceRange u8{DType::u8, 0}, s16{DType::s16, 0}, f32{DType::f32, 0};
  kernels::CpuTraits plain, vnni, avx2;
  vnni.int8_dot_product = avx2.int16_dot_product = true;
  CHECK(choose(weights_of(4, 64, 64), u8, plain).path == ComputePath::int8);
  CHECK(choose(weights_of(4, 64, 65), u8, plain).path == ComputePath::f32);  // every pair saturates
  CHECK(choose(weights_of(4, 64, 127), u8, vnni).path == ComputePath::int8);
  CHECK(choose(weights_of(4, 64, 200), u8, vnni).path == ComputePath::f32);  // beyond s8
  CHECK(choose(weights_of(4, 2, 100), s16, vnni).path == ComputePath::f32);
  CHECK(choose(weights_of(4, 64, 1), f32, vnni).path == ComputePath::f64);
  CHECK(choose(weights_of(4, 64, 32767), s16, vnni).path == ComputePath::f64);
  CHECK(choose(weights_of(4, 64, 64), u8, avx2).path == ComputePath::int8);
  CHECK(choose(weights_of(4, 64, 65), u8, avx2).path == ComputePath::int16);
  CHECK(choose(weights_of(4, 2, 100), s16, avx2).path == ComputePath::int16);
  CHECK(choose(weights_of(4, 2000, 127), s16, avx2).path == ComputePath::int16);  // wide sums, in pieces
  CHECK(choose(weights_of(4, 2000, 200), s16, avx2).path == ComputePath::f64);
  CHECK(choose(weights_of(4, 64, 1), {DType::u16, 0}, avx2).path == ComputePath::f32);  // 65,535 does not fit
  CHECK(choose(weights_of(4, 64, 1), {DType::u16, 32768}, avx2).path == ComputePath::int16);
  CHECK_THROWS(require(ComputePath::int8, weights_of(4, 2, 200), u8, vnni), "path int8 would not be exact");
  CHECK_THROWS(require(ComputePath::f32, weights_of(4, 64, 1), f32, vnni), "not integers");

  // 255 * 127 * 518 is the last multiple that 2^24 holds.
  CHECK_EQ(choose(weights_of(1, 518, 127), u8, vnni).chunks, 1);
  CHECK_EQ(choose(weights_of(1, 519, 127), u8, vnni).chunks, 2);
  // Positive and negative weights bound each other only in part: half of each sum is enough.
  kernels::LinearWeights mixed = weights_of(1, 1000, 127);
  for (std::size_t i = 0; i < 1000; i += 2) mixed.integers[i] = -127;
  CHECK_EQ(choose(mixed, u8, vnni).chunks, 1);
  CHECK_EQ(choose(mixed, {DType::u8, 128}, vnni).chunks, 1);
}

TEST(residuals_restore_the_weights_and_leave_no_saturating_pair) {
  Random random(9);
  kernels::LinearWeights w = weights_of(8, 31, 0);
  for (std::int16_t& v : w.integers) v = static_cast<std::int16_t>(static_cast<int>(random() % 256) - 128);
  kernels::LinearWeights safe = w;
  const auto residuals = kernels::split_saturating_pairs(safe);
  CHECK(!residuals.empty());
  for (std::size_t oc = 0; oc < 8; ++oc)
    for (std::size_t ic = 0; ic + 1 < 31; ic += 2) {
      const int a = safe.integers[oc * 31 + ic], b = safe.integers[oc * 31 + ic + 1];
      for (const int x : {0, 255})
        for (const int y : {0, 255}) CHECK(x * a + y * b <= 32767 && x * a + y * b >= -32768);
    }
  for (const auto& r : residuals)
    safe.integers[static_cast<std::size_t>(r.out_channel * 31 + r.in_channel)] += static_cast<std::int16_t>(r.value);
  CHECK(safe.integers == w.integers);
}

// Against one element at a time, for weights with several taps, an odd number of channels and rows longer than a
// segment.
TEST(bounds_and_pairs_of_weights_count_every_element) {
  Random random(10);
  for (const auto& [channels, taps] : {std::pair{1, 9}, {2, 1}, {31, 3}, {150, 1}, {17, 25}, {40000, 1}}) {
    kernels::LinearWeights w = weights_of(3, channels, 0);
    w.taps = taps;
    w.integers.resize(static_cast<std::size_t>(3 * channels * taps));
    for (std::int16_t& v : w.integers) v = static_cast<std::int16_t>(static_cast<int>(random() % 256) - 128);
    const auto at = [&](std::int64_t oc, std::int64_t ic, std::int64_t tap) {
      return static_cast<std::int64_t>(w.integers[static_cast<std::size_t>((oc * w.in_channels + ic) * w.taps + tap)]);
    };
    const kernels::WeightBounds bounds = kernels::bounds_of(w);
    const std::vector<kernels::SignedSums> blocks = kernels::block_sums(w);
    const std::int64_t blocks_per_channel = (w.in_channels + 7) / 8;
    CHECK_EQ(blocks.size(), static_cast<std::size_t>(3 * blocks_per_channel));
    std::int64_t pairs = 0, lowest = 0, highest = 0, largest = 0;
    for (std::int64_t oc = 0; oc < 3; ++oc) {
      std::vector<kernels::SignedSums> expected(static_cast<std::size_t>(blocks_per_channel));
      kernels::SignedSums whole;
      for (std::int64_t ic = 0; ic < w.in_channels; ++ic)
        for (std::int64_t tap = 0; tap < w.taps; ++tap) {
          const std::int64_t v = at(oc, ic, tap);
          for (kernels::SignedSums* sums : {&whole, &expected[static_cast<std::size_t>(ic / 8)]})
            (v > 0 ? sums->positive : sums->negative) += v;
          lowest = std::min(lowest, v);
          highest = std::max(highest, v);
          if (ic % 2 == 0 && ic + 1 < w.in_channels) {
            const std::int64_t next = at(oc, ic + 1, tap);
            const auto exceeds = [](std::int64_t sum) { return 255 * sum > 32767 || 255 * sum < -32768; };
            pairs += exceeds(v) || exceeds(next) || exceeds(v + next) ? 1 : 0;
          }
        }
      for (std::int64_t b = 0; b < blocks_per_channel; ++b) {
        const kernels::SignedSums& block = blocks[static_cast<std::size_t>(oc * blocks_per_channel + b)];
        CHECK_EQ(block.positive, expected[static_cast<std::size_t>(b)].positive);
        CHECK_EQ(block.negative, expected[static_cast<std::size_t>(b)].negative);
      }
      CHECK_EQ(bounds.channels[static_cast<std::size_t>(oc)].total(), whole.total());
      largest =
          std::max({largest, 155 * whole.positive - 100 * whole.negative, 100 * whole.positive - 155 * whole.negative});
    }
    CHECK_EQ(bounds.lowest, lowest);
    CHECK_EQ(bounds.highest, highest);
    CHECK_EQ(bounds.largest_accumulator({-100, 155}), largest);
    CHECK_EQ(kernels::count_saturating_pairs(w), pairs);
    CHECK_EQ(static_cast<std::int64_t>(kernels::split_saturating_pairs(w).size()), pairs);
    CHECK_EQ(kernels::count_saturating_pairs(w), 0);
  }
}

}  // namespace

VAIP_TEST_MAIN()
