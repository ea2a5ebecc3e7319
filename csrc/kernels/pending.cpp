// Temporary: layers whose kernels are being written.
#include "base/error.h"
#include "kernels/layers.h"

namespace vaip::kernels {
namespace {
[[noreturn]] void pending() { fail(ErrorKind::unsupported, "this layer's kernel is not there yet"); }
}  // namespace
std::unique_ptr<Kernel> make_comparison(const ir::ComparisonAttrs&, const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_logic(const ir::LogicAttrs&, const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_where(const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_cast(const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_arg(const ir::ArgAttrs&, const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_top_k(const ir::TopKAttrs&, const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_cum_sum(const ir::CumSumAttrs&, const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_expand(const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_tile(const ir::TileAttrs&, const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_gather(const ir::GatherAttrs&, const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_space_depth(const ir::SpaceDepthAttrs&, const LayerOperands&) { pending(); }
}  // namespace vaip::kernels
