// Copies that need not be made, since one end can be where the other is: a part of a Concat is written in the place
// that it has in the whole, a Slice or an output of Split is read where the whole is, and a layout is read or written
// by those who take any.
#pragma once

#include "runtime/tensor_graph.h"

namespace vaip::runtime {

// Moves tensors into each other's storages, as far as the kernels of all that read or write them have strided_access()
// there, and do not make more copies than that saves. Operations with nothing left to do are removed.
void eliminate_copies(TensorGraph& graph);

}  // namespace vaip::runtime
