#include "frontend/moved_inputs.h"

#include <type_traits>
#include <variant>

namespace vaip::frontend {

MovedInputs moved_inputs(const ir::LayerAttrs& attrs, std::size_t count) {
  const bool yes = std::visit(
      [](const auto& a) {
        using Attrs = std::decay_t<decltype(a)>;
        using Kind = ir::Activation::Kind;
        // Relu, too: the zero point is a value of the type, so no rounding takes place.
        const auto exact = [](const ir::Activation& f) {
          return f.kind == Kind::none || f.kind == Kind::identity || f.kind == Kind::relu;
        };
        if constexpr (std::is_same_v<Attrs, ir::ReshapeAttrs> || std::is_same_v<Attrs, ir::TransposeAttrs> ||
                      std::is_same_v<Attrs, ir::SliceAttrs> || std::is_same_v<Attrs, ir::SplitAttrs> ||
                      std::is_same_v<Attrs, ir::ConcatAttrs> || std::is_same_v<Attrs, ir::ExpandAttrs> ||
                      std::is_same_v<Attrs, ir::TileAttrs> || std::is_same_v<Attrs, ir::GatherAttrs> ||
                      std::is_same_v<Attrs, ir::SpaceDepthAttrs> || std::is_same_v<Attrs, ir::WhereAttrs> ||
                      std::is_same_v<Attrs, ir::TopKAttrs>) {
          return true;
        } else if constexpr (std::is_same_v<Attrs, ir::PadAttrs>) {
          return a.mode != ir::PadAttrs::Mode::constant || a.value == 0.0;
        } else if constexpr (std::is_same_v<Attrs, ir::ResizeAttrs>) {
          return a.mode == ir::ResizeAttrs::Mode::nearest;
        } else if constexpr (std::is_same_v<Attrs, ir::PoolAttrs>) {
          return a.op == ir::PoolAttrs::Op::max && exact(a.activation);
        } else if constexpr (std::is_same_v<Attrs, ir::ReduceAttrs>) {
          return (a.op == ir::ReduceAttrs::Op::max || a.op == ir::ReduceAttrs::Op::min) && exact(a.activation);
        } else if constexpr (std::is_same_v<Attrs, ir::ElementwiseAttrs>) {
          return exact(a.function);
        } else {
          return false;
        }
      },
      attrs);
  if (!yes) return {};
  const bool first_alone =  // the others say which elements, or into what shape
      std::holds_alternative<ir::GatherAttrs>(attrs) || std::holds_alternative<ir::ReshapeAttrs>(attrs) ||
      std::holds_alternative<ir::ExpandAttrs>(attrs) || std::holds_alternative<ir::SliceAttrs>(attrs) ||
      std::holds_alternative<ir::TileAttrs>(attrs);
  if (first_alone) return {0, 1};
  return {std::holds_alternative<ir::WhereAttrs>(attrs) ? std::size_t{1} : 0, count};
}

}  // namespace vaip::frontend
