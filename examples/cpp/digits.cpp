// A C++ application that runs a model through VitisAIEP: the digit classifier of `vaip demo` on one image of 8 x 8
// pixels.
//
//   digits LIBVAIP_EP MODEL IMAGE
//
// LIBVAIP_EP: what vaip.get_library_path() prints. MODEL: digits_int8.onnx. IMAGE: 64 raw bytes or 64 numbers as text,
// each pixel from 0 (paper) to 16 (ink). Prints the label and the time that the NPU is predicted to take.
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "vaip/ep_api.h"

// Upstream's header where the build found it, else VAIP's transcription of the same declarations.
#if __has_include(<onnxruntime_c_api.h>)
#include <onnxruntime_c_api.h>
#else
#include "ort/c_api.h"
#endif

namespace {

constexpr std::size_t kPixels = 64;
constexpr float kInk = 16.0f;
constexpr std::uint32_t kApiVersion = 25;  // onnxruntime 1.25

const OrtApi* g_ort = nullptr;

void check(OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = g_ort->GetErrorMessage(status);
  g_ort->ReleaseStatus(status);
  throw std::runtime_error(message);
}

template <auto Release>
struct Releaser {
  template <typename T>
  void operator()(T* object) const {
    (g_ort->*Release)(object);
  }
};
using Env = std::unique_ptr<OrtEnv, Releaser<&OrtApi::ReleaseEnv>>;
using SessionOptions = std::unique_ptr<OrtSessionOptions, Releaser<&OrtApi::ReleaseSessionOptions>>;
using Session = std::unique_ptr<OrtSession, Releaser<&OrtApi::ReleaseSession>>;
using MemoryInfo = std::unique_ptr<OrtMemoryInfo, Releaser<&OrtApi::ReleaseMemoryInfo>>;
using TypeInfo = std::unique_ptr<OrtTypeInfo, Releaser<&OrtApi::ReleaseTypeInfo>>;
using ShapeInfo = std::unique_ptr<OrtTensorTypeAndShapeInfo, Releaser<&OrtApi::ReleaseTensorTypeAndShapeInfo>>;
using Value = std::unique_ptr<OrtValue, Releaser<&OrtApi::ReleaseValue>>;

// The library that the Python wheel ships has no name that a linker would find again, so it is opened by its path.
void load_onnxruntime() {
  void* library = dlopen(ONNXRUNTIME_LIBRARY, RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  const auto get_base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(library, "OrtGetApiBase"));
  if (get_base == nullptr) throw std::runtime_error(ONNXRUNTIME_LIBRARY ": has no OrtGetApiBase");
  g_ort = get_base()->GetApi(kApiVersion);
  if (g_ort == nullptr) throw std::runtime_error(ONNXRUNTIME_LIBRARY ": onnxruntime 1.25 or newer is needed");
}

std::vector<float> read_image(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<float> pixels;
  if (bytes.size() == kPixels) {
    for (const char byte : bytes) pixels.push_back(static_cast<unsigned char>(byte));
  } else {
    std::istringstream text(bytes);
    pixels.assign(std::istream_iterator<float>(text), std::istream_iterator<float>());
  }
  if (pixels.size() != kPixels) throw std::runtime_error(path + ": expected 64 raw bytes or 64 numbers");
  return pixels;
}

// Devices of VitisAIEP; one is enough, and a session takes devices of one execution provider only.
const OrtEpDevice* find_device(const OrtEnv* env) {
  const OrtEpDevice* const* devices = nullptr;
  std::size_t count = 0;
  check(g_ort->GetEpDevices(env, &devices, &count));
  const auto* const end = devices + count;
  const auto* const found = std::find_if(devices, end, [](const OrtEpDevice* device) {
    return std::strcmp(g_ort->EpDevice_EpName(device), "VitisAIEP") == 0;
  });
  if (found == end) throw std::runtime_error("onnxruntime lists no device of VitisAIEP");
  return *found;
}

struct Input {
  std::string name;
  ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  std::vector<std::int64_t> shape;
};

std::string take_name(char* name, OrtAllocator* allocator) {
  const std::string copy = name;
  check(g_ort->AllocatorFree(allocator, name));
  return copy;
}

Input describe_input(const OrtSession* session, OrtAllocator* allocator) {
  Input input;
  char* name = nullptr;
  check(g_ort->SessionGetInputName(session, 0, allocator, &name));
  input.name = take_name(name, allocator);
  OrtTypeInfo* type = nullptr;
  check(g_ort->SessionGetInputTypeInfo(session, 0, &type));
  const TypeInfo type_owner(type);
  const OrtTensorTypeAndShapeInfo* tensor = nullptr;
  check(g_ort->CastTypeInfoToTensorInfo(type, &tensor));
  if (tensor == nullptr) throw std::runtime_error("the model's input is not a tensor");
  check(g_ort->GetTensorElementType(tensor, &input.type));
  std::size_t rank = 0;
  check(g_ort->GetDimensionsCount(tensor, &rank));
  input.shape.resize(rank);
  check(g_ort->GetDimensions(tensor, input.shape.data(), rank));
  for (std::int64_t& dim : input.shape) dim = std::max<std::int64_t>(dim, 1);  // a dynamic batch: one image
  return input;
}

// The most likely digit.
std::size_t classify(OrtSession* session, const std::vector<float>& pixels) {
  OrtAllocator* allocator = nullptr;
  check(g_ort->GetAllocatorWithDefaultOptions(&allocator));
  const Input input = describe_input(session, allocator);

  std::vector<float> floats;
  std::vector<std::uint8_t> bytes;
  void* data = nullptr;
  std::size_t size = 0;
  if (input.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
    for (const float pixel : pixels) floats.push_back(pixel / kInk);
    data = floats.data();
    size = floats.size() * sizeof(float);
  } else if (input.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8) {
    for (const float pixel : pixels) bytes.push_back(static_cast<std::uint8_t>(pixel));
    data = bytes.data();
    size = bytes.size();
  } else {
    throw std::runtime_error("the model's input is neither float nor uint8");
  }
  OrtMemoryInfo* memory = nullptr;
  check(g_ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  const MemoryInfo memory_owner(memory);
  OrtValue* tensor = nullptr;
  check(g_ort->CreateTensorWithDataAsOrtValue(memory, data, size, input.shape.data(), input.shape.size(), input.type,
                                              &tensor));
  const Value tensor_owner(tensor);

  char* raw_name = nullptr;
  check(g_ort->SessionGetOutputName(session, 0, allocator, &raw_name));
  const std::string output_name = take_name(raw_name, allocator);
  const char* const input_names[] = {input.name.c_str()};
  const char* const output_names[] = {output_name.c_str()};
  const OrtValue* const inputs[] = {tensor};
  OrtValue* output = nullptr;
  check(g_ort->Run(session, nullptr, input_names, inputs, 1, output_names, 1, &output));
  const Value output_owner(output);

  OrtTensorTypeAndShapeInfo* shape = nullptr;
  check(g_ort->GetTensorTypeAndShape(output, &shape));
  const ShapeInfo shape_owner(shape);
  std::size_t classes = 0;
  check(g_ort->GetTensorShapeElementCount(shape, &classes));
  void* scores = nullptr;
  check(g_ort->GetTensorMutableData(output, &scores));
  const auto* first = static_cast<const float*>(scores);
  return static_cast<std::size_t>(std::max_element(first, first + classes) - first);
}

// VAIP's own entry in the library that onnxruntime has loaded.
std::string report_of_newest_session(const char* library) {
  void* handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  const auto get_api = reinterpret_cast<VaipGetApiFn>(dlsym(handle, "VaipGetApi"));
  const VaipEpApi* api = get_api != nullptr ? get_api(VAIP_EP_API_VERSION) : nullptr;
  if (api == nullptr) throw std::runtime_error(std::string(library) + ": has no VaipGetApi of this version");
  std::vector<std::uint64_t> ids(api->GetSessionIds(nullptr, 0));
  ids.resize(std::min(ids.size(), api->GetSessionIds(ids.data(), ids.size())));
  if (ids.empty()) throw std::runtime_error("VitisAIEP has no session");
  std::vector<char> json(api->GetReport(ids.back(), nullptr, 0) + 1);
  api->GetReport(ids.back(), json.data(), json.size());
  dlclose(handle);
  return json.data();
}

// An application with a JSON library would parse the report; this one needs a single number of it.
double number_of(const std::string& json, const std::string& key) {
  const std::size_t at = json.find("\"" + key + "\":");
  if (at == std::string::npos) throw std::runtime_error("the report has no " + key);
  return std::strtod(json.c_str() + at + key.size() + 3, nullptr);
}

void run(const char* library, const char* model, const char* image) {
  const std::vector<float> pixels = read_image(image);
  load_onnxruntime();
  OrtEnv* env = nullptr;
  check(g_ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "digits", &env));
  const Env env_owner(env);
  check(g_ort->RegisterExecutionProviderLibrary(env, "VitisAIEP", library));
  {
    OrtSessionOptions* options = nullptr;
    check(g_ort->CreateSessionOptions(&options));
    const SessionOptions options_owner(options);
    const OrtEpDevice* const devices[] = {find_device(env)};
    const char* const keys[] = {"device"};
    const char* const values[] = {"strix"};
    check(g_ort->SessionOptionsAppendExecutionProvider_V2(options, env, devices, 1, keys, values, 1));
    OrtSession* session = nullptr;
    check(g_ort->CreateSession(env, model, options, &session));
    const Session session_owner(session);

    const std::size_t digit = classify(session, pixels);
    const std::string report = report_of_newest_session(library);
    std::printf("label %zu, predicted latency on strix %.1f us\n", digit, number_of(report, "latency_ms") * 1e3);
  }
  check(g_ort->UnregisterExecutionProviderLibrary(env, "VitisAIEP"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s LIBVAIP_EP MODEL IMAGE\n", argv[0]);
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digits: %s\n", error.what());
    return 1;
  }
}
