// consumer MODEL: runs the model once on zeros on the simulated device and prints its predicted time.
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "vaip/vaip.h"

namespace {

std::size_t bytes_of(const vaip::TensorDesc& tensor) {
  std::size_t bytes = tensor.dtype == "float" ? 4 : 1;  // this example knows float and 8-bit tensors
  for (const std::int64_t dimension : tensor.shape) bytes *= static_cast<std::size_t>(dimension);
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: consumer MODEL.onnx\n");
    return 2;
  }
  try {
    const vaip::Model model = vaip::Model::from_file(argv[1], {{"device", "strix"}});
    const vaip::Program program = model.compile();
    std::vector<std::vector<std::byte>> buffers;
    std::vector<const void*> inputs;
    std::vector<void*> outputs;
    for (const vaip::TensorDesc& tensor : program.inputs()) buffers.emplace_back(bytes_of(tensor));
    for (const vaip::TensorDesc& tensor : program.outputs()) buffers.emplace_back(bytes_of(tensor));
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      if (i < program.inputs().size()) {
        inputs.push_back(buffers[i].data());
      } else {
        outputs.push_back(buffers[i].data());
      }
    }
    program.run(inputs, outputs);
    std::printf("vaip %s: %.1f us, %.0f cycles\n", vaip::version(), program.latency_us(), program.cycles());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "consumer: %s\n", error.what());
    return 1;
  }
  return 0;
}
