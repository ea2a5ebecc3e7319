// What oneDNN itself takes for the products of a quantized model: the limit of a host that leaves them to it.
//
//   onednn_limits MODEL.onnx [THREADS]
//
// Each convolution, and each product with constant weights, is run alone with weights of zero: u8 x s8 into u8, with
// scales per channel and Relu in the primitive, all in layouts of oneDNN's choice; and into s32, channels last, as
// VitisAIEP has it, which finishes sums itself. On CPUs without VNNI neither is exact for weights of all 8 bits, since
// pairs of products saturate 16 bits. There the CPU's own limit is measured, too: what all the multiply-accumulates
// would take if nothing were ever loaded or stored.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <numeric>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "frontend/protobuf_import.h"
#include "frontend/recognise.h"
#include "instruction_peaks.h"
#include "ir/binding.h"
#include "kernels/conv_problem.h"
#include "kernels/onednn.h"
#include "runtime/evaluate.h"

namespace {

using namespace vaip;
using dnnl::memory;

constexpr int kWarmUps = 3, kRuns = 30;

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::io, "cannot read ", path);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  return {data, data + bytes.size()};
}

// The layer as a convolution, if it multiplies bytes with constant ones.
std::optional<kernels::ConvProblem> problem_of(const ir::Graph& graph, const ir::Layer& layer) {
  const auto* conv = layer.as<ir::ConvAttrs>();
  if (!conv && !layer.as<ir::MatMulAttrs>()) return std::nullopt;
  const auto operand = [&](ir::ValueId id) {
    return kernels::make_operand(graph.value(id), kernels::Layout::row_major);
  };
  const kernels::Operand x = operand(layer.inputs[0]), w = operand(layer.inputs[1]), y = operand(layer.outputs[0]);
  if (!w.constant || ir::size_of(x.dtype) != 1 || ir::size_of(w.dtype) != 1) return std::nullopt;
  if (conv) return kernels::fold_pointwise(kernels::conv_problem(*conv, x, w, y));
  if (w.rank() != 2 || x.rank() < 1) return std::nullopt;
  kernels::ConvProblem problem;
  problem.in_channels = x.shape.back();
  problem.out_channels = y.shape.back();
  problem.input = problem.output = {x.count() / x.shape.back()};
  problem.kernel = problem.strides = problem.dilations = {1};
  problem.pads_begin = problem.pads_end = {0};
  return problem;
}

// Least microseconds of a run; nothing where oneDNN has no kernel for it.
std::optional<double> measure(const kernels::ConvProblem& p, bool finished, std::string& implementation) {
  const auto rank = p.spatial_rank();
  const auto with_prefix = [](memory::dims prefix, const ir::Shape& spatial) {
    prefix.insert(prefix.end(), spatial.begin(), spatial.end());
    return prefix;
  };
  const auto own = rank == 1   ? memory::format_tag::nwc
                   : rank == 2 ? memory::format_tag::nhwc
                               : memory::format_tag::ndhwc;
  const auto tag = finished ? memory::format_tag::any : own;
  const memory::desc source(with_prefix({p.batch, p.in_channels}, p.input), memory::data_type::u8, tag);
  const memory::desc destination(with_prefix({p.batch, p.out_channels}, p.output),
                                 finished ? memory::data_type::u8 : memory::data_type::s32, tag);
  const memory::dims weight_dims =
      with_prefix(p.groups == 1 ? memory::dims{p.out_channels, p.in_channels}
                                : memory::dims{p.groups, p.out_channels / p.groups, p.in_channels / p.groups},
                  p.kernel);
  ir::Shape dilates = p.dilations;
  for (std::int64_t& d : dilates) --d;  // oneDNN counts the gaps
  dnnl::primitive_attr attributes;
  if (finished) {
    attributes.set_scales_mask(DNNL_ARG_WEIGHTS, p.groups == 1 ? 1 : 3);
    dnnl::post_ops relu;
    relu.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
    attributes.set_post_ops(relu);
  }
  const dnnl::convolution_forward::primitive_desc desc(
      kernels::onednn_engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source,
      memory::desc(weight_dims, memory::data_type::s8, memory::format_tag::any), destination, p.strides, dilates,
      p.pads_begin, p.pads_end, attributes, /*allow_empty=*/true);
  if (!desc) return std::nullopt;
  implementation = desc.impl_info_str();
  const auto zeros = [](const memory::desc& of) {
    memory made(of, kernels::onednn_engine());
    std::fill_n(static_cast<std::byte*>(made.get_data_handle()), of.get_size(), std::byte{0});
    return made;
  };
  std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, zeros(desc.src_desc())},
                                               {DNNL_ARG_WEIGHTS, zeros(desc.weights_desc())},
                                               {DNNL_ARG_DST, zeros(desc.dst_desc())}};
  if (finished)
    arguments[DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS] =
        zeros(memory::desc({p.out_channels}, memory::data_type::f32, memory::format_tag::a));
  const dnnl::convolution_forward primitive(desc);
  dnnl::stream stream(kernels::onednn_engine());
  double least = 1e30;
  for (int run = 0; run < kWarmUps + kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    primitive.execute(stream, arguments);
    stream.wait();
    const double us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    if (run >= kWarmUps) least = std::min(least, us);
  }
  return least;
}

void report(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  const frontend::OnnxGraph model = frontend::import_model({bytes.data(), bytes.size()}, path, "");
  const ir::Graph recognised = frontend::executable(frontend::recognise(model));
  std::vector<ir::Shape> shapes;
  for (const ir::ValueId id : recognised.inputs) shapes.push_back(recognised.value(id).shape);
  const ir::Graph graph = ir::bind_shapes(recognised, shapes, {}, runtime::evaluate);
  std::printf("%-40s %9s %10s %8s %10s %8s  %s\n", "layer", "MMAC", "into u8 us", "GMAC/s", "into s32 us", "GMAC/s",
              "implementation");
  double macs = 0, finished_us = 0, sums_us = 0;
  for (const ir::Layer& layer : graph.layers) {
    const auto problem = problem_of(graph, layer);
    if (!problem) continue;
    std::string implementation, other;
    const auto finished = measure(*problem, true, implementation), sums = measure(*problem, false, other);
    if (!finished || !sums) {
      std::printf("%-40s has no kernel in oneDNN\n", layer.name.c_str());
      continue;
    }
    const auto own = static_cast<double>(problem->output_pixels() * problem->out_channels * problem->in_channels /
                                         problem->groups * ir::element_count(problem->kernel));
    std::printf("%-40s %9.1f %10.0f %8.1f %10.0f %8.1f  %s\n", layer.name.substr(0, 40).c_str(), own * 1e-6, *finished,
                own / *finished * 1e-3, *sums, own / *sums * 1e-3, implementation.c_str());
    macs += own;
    finished_us += *finished;
    sums_us += *sums;
  }
  std::printf("%-40s %9.1f %10.0f %8.1f %10.0f %8.1f\n", "all", macs * 1e-6, finished_us, macs / finished_us * 1e-3,
              sums_us, macs / sums_us * 1e-3);
  if (const auto peaks = benchmarks::measure_instruction_peaks()) {
    const auto print = [&](const char* instructions, double gmacs_per_second) {
      const double of_all = gmacs_per_second * omp_get_max_threads();
      std::printf("%-40s %9.1f %10.0f %8.1f\n", instructions, macs * 1e-6, macs / of_all * 1e-3, of_all);
    };
    print("in registers: u8 x s8, saturating", peaks->u8_s8);
    print("in registers: s16 x s16, exact", peaks->s16_s16);
    print("in registers: f32", peaks->f32);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s MODEL.onnx [THREADS]\n", argv[0]);
    return 2;
  }
  try {
    omp_set_num_threads(argc > 2 ? std::stoi(argv[2]) : 1);
    report(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
