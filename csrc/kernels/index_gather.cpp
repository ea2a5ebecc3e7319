// Gather, GatherElements and GatherND: slices of the data, each at the place that an index, or a tuple of them, names.
#include <atomic>
#include <limits>

#include "base/error.h"
#include "kernels/layers.h"
#include "kernels/move.h"
#include "kernels/parallel.h"

namespace vaip::kernels {
namespace {

using ir::DType;

std::int64_t product(const ir::Shape& shape, std::size_t first, std::size_t last) {
  std::int64_t result = 1;
  for (std::size_t d = first; d < last; ++d) result *= shape[d];
  return result;
}

// Data and indices are row-major. The slices at all index tuples make one pass over the output; Gather repeats the pass
// for every index of the dimensions before its axis.
class IndexGather : public Kernel {
 public:
  IndexGather(const ir::GatherAttrs& attrs, const LayerOperands& operands)
      : layer_(operands.layer.op + " '" + operands.layer.name + "'"),
        data_(operands.inputs[0].name),
        element_(operands.inputs[0], operands.outputs[0]),
        wide_(operands.inputs[1].dtype == DType::s64) {
    const Operand& indices = operands.inputs[1];
    if (!wide_ && indices.dtype != DType::s32)
      fail(ErrorKind::unsupported, "indices of type ", ir::name(indices.dtype), "; int32 and int64 are read");
    switch (attrs.op) {
      case ir::GatherAttrs::Op::gather:
        slices_along(attrs.axis, operands.inputs[0], indices);
        break;
      case ir::GatherAttrs::Op::elements:
        elements_along(attrs.axis, operands.inputs[0], indices);
        break;
      case ir::GatherAttrs::Op::nd:
        slices_at_tuples(attrs.batch_dims, operands.inputs[0], indices);
        break;
    }
    if (indices.constant) {
      check_size(indices);
      fixed_.resize(static_cast<std::size_t>(tuples_));
      const std::int64_t bad = resolve(indices.constant->data.get(), fixed_.data());
      if (bad < tuples_) reject(ErrorKind::invalid_model, indices.constant->data.get(), bad);
    }
  }

  void execute(const ExecutionContext& context) const override {
    const std::int64_t* places = fixed_.data();
    if (fixed_.empty()) {
      auto* resolved = reinterpret_cast<std::int64_t*>(context.scratch);
      const std::int64_t bad = resolve(context.inputs[1], resolved);
      if (bad < tuples_) reject(ErrorKind::invalid_argument, context.inputs[1], bad);
      places = resolved;
    }
    parallel_for(passes_ * tuples_, slice_, [&](std::int64_t begin, std::int64_t end, int) {
      if (slice_ == 1 && passes_ == 1)
        return element_.gather(context.inputs[0], places + begin, context.outputs[0], begin, end - begin);
      for (std::int64_t i = begin; i < end; ++i)
        element_.move(context.inputs[0], (i / tuples_) * pass_stride_ + places[i % tuples_], 1, context.outputs[0],
                      i * slice_, 1, slice_);
    });
  }
  std::size_t scratch_bytes() const override {
    return fixed_.empty() ? static_cast<std::size_t>(tuples_) * sizeof(std::int64_t) : 0;
  }
  std::size_t packed_bytes() const override { return fixed_.size() * sizeof(std::int64_t); }

 private:
  struct Component {  // of an index tuple
    std::int64_t size, stride;
  };

  void slices_along(std::int64_t named, const Operand& data, const Operand& indices) {
    const auto axis = static_cast<std::size_t>(named < 0 ? named + data.rank() : named);
    slice_ = product(data.shape, axis + 1, data.shape.size());
    tuple_ = {{data.shape[axis], slice_}};
    tuples_ = indices.count();
    passes_ = product(data.shape, 0, axis);
    pass_stride_ = data.shape[axis] * slice_;
  }

  void elements_along(std::int64_t named, const Operand& data, const Operand& indices) {
    const auto axis = static_cast<std::size_t>(named < 0 ? named + data.rank() : named);
    tuple_ = {{data.shape[axis], data.strides[axis]}};
    tuples_ = indices.count();
    start_dims_ = indices.shape;
    start_strides_ = data.strides;
    start_strides_[axis] = 0;
  }

  void slices_at_tuples(std::int64_t batch_dims, const Operand& data, const Operand& indices) {
    const auto batch = static_cast<std::size_t>(batch_dims);
    const auto length = static_cast<std::size_t>(indices.shape.back());
    for (std::size_t d = batch; d < batch + length; ++d) tuple_.push_back({data.shape[d], data.strides[d]});
    tuples_ = product(indices.shape, 0, indices.shape.size() - 1);
    slice_ = product(data.shape, batch + length, data.shape.size());
    start_dims_ = ir::Shape(indices.shape.begin(), indices.shape.end() - 1);
    start_strides_.assign(start_dims_.size(), 0);
    std::copy_n(data.strides.begin(), batch, start_strides_.begin());
  }

  std::int64_t index_at(const void* indices, std::int64_t i) const {
    return wide_ ? static_cast<const std::int64_t*>(indices)[i] : static_cast<const std::int32_t*>(indices)[i];
  }

  // Where in the data the search for a tuple's slice starts: at its own batch, row, ...
  std::int64_t start_of(std::int64_t tuple) const {
    std::int64_t offset = 0;
    for (std::size_t d = start_dims_.size(); d-- > 0; tuple /= start_dims_[d])
      offset += (tuple % start_dims_[d]) * start_strides_[d];
    return offset;
  }

  // The places of all slices; returns the first tuple with an index that is out of range, else their number.
  std::int64_t resolve(const void* indices, std::int64_t* places) const {
    const auto length = static_cast<std::int64_t>(tuple_.size());
    std::atomic<std::int64_t> first_bad{tuples_};
    parallel_for(tuples_, length, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t t = begin; t < end; ++t) {
        std::int64_t place = start_of(t);
        for (std::int64_t c = 0; c < length; ++c) {
          const Component& component = tuple_[static_cast<std::size_t>(c)];
          const std::int64_t given = index_at(indices, t * length + c);
          const std::int64_t index = given < 0 ? given + component.size : given;
          if (index < 0 || index >= component.size) {
            std::int64_t known = first_bad.load();
            while (t < known && !first_bad.compare_exchange_weak(known, t)) {
            }
            return;
          }
          place += index * component.stride;
        }
        places[t] = place;
      }
    });
    return first_bad.load();
  }

  [[noreturn]] void reject(ErrorKind kind, const void* indices, std::int64_t tuple) const {
    const auto length = static_cast<std::int64_t>(tuple_.size());
    for (std::int64_t c = 0; c < length; ++c) {
      const std::int64_t size = tuple_[static_cast<std::size_t>(c)].size;
      const std::int64_t index = index_at(indices, tuple * length + c);
      if (index < -size || index >= size)
        fail(kind, kind == ErrorKind::invalid_model ? "" : layer_ + ": ", "index ", index, " (element ",
             tuple * length + c, " of the indices) is out of range: '", data_, "' has ", size, " entries there");
    }
    fail(ErrorKind::internal, layer_, ": no index of tuple ", tuple, " is out of range");
  }

  std::string layer_, data_;
  ElementMove element_;
  bool wide_;                     // indices of 64 bits
  std::vector<Component> tuple_;  // what each index of a tuple chooses from
  std::int64_t tuples_ = 1, slice_ = 1;
  std::int64_t passes_ = 1, pass_stride_ = 0;
  ir::Shape start_dims_, start_strides_;  // of the tuples, into the data
  std::vector<std::int64_t> fixed_;       // the places, where the indices are constant
};

}  // namespace

std::unique_ptr<Kernel> make_gather(const ir::GatherAttrs& attrs, const LayerOperands& operands) {
  return std::make_unique<IndexGather>(attrs, operands);
}

}  // namespace vaip::kernels
