#include "kernels/onednn_conv.h"

#include <string_view>

#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

using dnnl::memory;

memory::format_tag channels_last_tag(std::size_t spatial_rank) {
  return spatial_rank == 1   ? memory::format_tag::nwc
         : spatial_rank == 2 ? memory::format_tag::nhwc
                             : memory::format_tag::ndhwc;
}

// Without int8_dot_product the kernels multiply adjacent bytes of the packed weights pairwise into 16-bit sums. That
// split_saturating_pairs() guards the right pairs is visible in the packed layout: blocks of four adjacent input
// channels are innermost. Depthwise kernels have one input channel per group and sum nothing in 16 bits.
bool pairs_are_adjacent_channels(const memory::desc& packed, const ConvProblem& problem) {
  const bool grouped = problem.groups > 1;
  if (grouped && problem.groups == problem.in_channels && problem.groups == problem.out_channels) return true;
  const memory::dims blocks = packed.get_inner_blks(), dims = packed.get_inner_idxs();
  return !blocks.empty() && blocks.back() == 4 && dims.back() == (grouped ? 2 : 1);
}

template <typename From, typename T>
VAIP_MULTIVERSION void convert(const From* __restrict in, std::int64_t count, T* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(in[i]);
}

// The chunk's weights as oneDNN's plain [g][oc][ic][kernel...].
template <typename From, typename T>
void gather(const From* values, const LinearWeights& weights, std::int64_t first, std::int64_t count, T* out) {
  if (count == weights.in_channels) return convert(values, weights.out_channels * weights.per_channel(), out);
  for (std::int64_t oc = 0; oc < weights.out_channels; ++oc, out += count * weights.taps)
    convert(values + oc * weights.per_channel() + first * weights.taps, count * weights.taps, out);
}

// bfloat16 is written as float: oneDNN narrows while it packs.
memory pack_chunk(const LinearWeights& weights, std::int64_t first, std::int64_t count, const memory::dims& dims,
                  bool int8, const memory::desc& desc) {
  memory plain(memory::desc(dims, int8 ? memory::data_type::s8 : memory::data_type::f32, ir::row_major_strides(dims)),
               onednn_engine());
  void* const to = plain.get_data_handle();
  if (int8)
    gather(weights.integers.data(), weights, first, count, static_cast<std::int8_t*>(to));
  else if (weights.are_integers())
    gather(weights.integers.data(), weights, first, count, static_cast<float*>(to));
  else
    gather(weights.real.data(), weights, first, count, static_cast<float*>(to));
  memory packed(desc, onednn_engine());
  dnnl::stream stream(onednn_engine());
  dnnl::reorder(plain, packed).execute(stream, plain, packed);
  stream.wait();
  return packed;
}

memory::data_type source_type(ComputePath path) {
  return path == ComputePath::int8   ? memory::data_type::u8
         : path == ComputePath::bf16 ? memory::data_type::bf16
                                     : memory::data_type::f32;
}

memory::dims with_prefix(memory::dims prefix, const ir::Shape& spatial) {
  prefix.insert(prefix.end(), spatial.begin(), spatial.end());
  return prefix;
}

}  // namespace

std::optional<OneDnnConv> OneDnnConv::create(const ConvProblem& p, ComputePath path, const CpuTraits& cpu,
                                             const LinearWeights& weights, std::int64_t first, std::int64_t count,
                                             const KernelOptions& options) {
  if (p.spatial_rank() < 1 || p.spatial_rank() > 3) return std::nullopt;
  const bool int8 = path == ComputePath::int8;
  const memory::format_tag tag = channels_last_tag(p.spatial_rank());
  const memory::desc source(with_prefix({p.batch, p.in_channels}, p.input), source_type(path), tag);
  const memory::desc destination(with_prefix({p.batch, p.out_channels}, p.output),
                                 int8 ? memory::data_type::s32 : memory::data_type::f32, tag);
  const memory::dims weight_dims = with_prefix(
      p.groups == 1 ? memory::dims{p.out_channels, count} : memory::dims{p.groups, p.out_channels / p.groups, count},
      p.kernel);
  const memory::data_type weight_type = int8 ? memory::data_type::s8 : source_type(path);
  ir::Shape dilates = p.dilations;
  for (std::int64_t& d : dilates) --d;  // oneDNN counts the gaps

  // convolution_direct: Winograd's transforms would leave the integers.
  const dnnl::convolution_forward::primitive_desc desc(
      onednn_engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source,
      memory::desc(weight_dims, weight_type, memory::format_tag::any), destination, p.strides, dilates, p.pads_begin,
      p.pads_end, onednn_attributes(), /*allow_empty=*/true);
  if (!desc) return std::nullopt;
  const memory::desc packed_desc = desc.weights_desc();
  const std::string_view implementation = desc.impl_info_str();
  if (implementation.find("ref") != std::string_view::npos) return std::nullopt;  // slower than our own loops
  if (int8 && !cpu.int8_dot_product &&
      (implementation.find("jit") != 0 || !pairs_are_adjacent_channels(packed_desc, p)))
    return std::nullopt;

  const auto pack = [&] { return pack_chunk(weights, first, count, weight_dims, int8, packed_desc); };
  const LinearWeights::Source& source_of_weights = weights.source;
  const bool shares = options.weights && source_of_weights.constant && options.packed_from == nullptr;
  const memory packed =
      options.packed_from != nullptr ? archived_memory(*options.packed_from, packed_desc)
      : shares ? options.weights->find_or_pack({source_of_weights.constant, source_of_weights.in_columns,
                                                source_of_weights.zero_points, path, first, count, packed_desc},
                                               pack)
               : pack();

  OneDnnPrimitive primitive(dnnl::convolution_forward(desc), {{DNNL_ARG_WEIGHTS, packed}},
                            {{DNNL_ARG_SRC, desc.src_desc()},
                             {DNNL_ARG_DST, desc.dst_desc()},
                             {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}});
  return OneDnnConv(std::move(primitive), packed, implementation, desc.scratchpad_desc().get_size(),
                    shares ? 0 : packed_desc.get_size());
}

}  // namespace vaip::kernels
