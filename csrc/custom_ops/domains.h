// The operators of AMD's quantizers that onnxruntime needs for models of theirs: com.amd.quark (Quark) and
// com.vai.quantize (its predecessor), without their block formats and LSTM.
#pragma once

#include "base/span.h"
#include "ort/c_api.h"

namespace vaip::custom_ops {

// They live as long as the process, as sessions use them without owning them.
Span<OrtCustomOpDomain* const> domains();

// Adds those domains that the options do not have yet: from us, or from Quark's own library.
void add_missing_domains(OrtSessionOptions& options);

}  // namespace vaip::custom_ops
