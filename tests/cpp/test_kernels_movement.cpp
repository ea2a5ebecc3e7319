// Layers that only move elements, with and without a change of quantization parameters.
#include <algorithm>
#include <numeric>

#include "kernels/layers.h"
#include "movement_harness.h"

namespace {

using namespace vaip;
using namespace vaip::test;

TEST(transpose_of_any_rank_and_layout) {
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 5));
    Tensor x = describe(DType::u8, random_shape(random, rank, rank < 4 ? 40 : 9)), y = describe(DType::u8, Shape(rank));
    describe_ends(i % kVariants, x, y);
    ir::TransposeAttrs attrs;
    attrs.perm.resize(rank);
    std::iota(attrs.perm.begin(), attrs.perm.end(), 0);
    std::shuffle(attrs.perm.begin(), attrs.perm.end(), random);
    if (i % 10 == 0) std::iota(attrs.perm.rbegin(), attrs.perm.rend(), 0);
    for (std::size_t d = 0; d < rank; ++d) y.value.shape[d] = x.value.shape[static_cast<std::size_t>(attrs.perm[d])];
    randomise(x, random);
    randomise_layouts(random, {&x, &y});
    ir::TransposeAttrs given = attrs;
    if (i % 10 == 0) given.perm.clear();  // the default reverses
    expect_moved(
        layer_of(given), {&x}, y,
        [&](const Index& at) {
          Index from(rank);
          for (std::size_t d = 0; d < rank; ++d) from[static_cast<std::size_t>(attrs.perm[d])] = at[d];
          return from;
        },
        "transpose");
  }
}

TEST(slices_with_any_start_and_step) {
  Random random(2);
  for (int i = 0; i < 200; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    Tensor x = describe(DType::u8, random_shape(random, rank, 9)), y = describe(DType::u8, x.value.shape);
    describe_ends(i % kVariants, x, y);
    ir::SliceAttrs attrs;
    std::vector<std::vector<std::int64_t>> chosen(rank);
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t size = x.value.shape[d];
      for (std::int64_t p = 0; p < size; ++p) chosen[d].push_back(p);
      if (random() % 3 == 0) continue;
      const std::int64_t start = between(random, -size - 2, size + 2), end = between(random, -size - 2, size + 2);
      const std::int64_t step = pick<std::int64_t>(random, {1, 2, 3, -1, -2});
      attrs.axes.push_back(static_cast<std::int64_t>(d) - (random() % 2 == 0 ? static_cast<std::int64_t>(rank) : 0));
      attrs.starts.push_back(start);
      attrs.ends.push_back(end);
      attrs.steps.push_back(step);
      // Python's own definition.
      const auto place = [&](std::int64_t v) {
        if (v < 0) v += size;
        return std::clamp<std::int64_t>(v, step > 0 ? 0 : -1, step > 0 ? size : size - 1);
      };
      chosen[d].clear();
      for (std::int64_t p = place(start); step > 0 ? p < place(end) : p > place(end); p += step) chosen[d].push_back(p);
      y.value.shape[d] = static_cast<std::int64_t>(chosen[d].size());
    }
    randomise(x, random);
    randomise_layouts(random, {&x, &y});
    expect_moved(
        layer_of(attrs), {&x}, y,
        [&](const Index& at) {
          Index from(rank);
          for (std::size_t d = 0; d < rank; ++d) from[d] = chosen[d][static_cast<std::size_t>(at[d])];
          return from;
        },
        "slice");
  }
}

TEST(concat_and_split_are_inverse) {
  Random random(3);
  for (int i = 0; i < 100; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    const auto axis = static_cast<std::size_t>(between(random, 0, static_cast<std::int64_t>(rank) - 1));
    const Shape shape = random_shape(random, rank, 7);
    std::vector<Tensor> parts;
    Tensor whole = describe(DType::u8, shape, 0.25F, 10);
    whole.value.shape[axis] = 0;
    std::vector<std::int64_t> begins;
    for (int p = 0; p < 3; ++p) {
      Tensor part = describe(DType::u8, shape, p == i % 4 ? 0.3F : 0.25F, p == i % 4 ? 20 : 10);
      part.value.shape[axis] = between(random, 0, 5);
      begins.push_back(whole.value.shape[axis]);
      whole.value.shape[axis] += part.value.shape[axis];
      randomise(part, random);
      parts.push_back(part);
    }
    randomise_layouts(random, {&parts[0], &parts[1], &parts[2], &whole});
    ir::ConcatAttrs concat;
    concat.axis = static_cast<std::int64_t>(axis) - (i % 2 == 0 ? static_cast<std::int64_t>(rank) : 0);
    run_layer(layer_of(concat), {&parts[0], &parts[1], &parts[2]}, {&whole});
    expect_real(
        whole,
        [&](const Index& at) {
          std::size_t p = 2;
          while (at[axis] < begins[p]) --p;
          Index from = at;
          from[axis] -= begins[p];
          return parts[p].real(from);
        },
        "concat");

    ir::SplitAttrs split;
    split.axis = concat.axis;
    std::vector<Tensor> out = parts;
    run_layer(layer_of(split), {&whole}, {&out[0], &out[1], &out[2]});
    for (std::size_t p = 0; p < 3; ++p)
      expect_real(
          out[p],
          [&](const Index& at) {
            Index from = at;
            from[axis] += begins[p];
            return whole.real(from);
          },
          "split");
  }
}

TEST(pads_in_all_modes) {
  using Mode = ir::PadAttrs::Mode;
  Random random(4);
  for (int i = 0; i < 300; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    Tensor x = describe(DType::u8, random_shape(random, rank, 6)), y = describe(DType::u8, x.value.shape);
    describe_ends(i % kVariants, x, y);
    ir::PadAttrs attrs;
    attrs.mode = pick<Mode>(random, {Mode::constant, Mode::reflect, Mode::edge, Mode::wrap});
    attrs.value = 1.3;
    std::vector<std::int64_t> begins(rank, 0), ends;
    for (std::size_t d = 0; d < rank; ++d) {
      if (random() % 3 == 0) continue;
      const std::int64_t size = x.value.shape[d];
      const std::int64_t reach = attrs.mode == Mode::constant ? 4 : std::max<std::int64_t>(size - 1, 0);
      begins[d] = between(random, attrs.mode == Mode::constant ? -(size / 2) : 0, reach);
      ends.push_back(between(random, attrs.mode == Mode::constant ? -(size / 2) : 0, reach));
      attrs.axes.push_back(static_cast<std::int64_t>(d) - (i % 2 == 0 ? static_cast<std::int64_t>(rank) : 0));
      attrs.pads.push_back(begins[d]);
      y.value.shape[d] = size + begins[d] + ends.back();
    }
    if (attrs.axes.empty()) continue;
    attrs.pads.insert(attrs.pads.end(), ends.begin(), ends.end());
    randomise(x, random);
    randomise_layouts(random, {&x, &y});
    run_layer(layer_of(attrs), {&x}, {&y});
    expect_real(
        y,
        [&](const Index& at) {
          Index from(rank);
          for (std::size_t d = 0; d < rank; ++d) {
            const std::int64_t size = x.value.shape[d];
            std::int64_t p = at[d] - begins[d];
            if (p < 0 || p >= size) {
              switch (attrs.mode) {
                case Mode::constant:
                  return attrs.value;
                case Mode::edge:
                  p = p < 0 ? 0 : size - 1;
                  break;
                case Mode::wrap:
                  p = (p + size) % size;
                  break;
                case Mode::reflect:
                  p = p < 0 ? -p : 2 * (size - 1) - p;
                  break;
              }
            }
            from[d] = p;
          }
          return x.real(from);
        },
        "pad");
  }
}

TEST(reshape_keeps_the_order) {
  Random random(5);
  for (int variant = 0; variant < kVariants; ++variant) {
    Tensor x = describe(DType::u8, {2, 3, 4}), y = describe(DType::u8, {4, 6});
    describe_ends(variant, x, y);
    randomise(x, random);
    ir::ReshapeAttrs attrs;
    attrs.spec = {4, 6};
    expect_moved(
        layer_of(attrs), {&x}, y,
        [&](const Index& at) {
          const std::int64_t i = at[0] * 6 + at[1];
          return Index{i / 12, i / 4 % 3, i % 4};
        },
        "reshape");
  }
}

TEST(elements_of_every_size_are_moved_unchanged) {
  Random random(6);
  for (const DType dtype : {DType::u8, DType::s16, DType::f32}) {
    Tensor x = random_tensor(random, dtype, Shape{3, 70, 50}), y = describe(dtype, {3, 70, 50});
    y.layout = Layout::channels_last;
    ir::TransposeAttrs identity;
    identity.perm = {0, 1, 2};
    run_layer(layer_of(identity), {&x}, {&y});
    CHECK(x.stored == y.stored);
  }
}

TEST(large_moves_are_shared_between_threads_without_gaps) {
  Random random(7);
  Tensor x = random_tensor(random, DType::u8, Shape{1, 64, 100, 60}), y = describe(DType::u8, {1, 64, 100, 60});
  for (const Layout from : {Layout::row_major, Layout::channels_last}) {
    x.layout = from;
    y.layout = from == Layout::row_major ? Layout::channels_last : Layout::row_major;
    ir::TransposeAttrs identity;
    identity.perm = {0, 1, 2, 3};
    run_layer(layer_of(identity), {&x}, {&y});
    CHECK(x.stored == y.stored);
  }
}

TEST(movement_errors_name_the_layer) {
  Random random(8);
  Tensor x = random_tensor(random, DType::u8, Shape{2, 3}), y = describe(DType::u8, {2, 4});
  ir::ConcatAttrs concat;
  concat.axis = 1;
  CHECK_THROWS(run_layer(layer_of(concat), {&x}, {&y}), "Op 'layer0': the inputs add up to 3");
  concat.axis = 5;
  CHECK_THROWS(run_layer(layer_of(concat), {&x}, {&y}), "axis 5");
  CHECK_THROWS(run_layer(layer_of(ir::ReshapeAttrs{}), {&x}, {&y}), "different numbers of elements");
}

TEST(expand_and_tile_repeat) {
  Random random(11);
  for (int i = 0; i < 200; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    Tensor x = describe(DType::u8, random_shape(random, rank, 6)), y = describe(DType::u8, x.value.shape);
    describe_ends(i % kVariants, x, y);
    const bool tiles = i % 2 == 0;
    ir::TileAttrs tile;
    for (std::size_t d = 0; d < rank; ++d) {
      if (!tiles && random() % 2 == 0) x.value.shape[d] = 1;
      tile.repeats.push_back(between(random, 1, 3));
      if (tiles) y.value.shape[d] = x.value.shape[d] * tile.repeats[d];
    }
    const std::size_t more = tiles ? 0 : random() % 2;
    y.value.shape.insert(y.value.shape.begin(), more, 3);
    randomise(x, random);
    randomise_layouts(random, {&x, &y});
    expect_moved(
        tiles ? layer_of(tile) : layer_of(ir::ExpandAttrs{y.value.shape}), {&x}, y,
        [&](const Index& at) {
          Index from;
          for (std::size_t d = 0; d < rank; ++d) from.push_back(at[d + more] % x.value.shape[d]);
          return from;
        },
        tiles ? "tile" : "expand");
  }
}

TEST(depth_and_space) {
  using Attrs = ir::SpaceDepthAttrs;
  Random random(12);
  for (int i = 0; i < 120; ++i) {
    const std::int64_t block = between(random, 1, 4), channels = between(random, 1, 5);
    const Shape narrow = {between(random, 1, 2), channels * block * block, between(random, 1, 4),
                          between(random, 1, 4)};
    const Shape wide = {narrow[0], channels, narrow[2] * block, narrow[3] * block};
    Attrs attrs;
    attrs.op = i % 3 == 0 ? Attrs::Op::space_to_depth : Attrs::Op::depth_to_space;
    attrs.order = i % 3 == 1 ? Attrs::Order::crd : Attrs::Order::dcr;
    attrs.block = block;
    const bool to_depth = attrs.op == Attrs::Op::space_to_depth;
    Tensor x = describe(DType::u8, to_depth ? wide : narrow), y = describe(DType::u8, to_depth ? narrow : wide);
    describe_ends(i % kVariants, x, y);
    randomise(x, random);
    randomise_layouts(random, {&x, &y});
    // ONNX: a reshape, a transposition, a reshape; written out for one element.
    const auto in_depth = [&](const Index& at) {
      const std::int64_t row = at[2] % block, column = at[3] % block;
      const std::int64_t channel = attrs.order == Attrs::Order::crd ? at[1] * block * block + row * block + column
                                                                    : (row * block + column) * channels + at[1];
      return Index{at[0], channel, at[2] / block, at[3] / block};
    };
    const auto in_space = [&](const Index& at) {
      const std::int64_t position = at[1] / channels;
      return Index{at[0], at[1] % channels, at[2] * block + position / block, at[3] * block + position % block};
    };
    expect_moved(
        layer_of(attrs), {&x}, y, [&](const Index& at) { return to_depth ? in_space(at) : in_depth(at); },
        "depth and space");
  }
}

}  // namespace

VAIP_TEST_MAIN()
