// Shapes of layers that repeat or pick elements, compare them, or make indices.
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "ir/graph.h"
#include "one_layer.h"

using namespace vaip;
using namespace vaip::test;
using ir::kDynamic;

namespace {

// Of all outputs.
std::string shapes_of(ir::LayerAttrs attrs, const std::vector<Shape>& inputs, std::size_t outputs = 1) {
  std::string text;
  for (const Shape& shape : OneLayer(std::move(attrs), inputs, outputs).all())
    text += (text.empty() ? "" : " ") + ir::to_string(shape);
  return text;
}

ir::GatherAttrs gather(ir::GatherAttrs::Op op, std::int64_t axis, std::int64_t batch_dims = 0) {
  return {op, axis, batch_dims};
}

}  // namespace

TEST(repeats) {
  CHECK_EQ(shapes_of(ir::ExpandAttrs{{2, 1, 4}}, {{3, 1}}), "2x3x4");
  CHECK_EQ(shapes_of(ir::ExpandAttrs{{1}}, {{3, kDynamic}}), "3x?");
  CHECK_THROWS(shapes_of(ir::ExpandAttrs{{2, 5}}, {{3, 1}}), "the_layer");
  CHECK_EQ(shapes_of(ir::TileAttrs{{2, 0, 3}}, {{kDynamic, 4, 5}}), "?x0x15");
  CHECK_THROWS(shapes_of(ir::TileAttrs{{2}}, {{3, 4}}), "repeats has 1 entries");
  CHECK_THROWS(shapes_of(ir::TileAttrs{{-2, 1}}, {{3, 4}}), "repeats has the entry -2");
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  CHECK_THROWS(shapes_of(ir::TileAttrs{{huge}}, {{4}}), "the_layer");
}

TEST(gathers) {
  using Op = ir::GatherAttrs::Op;
  CHECK_EQ(shapes_of(gather(Op::gather, -1), {{2, 7}, {3, 4}}), "2x3x4");
  CHECK_EQ(shapes_of(gather(Op::gather, 0), {{2, 7}, {}}), "7");
  CHECK_EQ(shapes_of(gather(Op::gather, 0), {{2, 7}, {kDynamic}}), "?x7");
  CHECK_THROWS(shapes_of(gather(Op::gather, 2), {{2, 7}, {3}}), "axis 2");
  CHECK_THROWS(shapes_of(gather(Op::gather, 0), {{}, {3}}), "scalar");

  CHECK_EQ(shapes_of(gather(Op::elements, 1), {{2, 7}, {2, 9}}), "2x9");
  CHECK_THROWS(shapes_of(gather(Op::elements, 1), {{2, 7}, {3, 9}}), "dimension 0 of the indices is larger");
  CHECK_THROWS(shapes_of(gather(Op::elements, 1), {{2, 7}, {9}}), "same rank");

  CHECK_EQ(shapes_of(gather(Op::nd, 0), {{2, 7, 5}, {4, 2}}), "4x5");
  CHECK_EQ(shapes_of(gather(Op::nd, 0, 1), {{2, 7, 5}, {2, 1}}), "2x5");
  CHECK_THROWS(shapes_of(gather(Op::nd, 0), {{2, 7}, {4, 3}}), "index tuples of 3");
  CHECK_THROWS(shapes_of(gather(Op::nd, 0, 2), {{2, 7}, {2, 7}}), "batch_dims is 2");
  CHECK_THROWS(shapes_of(gather(Op::nd, 0), {{2, 7}, {4, kDynamic}}), "not known");
}

TEST(blocks) {
  using Op = ir::SpaceDepthAttrs::Op;
  ir::SpaceDepthAttrs attrs;
  attrs.block = 2;
  CHECK_EQ(shapes_of(attrs, {{1, 8, 3, kDynamic}}), "1x2x6x?");
  CHECK_THROWS(shapes_of(attrs, {{1, 6, 3, 3}}), "dimension 1 does not divide by 4");
  CHECK_THROWS(shapes_of(attrs, {{1, 8, 3}}), "rank 4");
  attrs.op = Op::space_to_depth;
  CHECK_EQ(shapes_of(attrs, {{1, 2, 6, 4}}), "1x8x3x2");
  CHECK_THROWS(shapes_of(attrs, {{1, 2, 5, 4}}), "dimension 2 does not divide by 2");
  attrs.block = 0;
  CHECK_THROWS(shapes_of(attrs, {{1, 2, 6, 4}}), "blocksize is 0");
}

TEST(indices) {
  ir::ArgAttrs arg;
  arg.axis = -1;
  CHECK_EQ(shapes_of(arg, {{2, 3}}), "2x1");
  arg.keepdims = false;
  CHECK_EQ(shapes_of(arg, {{2, 3}}), "2");
  CHECK_THROWS(shapes_of(arg, {{2, 0}}), "no elements to choose from");
  ir::TopKAttrs top;
  top.k = 2;
  CHECK_EQ(shapes_of(top, {{4, 3}}, 2), "4x2 4x2");
  CHECK_THROWS(shapes_of(top, {{4, 1}}, 2), "k is 2 of 1 elements");
  CHECK_EQ(shapes_of(ir::CumSumAttrs{1}, {{4, 3}}), "4x3");
  CHECK_THROWS(shapes_of(ir::CumSumAttrs{2}, {{4, 3}}), "axis 2");
}

TEST(conditions) {
  CHECK_EQ(shapes_of(ir::ComparisonAttrs{}, {{4, 1}, {3}}), "4x3");
  CHECK_EQ(shapes_of(ir::LogicAttrs{}, {{4, 3}, {}}), "4x3");
  CHECK_EQ(shapes_of(ir::IntegerArithmeticAttrs{}, {{4, 1}, {1, 3}}), "4x3");
  ir::LogicAttrs logical_not;
  logical_not.op = ir::LogicAttrs::Op::logical_not;
  CHECK_EQ(shapes_of(logical_not, {{4, 3}}), "4x3");
  CHECK_EQ(shapes_of(ir::WhereAttrs{}, {{4, 1}, {3}, {2, 1, 1}}), "2x4x3");
  CHECK_THROWS(shapes_of(ir::WhereAttrs{}, {{4}, {3}, {1}}), "the_layer");
  CHECK_EQ(shapes_of(ir::CastAttrs{}, {{4, kDynamic}}), "4x?");
}

VAIP_TEST_MAIN()
