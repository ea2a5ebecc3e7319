#include "kernels/onednn.h"

#include "base/error.h"

namespace vaip::kernels {

dnnl::engine& onednn_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::primitive_attr onednn_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);
  return attributes;
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
