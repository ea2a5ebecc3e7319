// The transcription of onnxruntime's C ABI (csrc/ort/c_api.h) against data/ort_abi.csv (struct, slot, member,
// declaration) and data/ort_enums.csv, which were taken from upstream's headers of 1.27. With VAIP_ORT_INCLUDE_DIR the
// same table is held against upstream's own structs.
#include <cstddef>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "check.h"
#include "ort/c_api.h"

namespace {

struct Row {
  std::string structure, member, declaration;
  std::size_t slot = 0;
  std::string name() const { return structure + "::" + member; }
};

std::vector<Row> read_table() {
  std::ifstream file(VAIP_TEST_DATA_DIR "/ort_abi.csv");
  std::vector<Row> rows;
  std::string line;
  std::getline(file, line);  // the header
  while (std::getline(file, line)) {
    static const std::regex kRow("([^,]*),([^,]*),([^,]*),\"?(.*?)\"?");
    std::smatch field;
    if (!std::regex_match(line, field, kRow)) throw std::runtime_error("ort_abi.csv: " + line);
    rows.push_back({field[1], field[3], field[4], std::stoul(field[2])});
  }
  return rows;
}

// Slots are pointers wide; a plain data member behind the version takes four bytes.
std::size_t expected_offset(const Row& row) {
  const bool data = row.declaration.find('(') == std::string::npos;
  return row.slot * (data ? sizeof(std::uint32_t) : sizeof(void*));
}

const std::map<std::string, std::size_t>& declared_offsets() {
#define M(structure, member)                             \
  {                                                      \
    #structure "::" #member, offsetof(structure, member) \
  }
  static const std::map<std::string, std::size_t> offsets = {
      M(OrtApiBase, GetApi),
      M(OrtApiBase, GetVersionString),
      M(OrtApi, CreateStatus),
      M(OrtApi, GetErrorCode),
      M(OrtApi, GetErrorMessage),
      M(OrtApi, CreateEnv),
      M(OrtApi, CreateSession),
      M(OrtApi, CreateSessionFromArray),
      M(OrtApi, Run),
      M(OrtApi, CreateSessionOptions),
      M(OrtApi, CloneSessionOptions),
      M(OrtApi, DisableProfiling),
      M(OrtApi, CreateCustomOpDomain),
      M(OrtApi, CustomOpDomain_Add),
      M(OrtApi, AddCustomOpDomain),
      M(OrtApi, SessionGetInputTypeInfo),
      M(OrtApi, SessionGetInputName),
      M(OrtApi, SessionGetOutputName),
      M(OrtApi, CreateTensorWithDataAsOrtValue),
      M(OrtApi, GetTensorMutableData),
      M(OrtApi, CastTypeInfoToTensorInfo),
      M(OrtApi, SetTensorElementType),
      M(OrtApi, GetTensorElementType),
      M(OrtApi, GetDimensionsCount),
      M(OrtApi, GetDimensions),
      M(OrtApi, GetSymbolicDimensions),
      M(OrtApi, GetTensorShapeElementCount),
      M(OrtApi, GetTensorTypeAndShape),
      M(OrtApi, CreateCpuMemoryInfo),
      M(OrtApi, AllocatorFree),
      M(OrtApi, GetAllocatorWithDefaultOptions),
      M(OrtApi, KernelInfoGetAttribute_float),
      M(OrtApi, KernelInfoGetAttribute_int64),
      M(OrtApi, KernelContext_GetInput),
      M(OrtApi, KernelContext_GetOutput),
      M(OrtApi, ReleaseEnv),
      M(OrtApi, ReleaseStatus),
      M(OrtApi, ReleaseMemoryInfo),
      M(OrtApi, ReleaseSession),
      M(OrtApi, ReleaseValue),
      M(OrtApi, ReleaseTypeInfo),
      M(OrtApi, ReleaseTensorTypeAndShapeInfo),
      M(OrtApi, ReleaseSessionOptions),
      M(OrtApi, CreateOpAttr),
      M(OrtApi, ReleaseOpAttr),
      M(OrtApi, Logger_LogMessage),
      M(OrtApi, Logger_GetLoggingSeverityLevel),
      M(OrtApi, ShapeInferContext_GetInputTypeShape),
      M(OrtApi, ShapeInferContext_SetOutputTypeShape),
      M(OrtApi, ReadOpAttr),
      M(OrtApi, ReleaseNode),
      M(OrtApi, GetValueInfoName),
      M(OrtApi, GetValueInfoTypeInfo),
      M(OrtApi, GetModelEditorApi),
      M(OrtApi, CreateKeyValuePairs),
      M(OrtApi, AddKeyValuePair),
      M(OrtApi, GetKeyValue),
      M(OrtApi, GetKeyValuePairs),
      M(OrtApi, ReleaseKeyValuePairs),
      M(OrtApi, RegisterExecutionProviderLibrary),
      M(OrtApi, UnregisterExecutionProviderLibrary),
      M(OrtApi, GetEpDevices),
      M(OrtApi, SessionOptionsAppendExecutionProvider_V2),
      M(OrtApi, HardwareDevice_Type),
      M(OrtApi, EpDevice_EpName),
      M(OrtApi, GetEpApi),
      M(OrtApi, GetTensorSizeInBytes),
      M(OrtApi, ValueInfo_GetInitializerValue),
      M(OrtApi, ValueInfo_IsConstantInitializer),
      M(OrtApi, Graph_GetModelPath),
      M(OrtApi, Graph_GetNumInputs),
      M(OrtApi, Graph_GetInputs),
      M(OrtApi, Graph_GetNumOutputs),
      M(OrtApi, Graph_GetOutputs),
      M(OrtApi, Graph_GetNumNodes),
      M(OrtApi, Graph_GetNodes),
      M(OrtApi, Graph_GetParentNode),
      M(OrtApi, Node_GetId),
      M(OrtApi, Node_GetName),
      M(OrtApi, Node_GetOperatorType),
      M(OrtApi, Node_GetDomain),
      M(OrtApi, Node_GetSinceVersion),
      M(OrtApi, Node_GetNumInputs),
      M(OrtApi, Node_GetInputs),
      M(OrtApi, Node_GetNumOutputs),
      M(OrtApi, Node_GetOutputs),
      M(OrtApi, Node_GetNumImplicitInputs),
      M(OrtApi, Node_GetImplicitInputs),
      M(OrtApi, Node_GetNumAttributes),
      M(OrtApi, Node_GetAttributes),
      M(OrtApi, OpAttr_GetTensorAttributeAsOrtValue),
      M(OrtApi, OpAttr_GetType),
      M(OrtApi, OpAttr_GetName),
      M(OrtApi, Node_GetNumSubgraphs),
      M(OrtApi, Node_GetEpName),
      M(OrtApi, GetTensorData),
      M(OrtApi, GetSessionOptionsConfigEntries),
      M(OrtApi, TensorTypeAndShape_HasShape),
      M(OrtApi, GetTensorElementTypeAndShapeDataReference),
      M(OrtModelEditorApi, CreateNode),
      M(OrtEpApi, CreateEpDevice),
      M(OrtEpApi, EpGraphSupportInfo_AddNodesToFuse),
      M(OrtEpApi, CreateHardwareDevice),
      M(OrtEpApi, GetEnvConfigEntries),
      M(OrtEpApi, CreateProfilingEvent),
      M(OrtEpApi, ReleaseProfilingEvent),
      M(OrtEpApi, ProfilingEventsContainer_AddEvents),
      M(OrtNodeFusionOptions, ort_version_supported),
      M(OrtNodeFusionOptions, drop_constant_initializers),
      M(OrtNodeComputeInfo, ort_version_supported),
      M(OrtNodeComputeInfo, CreateState),
      M(OrtNodeComputeInfo, Compute),
      M(OrtNodeComputeInfo, ReleaseState),
      M(OrtEpProfilerImpl, ort_version_supported),
      M(OrtEpProfilerImpl, Release),
      M(OrtEpProfilerImpl, StartProfiling),
      M(OrtEpProfilerImpl, StartEvent),
      M(OrtEpProfilerImpl, StopEvent),
      M(OrtEpProfilerImpl, EndProfiling),
      M(OrtCustomOp, version),
      M(OrtCustomOp, CreateKernel),
      M(OrtCustomOp, GetName),
      M(OrtCustomOp, GetExecutionProviderType),
      M(OrtCustomOp, GetInputType),
      M(OrtCustomOp, GetInputTypeCount),
      M(OrtCustomOp, GetOutputType),
      M(OrtCustomOp, GetOutputTypeCount),
      M(OrtCustomOp, KernelCompute),
      M(OrtCustomOp, KernelDestroy),
      M(OrtCustomOp, GetInputCharacteristic),
      M(OrtCustomOp, GetOutputCharacteristic),
      M(OrtCustomOp, GetInputMemoryType),
      M(OrtCustomOp, GetVariadicInputMinArity),
      M(OrtCustomOp, GetVariadicInputHomogeneity),
      M(OrtCustomOp, GetVariadicOutputMinArity),
      M(OrtCustomOp, GetVariadicOutputHomogeneity),
      M(OrtCustomOp, CreateKernelV2),
      M(OrtCustomOp, KernelComputeV2),
      M(OrtCustomOp, InferOutputShapeFn),
      M(OrtCustomOp, GetStartVersion),
      M(OrtCustomOp, GetEndVersion),
      M(OrtCustomOp, GetMayInplace),
      M(OrtCustomOp, ReleaseMayInplace),
      M(OrtCustomOp, GetAliasMap),
      M(OrtCustomOp, ReleaseAliasMap),
      M(OrtEp, ort_version_supported),
      M(OrtEp, GetName),
      M(OrtEp, GetCapability),
      M(OrtEp, Compile),
      M(OrtEp, ReleaseNodeComputeInfos),
      M(OrtEp, OnRunStart),
      M(OrtEp, CreateProfiler),
      M(OrtEp, OnSessionInitializationEnd),
      M(OrtEpFactory, ort_version_supported),
      M(OrtEpFactory, GetName),
      M(OrtEpFactory, GetVendor),
      M(OrtEpFactory, GetSupportedDevices),
      M(OrtEpFactory, CreateEp),
      M(OrtEpFactory, ReleaseEp),
      M(OrtEpFactory, GetVendorId),
      M(OrtEpFactory, GetVersion),
      M(OrtEpFactory, CreateAllocator),
      M(OrtEpFactory, ReleaseAllocator),
      M(OrtEpFactory, CreateDataTransfer),
      M(OrtEpFactory, IsStreamAware),
      M(OrtEpFactory, GetNumCustomOpDomains),
      M(OrtEpFactory, GetCustomOpDomains),
  };
#undef M
  return offsets;
}

}  // namespace

TEST(every_member_is_at_its_slot) {
  const std::vector<Row> rows = read_table();
  CHECK(rows.size() > 100);
  for (const Row& row : rows) {
    const auto declared = declared_offsets().find(row.name());
    if (declared == declared_offsets().end()) {
      vaip::test::report(__FILE__, __LINE__, "in the table, not checked: " + row.name());
    } else if (declared->second != expected_offset(row)) {
      vaip::test::report(__FILE__, __LINE__, row.name() + " is at byte " + std::to_string(declared->second));
    }
  }
  CHECK_EQ(declared_offsets().size(), rows.size());
}

#if !VAIP_USE_UPSTREAM_ORT_HEADERS

namespace {

// One spelling for C and C++: no elaborated types, no spaces that do not separate words.
std::string canonical(std::string text) {
  text = std::regex_replace(text, std::regex("\\b(struct|enum) "), "");
  text = std::regex_replace(text, std::regex("\\b_Bool\\b"), "bool");
  text = std::regex_replace(text, std::regex("\\bOrtStatusPtr\\b"), "OrtStatus *");
  text = std::regex_replace(text, std::regex("\\(void\\)"), "()");
  text = std::regex_replace(text, std::regex("\\s+"), " ");
  return std::regex_replace(text, std::regex(" ?([*(),\\[\\]&]) ?"), "$1");
}

// struct name -> its declarations, as the header's text has them.
std::map<std::string, std::vector<std::string>> header_structs() {
  std::ifstream file(VAIP_TEST_DATA_DIR "/../../../csrc/ort/c_api.h");
  std::map<std::string, std::vector<std::string>> structs;
  std::string line, structure, declaration;
  while (std::getline(file, line)) {
    static const std::regex kOpen("struct (\\w+) \\{");
    std::smatch match;
    if (std::regex_match(line, match, kOpen)) {
      structure = match[1];
    } else if (line == "};") {
      structure.clear();
    } else if (!structure.empty()) {
      declaration += line;
      if (line.back() == ';') {
        declaration.pop_back();
        structs[structure].push_back(declaration);
        declaration.clear();
      }
    }
  }
  return structs;
}

}  // namespace

TEST(every_declaration_is_upstreams) {
  std::map<std::string, std::vector<std::string>> expected;
  for (const Row& row : read_table()) expected[row.structure].push_back(canonical(row.declaration));
  const auto structs = header_structs();
  CHECK_EQ(structs.size(), expected.size());
  for (const auto& [structure, declarations] : structs) {
    std::vector<std::string> ours;
    for (const std::string& declaration : declarations) {
      if (declaration.find("void* reserved_") == std::string::npos)
        ours.push_back(canonical(" " + declaration).substr(1));
    }
    CHECK_EQ(ours.size(), expected[structure].size());
    for (std::size_t i = 0; i < ours.size() && i < expected[structure].size(); ++i) {
      CHECK_EQ(ours[i], expected[structure][i]);
    }
  }
}

TEST(every_enumerator_has_upstreams_value) {
  std::vector<std::string> expected, ours;
  std::string line, enumeration;
  std::ifstream table(VAIP_TEST_DATA_DIR "/ort_enums.csv");
  std::getline(table, line);  // the header
  while (std::getline(table, line)) expected.push_back(line);
  std::ifstream header(VAIP_TEST_DATA_DIR "/../../../csrc/ort/c_api.h");
  while (std::getline(header, line)) {
    static const std::regex kOpen("enum (\\w+) \\{"), kEnumerator(" +(\\w+) = ([-\\w]+),");
    std::smatch match;
    if (std::regex_match(line, match, kOpen)) enumeration = match[1];
    if (std::regex_match(line, match, kEnumerator)) {
      ours.push_back(enumeration + "," + match[1].str() + "," + match[2].str());
    }
  }
  CHECK_EQ(ours.size(), expected.size());
  for (std::size_t i = 0; i < ours.size() && i < expected.size(); ++i) CHECK_EQ(ours[i], expected[i]);
}

// onnxruntime reads the structs that we fill in up to the version that they claim: 1.27's.
TEST(provided_structs_have_all_members_of_their_version) {
  CHECK_EQ(sizeof(OrtEpFactory), 20 * sizeof(void*));
  CHECK_EQ(sizeof(OrtEp), 25 * sizeof(void*));
  CHECK_EQ(sizeof(OrtEpProfilerImpl), 6 * sizeof(void*));
  CHECK_EQ(sizeof(OrtCustomOp), 26 * sizeof(void*));
  CHECK_EQ(sizeof(OrtNodeComputeInfo), 4 * sizeof(void*));
}

#endif

VAIP_TEST_MAIN()
