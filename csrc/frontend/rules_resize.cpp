// Resize and its predecessor Upsample.
#include <algorithm>

#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

using Mode = ir::ResizeAttrs::Mode;
using Coordinates = ir::ResizeAttrs::Coordinates;
using Nearest = ir::ResizeAttrs::Nearest;

Mode read_mode(const UnitBuilder& unit) {
  const std::string mode = attribute(unit.node(), "mode", "nearest");
  if (mode == "nearest") return Mode::nearest;
  if (mode == "linear" || mode == "bilinear") return Mode::linear;  // Upsample-1 says bilinear
  if (mode == "cubic") unit.decline("mode 'cubic' is not supported; use nearest or linear");
  reject(unit.node(), "mode is '", mode, "'");
}

Coordinates read_coordinates(const UnitBuilder& unit) {
  const std::string mode = attribute(unit.node(), "coordinate_transformation_mode", "half_pixel");
  if (mode == "half_pixel") return Coordinates::half_pixel;
  if (mode == "half_pixel_symmetric") return Coordinates::half_pixel_symmetric;
  if (mode == "pytorch_half_pixel") return Coordinates::pytorch_half_pixel;
  if (mode == "align_corners") return Coordinates::align_corners;
  if (mode == "asymmetric") return Coordinates::asymmetric;
  unit.decline("coordinate_transformation_mode '", mode,
               "' is not supported; use half_pixel, asymmetric or align_corners");  // tf_crop_and_resize, ..._for_nn
}

Nearest read_nearest(const UnitBuilder& unit) {
  const std::string mode = attribute(unit.node(), "nearest_mode", "round_prefer_floor");
  if (mode == "round_prefer_floor") return Nearest::round_prefer_floor;
  if (mode == "round_prefer_ceil") return Nearest::round_prefer_ceil;
  if (mode == "floor") return Nearest::floor;
  if (mode == "ceil") return Nearest::ceil;
  reject(unit.node(), "nearest_mode is '", mode, "'");
}

void finish_resize(UnitBuilder& unit, ir::ResizeAttrs attrs) {
  unit.add_activation(0);
  if (unit.on_integers() && attrs.mode != Mode::nearest) {
    unit.decline(
        "interpolates between integers, and ONNX does not say how the results are rounded; put "
        "DequantizeLinear before it and QuantizeLinear behind it");
  }
  unit.finish(std::move(attrs));
}

// Upsample and Resize-10 say nothing of coordinates. What onnxruntime does: output / scale, rounded down where the
// image grows (and up where it shrinks, which is no rounding mode of today's Resize).
void finish_early_form(UnitBuilder& unit, std::vector<double> scales) {
  ir::ResizeAttrs attrs;
  attrs.mode = read_mode(unit);
  attrs.coordinates = Coordinates::asymmetric;
  attrs.nearest = Nearest::floor;
  attrs.scales = std::move(scales);
  if (attrs.mode == Mode::nearest &&
      std::any_of(attrs.scales.begin(), attrs.scales.end(), [](double s) { return s < 1.0; })) {
    unit.decline("scales below 1 have no defined rounding before Resize-11; convert the model to opset 11 or later");
  }
  finish_resize(unit, std::move(attrs));
}

}  // namespace

void resize(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (node.since_version < 11) {
    const auto scales = unit.constant_reals(1, "scales");
    if (!scales) reject(node, "has no scales");
    return finish_early_form(unit, *scales);
  }
  ir::ResizeAttrs attrs;
  attrs.mode = read_mode(unit);
  attrs.coordinates = read_coordinates(unit);
  attrs.nearest = read_nearest(unit);
  if (attribute(node, "antialias", std::int64_t{0}) != 0)
    unit.decline("antialias is not supported; export the model without it");
  if (attribute(node, "exclude_outside", std::int64_t{0}) != 0)
    unit.decline("exclude_outside is not supported; export the model without it");
  const std::string policy = attribute(node, "keep_aspect_ratio_policy", "stretch");
  const auto scales = unit.constant_reals(2, "scales");
  const auto sizes = unit.constant_integers(3, "sizes");
  if (scales && !scales->empty()) attrs.scales = *scales;
  if (sizes && !sizes->empty()) attrs.sizes = *sizes;
  if (attrs.scales.empty() == attrs.sizes.empty()) reject(node, "needs either scales or sizes");
  if (!attrs.sizes.empty() && policy != "stretch")
    unit.decline("keep_aspect_ratio_policy '", policy, "' is not supported");
  attrs.axes = attribute(node, "axes", std::vector<std::int64_t>{});
  finish_resize(unit, std::move(attrs));
}

void upsample(UnitBuilder& unit) {
  if (const auto scales = unit.constant_reals(1, "scales")) return finish_early_form(unit, *scales);
  const std::vector<float> scales = attribute(unit.node(), "scales", std::vector<float>{});
  if (scales.empty()) reject(unit.node(), "has no scales");
  finish_early_form(unit, std::vector<double>(scales.begin(), scales.end()));
}

}  // namespace vaip::frontend::rules
