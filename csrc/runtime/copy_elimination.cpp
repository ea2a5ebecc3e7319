#include "runtime/copy_elimination.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "kernels/movement.h"
#include "runtime/relocation.h"

namespace vaip::runtime {
namespace {

using kernels::MoveBox;
using kernels::Operand;
using kernels::StridedAccess;

class CopyElimination {
 public:
  explicit CopyElimination(TensorGraph& graph);
  void run();

 private:
  // Some boxes of an operation that are one.
  struct Copy {
    std::size_t first, last;  // of the boxes
    int input, output;        // tensors
    View from, to;            // in their storages
  };
  std::vector<MoveBox> boxes_of(const Operation& operation) const;
  std::vector<Copy> copies_of(const Operation& operation) const;
  static bool join(Copy& copy, const Copy& next);
  bool may_move(const Copy& copy) const;
  void write_in_place(Operation& operation);
  void read_in_place(Operation& operation);
  void turn_source(Operation& reorder);
  void drop(Operation& operation, const Copy& copy);
  // All that is in a storage goes into another, if that saves a copy, and everybody takes it there.
  bool move_storage(const Tensor& from, const Tensor& to, const Relocation& relocation);
  // The copies that those make who use these tensors; nothing where one cannot.
  std::optional<std::size_t> copies_of_users(const std::vector<int>& tensors) const;

  Tensor& tensor(int id) { return graph_.tensors[static_cast<std::size_t>(id)]; }
  const Tensor& tensor(int id) const { return graph_.tensors[static_cast<std::size_t>(id)]; }
  const Storage& storage(int id) const { return graph_.storages[static_cast<std::size_t>(id)]; }
  std::int64_t elements_in(const Tensor& tensor) const;

  TensorGraph& graph_;
  std::vector<std::vector<int>> tensors_in_;        // by storage
  std::vector<std::vector<std::size_t>> users_of_;  // operations, by tensor
};

CopyElimination::CopyElimination(TensorGraph& graph)
    : graph_(graph), tensors_in_(graph.storages.size()), users_of_(graph.tensors.size()) {
  for (std::size_t t = 0; t < graph.tensors.size(); ++t)
    tensors_in_[static_cast<std::size_t>(graph.tensors[t].storage)].push_back(static_cast<int>(t));
  for (std::size_t o = 0; o < graph.operations.size(); ++o)
    for (const std::vector<int>* used : {&graph.operations[o].inputs, &graph.operations[o].outputs})
      for (const int t : *used)
        if (t >= 0) users_of_[static_cast<std::size_t>(t)].push_back(o);
}

// Outputs of the graph come first: nothing else can be what the caller gives memory for. Then views, since a part that
// is one may leave nothing to copy of its whole; then what is reordered for its readers may have that order from the
// start; and last come the parts of wholes.
void CopyElimination::run() {
  const auto writes_output = [this](const Operation& operation) {
    return operation.layer->op == kReorder &&
           storage(tensor(operation.outputs[0]).storage).kind == Storage::Kind::graph_output;
  };
  for (Operation& operation : graph_.operations)
    if (writes_output(operation)) write_in_place(operation);
  for (Operation& operation : graph_.operations)
    if (!operation.layer->as<ir::ConcatAttrs>()) read_in_place(operation);
  for (Operation& operation : graph_.operations)
    if (operation.layer->op == kReorder && operation.in_place.empty()) turn_source(operation);
  for (Operation& operation : graph_.operations) write_in_place(operation);

  const auto has_nothing_to_do = [](const Operation& operation) {
    const std::vector<bool>& in_place = operation.in_place;
    return !in_place.empty() && std::all_of(in_place.begin(), in_place.end(), [](bool is) { return is; });
  };
  std::vector<Operation>& all = graph_.operations;
  all.erase(std::remove_if(all.begin(), all.end(), has_nothing_to_do), all.end());
}

std::int64_t CopyElimination::elements_in(const Tensor& tensor) const {
  return static_cast<std::int64_t>(storage(tensor.storage).bytes / ir::size_of(tensor.operand.dtype));
}

std::vector<MoveBox> CopyElimination::boxes_of(const Operation& operation) const {
  try {
    return kernels::boxes_of(graph_.operands_of(operation));
  } catch (const Error& e) {
    throw Error(e.kind(), operation.layer->op + " '" + operation.layer->name + "': " + e.what());
  }
}

std::vector<CopyElimination::Copy> CopyElimination::copies_of(const Operation& operation) const {
  std::vector<Copy> copies;
  const std::vector<MoveBox> boxes = boxes_of(operation);
  for (std::size_t b = 0; b < boxes.size(); ++b) {
    const MoveBox& box = boxes[b];
    if (!operation.in_place.empty() && operation.in_place[b]) continue;
    const int input = operation.inputs[box.input], output = operation.outputs[box.output];
    copies.push_back({b,
                      b,
                      input,
                      output,
                      {tensor(input).offset + box.from.offset, box.dims, box.from.strides},
                      {tensor(output).offset + box.to.offset, box.dims, box.to.strides}});
  }
  return copies;
}

// Whether `next` goes on where `copy` ends, at both ends: then it is made part of that.
bool CopyElimination::join(Copy& copy, const Copy& next) {
  if (copy.last + 1 != next.first || copy.from.strides != next.from.strides || copy.to.strides != next.to.strides)
    return false;
  std::size_t differing = copy.from.shape.size();
  for (std::size_t d = 0; d < copy.from.shape.size(); ++d) {
    const std::int64_t step = copy.from.shape[d];
    const bool goes_on = next.from.offset - copy.from.offset == step * copy.from.strides[d] &&
                         next.to.offset - copy.to.offset == step * copy.to.strides[d];
    if (goes_on && differing == copy.from.shape.size())
      differing = d;
    else if (copy.from.shape[d] != next.from.shape[d])
      return false;
  }
  if (differing == copy.from.shape.size()) return false;
  copy.last = next.last;
  copy.from.shape[differing] += next.from.shape[differing];
  copy.to.shape[differing] += next.to.shape[differing];
  return true;
}

// Elements that stay what they are, of memory that is the run's own at both ends or can be.
bool CopyElimination::may_move(const Copy& copy) const {
  const Tensor &from = tensor(copy.input), &to = tensor(copy.output);
  return from.storage != to.storage && from.operand.dtype == to.operand.dtype && from.operand.quant == to.operand.quant;
}

void CopyElimination::write_in_place(Operation& operation) {
  std::vector<Copy> copies = copies_of(operation);
  // Copies whose sources lie side by side are tried together: one of them alone is not all of their storage.
  for (std::size_t c = 0; c < copies.size();) {
    Copy whole = copies[c++];
    while (c < copies.size() && tensor(copies[c].input).storage == tensor(whole.input).storage &&
           join(whole, copies[c]))
      ++c;
    const Tensor source = tensor(whole.input);
    if (!may_move(whole) || storage(source.storage).kind != Storage::Kind::arena) continue;
    const auto relocation = Relocation::create(whole.from, whole.to, elements_in(source));
    if (relocation && move_storage(source, tensor(whole.output), *relocation)) drop(operation, whole);
  }
}

void CopyElimination::read_in_place(Operation& operation) {
  for (const Copy& copy : copies_of(operation)) {
    const Tensor result = tensor(copy.output);
    if (!may_move(copy) || storage(result.storage).kind != Storage::Kind::arena) continue;
    const auto relocation = Relocation::create(copy.to, copy.from, elements_in(result));
    if (relocation && move_storage(result, tensor(copy.input), *relocation)) drop(operation, copy);
  }
}

// Stores channels last what a tensor is a part of, if that is then read in place. E.g. the two halves of a shuffled
// tensor, one of which is convolved.
void CopyElimination::turn_source(Operation& reorder) {
  const Tensor source = tensor(reorder.inputs[0]);
  const std::size_t rank = source.operand.shape.size();
  if (storage(source.storage).kind != Storage::Kind::arena || rank < 3) return;
  for (const int id : tensors_in_[static_cast<std::size_t>(source.storage)]) {
    const Tensor whole = tensor(id);
    if (whole.operand.shape.size() != rank) continue;
    const View as_is = {whole.offset, whole.operand.shape, whole.operand.strides};
    const View turned = {0, as_is.shape, kernels::strides_of(as_is.shape, kernels::Layout::channels_last)};
    const auto there = Relocation::create(as_is, turned, elements_in(whole));
    const auto back = Relocation::create(turned, as_is, elements_in(whole));
    if (!there || !back) continue;
    if (!move_storage(whole, whole, *there)) return;
    read_in_place(reorder);
    if (reorder.in_place.empty()) move_storage(whole, whole, *back);
    return;
  }
}

void CopyElimination::drop(Operation& operation, const Copy& copy) {
  if (operation.in_place.empty()) operation.in_place.resize(boxes_of(operation).size());
  for (std::size_t box = copy.first; box <= copy.last; ++box) operation.in_place[box] = true;
}

bool CopyElimination::move_storage(const Tensor& from, const Tensor& to, const Relocation& relocation) {
  std::vector<int>& moved = tensors_in_[static_cast<std::size_t>(from.storage)];
  std::vector<Tensor> before, places;
  for (const int id : moved) {
    before.push_back(tensor(id));
    const Operand& operand = before.back().operand;
    const std::optional<View> view = relocation.apply({before.back().offset, operand.shape, operand.strides});
    if (!view) return false;
    places.push_back(before.back());
    places.back().operand.strides = view->strides;
    places.back().offset = view->offset;
    places.back().storage = to.storage;
  }
  const std::size_t copies_before = copies_of_users(moved).value_or(0);
  for (std::size_t i = 0; i < moved.size(); ++i) tensor(moved[i]) = places[i];
  const std::optional<std::size_t> copies = copies_of_users(moved);
  if (!copies || *copies > copies_before + 1) {
    for (std::size_t i = 0; i < moved.size(); ++i) tensor(moved[i]) = before[i];
    return false;
  }
  if (from.storage == to.storage) return true;
  std::vector<int>& joined = tensors_in_[static_cast<std::size_t>(to.storage)];
  joined.insert(joined.end(), moved.begin(), moved.end());
  moved.clear();
  return true;
}

std::optional<std::size_t> CopyElimination::copies_of_users(const std::vector<int>& tensors) const {
  std::size_t copies = 0;
  for (const int id : tensors) {
    if (kernels::is_dense(tensor(id).operand)) continue;  // which suits everybody
    for (const std::size_t user : users_of_[static_cast<std::size_t>(id)]) {
      const StridedAccess access = kernels::strided_access(graph_.operands_of(graph_.operations[user]));
      if (access == StridedAccess::impossible) return std::nullopt;
      copies += access == StridedAccess::by_copy ? 1 : 0;
    }
  }
  return copies;
}

}  // namespace

void eliminate_copies(TensorGraph& graph) { CopyElimination(graph).run(); }

}  // namespace vaip::runtime
