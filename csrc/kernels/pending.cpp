// Temporary: layers whose kernels are being written.
#include "base/error.h"
#include "kernels/layers.h"

namespace vaip::kernels {
namespace {
[[noreturn]] void pending() { fail(ErrorKind::unsupported, "this layer's kernel is not there yet"); }
}  // namespace
std::unique_ptr<Kernel> make_conv_transpose(const ir::ConvTransposeAttrs&, const LayerOperands&) { pending(); }
std::unique_ptr<Kernel> make_normalization(const ir::NormalizationAttrs&, const LayerOperands&) { pending(); }
}  // namespace vaip::kernels
