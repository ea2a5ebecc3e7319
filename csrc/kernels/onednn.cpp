#include "kernels/onednn.h"

#include <unistd.h>

#include "base/archive.h"
#include "base/error.h"

namespace vaip::kernels {
namespace {

// All that tells one layout of the same bytes from another, as far as oneDNN says.
std::vector<std::int64_t> layout_of(const dnnl::memory::desc& desc) {
  std::vector<std::int64_t> layout = {static_cast<std::int64_t>(desc.get_size()),
                                      static_cast<std::int64_t>(desc.get_data_type()),
                                      static_cast<std::int64_t>(desc.get_format_kind())};
  for (const dnnl::memory::dims& part :
       {desc.get_dims(), desc.get_padded_dims(), desc.get_strides(), desc.get_inner_blks(), desc.get_inner_idxs()}) {
    layout.push_back(static_cast<std::int64_t>(part.size()));
    layout.insert(layout.end(), part.begin(), part.end());
  }
  return layout;
}

}  // namespace

dnnl::engine& onednn_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

std::string onednn_traits() {
  const dnnl_version_t& version = *dnnl_version();
  return detail::concat("oneDNN ", version.major, ".", version.minor, ".", version.patch, " ", version.hash, ", isa ",
                        static_cast<int>(dnnl::get_effective_cpu_isa()), ", caches ", sysconf(_SC_LEVEL1_DCACHE_SIZE),
                        " ", sysconf(_SC_LEVEL2_CACHE_SIZE), " ", sysconf(_SC_LEVEL3_CACHE_SIZE));
}

dnnl::primitive_attr onednn_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);
  return attributes;
}

void store_memory(ArchiveWriter& to, const dnnl::memory& memory) {
  to.add_values(layout_of(memory.get_desc()));
  to.add_borrowed({static_cast<const std::byte*>(memory.get_data_handle()), memory.get_desc().get_size()});
}

dnnl::memory archived_memory(ArchiveReader& from, const dnnl::memory::desc& desc) {
  if (from.take_values<std::int64_t>() != layout_of(desc)) from.reject("oneDNN wants weights in another layout");
  const Span<const std::byte> bytes = from.take();
  if (bytes.size() != desc.get_size()) from.reject("a section has another size");
  return dnnl::memory(desc, onednn_engine(), const_cast<std::byte*>(bytes.data()));  // never written to
}

OneDnnPrimitive::OneDnnPrimitive(dnnl::primitive primitive, std::vector<std::pair<int, dnnl::memory>> constants,
                                 std::vector<Argument> variable)
    : primitive_(std::move(primitive)), constants_(std::move(constants)), variable_(std::move(variable)) {}

std::unique_ptr<OneDnnPrimitive::Run> OneDnnPrimitive::make_run() const {
  auto run = std::make_unique<Run>();
  run->stream = dnnl::stream(onednn_engine());
  for (const Argument& argument : variable_) {
    run->memories.push_back(dnnl::memory(argument.desc, onednn_engine(), DNNL_MEMORY_NONE));
    run->arguments.push_back({argument.index, run->memories.back().get()});
  }
  for (const auto& [index, memory] : constants_) run->arguments.push_back({index, memory.get()});
  return run;
}

void OneDnnPrimitive::execute(Run& run, std::initializer_list<void*> addresses) const {
  std::size_t i = 0;
  for (void* address : addresses) run.memories[i++].set_data_handle(address);
  const dnnl_status_t status = dnnl_primitive_execute(primitive_.get(), run.stream.get(),
                                                      static_cast<int>(run.arguments.size()), run.arguments.data());
  if (status != dnnl_success) fail(ErrorKind::internal, "oneDNN failed to execute a primitive (status ", status, ")");
}

}  // namespace vaip::kernels
