// The part of ONNX Runtime's C ABI that VAIP calls, under upstream's names: onnxruntime's wheel ships no headers.
//
// The structs are tables of function pointers that only ever grow at their end. A member sits at its upstream slot; the
// slots in between, which we do not call, are `reserved_<slot>`. tests/cpp/test_ort_abi.cpp checks each member's place
// and signature. -DVAIP_ORT_INCLUDE_DIR= builds with upstream's headers (1.27 or newer) instead.
#pragma once

#if VAIP_USE_UPSTREAM_ORT_HEADERS

#include <onnxruntime_c_api.h>
#if ORT_API_VERSION < 27
#error "VAIP_ORT_INCLUDE_DIR: the headers of onnxruntime 1.27 or newer are needed"
#endif

#else

#include <cstddef>
#include <cstdint>

extern "C" {

// Opaque to us.
struct OrtAllocator;
struct OrtCustomOpDomain;
struct OrtDataTransferImpl;
struct OrtEnv;
struct OrtEpDevice;
struct OrtEpGraphSupportInfo;
struct OrtGraph;
struct OrtHardwareDevice;
struct OrtKernelContext;
struct OrtKernelInfo;
struct OrtKeyValuePairs;
struct OrtLogger;
struct OrtMemoryInfo;
struct OrtNode;
struct OrtNodeComputeContext;
struct OrtOpAttr;
struct OrtProfilingEvent;
struct OrtProfilingEventsContainer;
struct OrtRunOptions;
struct OrtSession;
struct OrtSessionOptions;
struct OrtShapeInferContext;
struct OrtStatus;
struct OrtTensorTypeAndShapeInfo;
struct OrtTypeInfo;
struct OrtValue;
struct OrtValueInfo;

struct OrtApi;
struct OrtCustomOp;
struct OrtEp;
struct OrtEpApi;
struct OrtEpFactory;
struct OrtEpProfilerImpl;
struct OrtModelEditorApi;
struct OrtNodeComputeInfo;
struct OrtNodeFusionOptions;

enum ONNXTensorElementDataType {
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED = 0,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 = 2,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8 = 3,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16 = 4,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16 = 5,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 = 6,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 = 7,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING = 8,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL = 9,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 = 10,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE = 11,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32 = 12,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64 = 13,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX64 = 14,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX128 = 15,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16 = 16,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FN = 17,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FNUZ = 18,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2 = 19,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2FNUZ = 20,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT4 = 21,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT4 = 22,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT4E2M1 = 23,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT2 = 24,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT2 = 25,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E8M0 = 26,
};

enum OrtLoggingLevel {
  ORT_LOGGING_LEVEL_VERBOSE = 0,
  ORT_LOGGING_LEVEL_INFO = 1,
  ORT_LOGGING_LEVEL_WARNING = 2,
  ORT_LOGGING_LEVEL_ERROR = 3,
  ORT_LOGGING_LEVEL_FATAL = 4,
};

enum OrtErrorCode {
  ORT_OK = 0,
  ORT_FAIL = 1,
  ORT_INVALID_ARGUMENT = 2,
  ORT_NO_SUCHFILE = 3,
  ORT_NO_MODEL = 4,
  ORT_ENGINE_ERROR = 5,
  ORT_RUNTIME_EXCEPTION = 6,
  ORT_INVALID_PROTOBUF = 7,
  ORT_MODEL_LOADED = 8,
  ORT_NOT_IMPLEMENTED = 9,
  ORT_INVALID_GRAPH = 10,
  ORT_EP_FAIL = 11,
  ORT_MODEL_LOAD_CANCELED = 12,
  ORT_MODEL_REQUIRES_COMPILATION = 13,
  ORT_NOT_FOUND = 14,
};

enum OrtOpAttrType {
  ORT_OP_ATTR_UNDEFINED = 0,
  ORT_OP_ATTR_INT = 1,
  ORT_OP_ATTR_INTS = 2,
  ORT_OP_ATTR_FLOAT = 3,
  ORT_OP_ATTR_FLOATS = 4,
  ORT_OP_ATTR_STRING = 5,
  ORT_OP_ATTR_STRINGS = 6,
  ORT_OP_ATTR_GRAPH = 7,
  ORT_OP_ATTR_TENSOR = 8,
};

enum OrtAllocatorType {
  OrtInvalidAllocator = -1,
  OrtDeviceAllocator = 0,
  OrtArenaAllocator = 1,
  OrtReadOnlyAllocator = 2,
};

enum OrtMemType {
  OrtMemTypeCPUInput = -2,
  OrtMemTypeCPUOutput = -1,
  OrtMemTypeCPU = OrtMemTypeCPUOutput,
  OrtMemTypeDefault = 0,
};

enum OrtHardwareDeviceType {
  OrtHardwareDeviceType_CPU = 0,
  OrtHardwareDeviceType_GPU = 1,
  OrtHardwareDeviceType_NPU = 2,
};

enum OrtProfilingEventCategory {
  OrtProfilingEventCategory_SESSION = 0,
  OrtProfilingEventCategory_NODE = 1,
  OrtProfilingEventCategory_KERNEL = 2,
  OrtProfilingEventCategory_API = 3,
};

enum OrtCustomOpInputOutputCharacteristic {
  INPUT_OUTPUT_REQUIRED = 0,
  INPUT_OUTPUT_OPTIONAL = 1,
  INPUT_OUTPUT_VARIADIC = 2,
};

struct OrtApiBase {
  const OrtApi* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

struct OrtApi {
  OrtStatus* (*CreateStatus)(OrtErrorCode code, const char* msg);
  OrtErrorCode (*GetErrorCode)(const OrtStatus* status);
  const char* (*GetErrorMessage)(const OrtStatus* status);
  OrtStatus* (*CreateEnv)(OrtLoggingLevel log_severity_level, const char* logid, OrtEnv** out);
  void* reserved_4_to_6[3];
  OrtStatus* (*CreateSession)(const OrtEnv* env, const char* model_path, const OrtSessionOptions* options,
                              OrtSession** out);
  OrtStatus* (*CreateSessionFromArray)(const OrtEnv* env, const void* model_data, size_t model_data_length,
                                       const OrtSessionOptions* options, OrtSession** out);
  OrtStatus* (*Run)(OrtSession* session, const OrtRunOptions* run_options, const char* const* input_names,
                    const OrtValue* const* inputs, size_t input_len, const char* const* output_names,
                    size_t output_names_len, OrtValue** outputs);
  OrtStatus* (*CreateSessionOptions)(OrtSessionOptions** options);
  void* reserved_11;
  OrtStatus* (*CloneSessionOptions)(const OrtSessionOptions* in_options, OrtSessionOptions** out_options);
  void* reserved_13_to_14[2];
  OrtStatus* (*DisableProfiling)(OrtSessionOptions* options);
  void* reserved_16_to_25[10];
  OrtStatus* (*CreateCustomOpDomain)(const char* domain, OrtCustomOpDomain** out);
  OrtStatus* (*CustomOpDomain_Add)(OrtCustomOpDomain* custom_op_domain, const OrtCustomOp* op);
  OrtStatus* (*AddCustomOpDomain)(OrtSessionOptions* options, OrtCustomOpDomain* custom_op_domain);
  void* reserved_29_to_32[4];
  OrtStatus* (*SessionGetInputTypeInfo)(const OrtSession* session, size_t index, OrtTypeInfo** type_info);
  void* reserved_34_to_35[2];
  OrtStatus* (*SessionGetInputName)(const OrtSession* session, size_t index, OrtAllocator* allocator, char** value);
  OrtStatus* (*SessionGetOutputName)(const OrtSession* session, size_t index, OrtAllocator* allocator, char** value);
  void* reserved_38_to_48[11];
  OrtStatus* (*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo* info, void* p_data, size_t p_data_len,
                                               const int64_t* shape, size_t shape_len, ONNXTensorElementDataType type,
                                               OrtValue** out);
  void* reserved_50;
  OrtStatus* (*GetTensorMutableData)(OrtValue* value, void** out);
  void* reserved_52_to_54[3];
  OrtStatus* (*CastTypeInfoToTensorInfo)(const OrtTypeInfo* type_info, const OrtTensorTypeAndShapeInfo** out);
  void* reserved_56_to_57[2];
  OrtStatus* (*SetTensorElementType)(OrtTensorTypeAndShapeInfo* info, ONNXTensorElementDataType type);
  void* reserved_59;
  OrtStatus* (*GetTensorElementType)(const OrtTensorTypeAndShapeInfo* info, ONNXTensorElementDataType* out);
  OrtStatus* (*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo* info, size_t* out);
  OrtStatus* (*GetDimensions)(const OrtTensorTypeAndShapeInfo* info, int64_t* dim_values, size_t dim_values_length);
  OrtStatus* (*GetSymbolicDimensions)(const OrtTensorTypeAndShapeInfo* info, const char* dim_params[],
                                      size_t dim_params_length);
  OrtStatus* (*GetTensorShapeElementCount)(const OrtTensorTypeAndShapeInfo* info, size_t* out);
  OrtStatus* (*GetTensorTypeAndShape)(const OrtValue* value, OrtTensorTypeAndShapeInfo** out);
  void* reserved_66_to_68[3];
  OrtStatus* (*CreateCpuMemoryInfo)(OrtAllocatorType type, OrtMemType mem_type, OrtMemoryInfo** out);
  void* reserved_70_to_75[6];
  OrtStatus* (*AllocatorFree)(OrtAllocator* ort_allocator, void* p);
  void* reserved_77;
  OrtStatus* (*GetAllocatorWithDefaultOptions)(OrtAllocator** out);
  void* reserved_79_to_84[6];
  OrtStatus* (*KernelInfoGetAttribute_float)(const OrtKernelInfo* info, const char* name, float* out);
  OrtStatus* (*KernelInfoGetAttribute_int64)(const OrtKernelInfo* info, const char* name, int64_t* out);
  void* reserved_87_to_89[3];
  OrtStatus* (*KernelContext_GetInput)(const OrtKernelContext* context, size_t index, const OrtValue** out);
  OrtStatus* (*KernelContext_GetOutput)(OrtKernelContext* context, size_t index, const int64_t* dim_values,
                                        size_t dim_count, OrtValue** out);
  void (*ReleaseEnv)(OrtEnv* input);
  void (*ReleaseStatus)(OrtStatus* input);
  void (*ReleaseMemoryInfo)(OrtMemoryInfo* input);
  void (*ReleaseSession)(OrtSession* input);
  void (*ReleaseValue)(OrtValue* input);
  void* reserved_97;
  void (*ReleaseTypeInfo)(OrtTypeInfo* input);
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo* input);
  void (*ReleaseSessionOptions)(OrtSessionOptions* input);
  void* reserved_101_to_210[110];
  OrtStatus* (*CreateOpAttr)(const char* name, const void* data, int len, OrtOpAttrType type, OrtOpAttr** op_attr);
  void (*ReleaseOpAttr)(OrtOpAttr* input);
  void* reserved_213_to_246[34];
  OrtStatus* (*Logger_LogMessage)(const OrtLogger* logger, OrtLoggingLevel log_severity_level, const char* message,
                                  const char* file_path, int line_number, const char* func_name);
  OrtStatus* (*Logger_GetLoggingSeverityLevel)(const OrtLogger* logger, OrtLoggingLevel* out);
  void* reserved_249_to_267[19];
  OrtStatus* (*ShapeInferContext_GetInputTypeShape)(const OrtShapeInferContext* context, size_t index,
                                                    OrtTensorTypeAndShapeInfo** info);
  void* reserved_269;
  OrtStatus* (*ShapeInferContext_SetOutputTypeShape)(const OrtShapeInferContext* context, size_t index,
                                                     const OrtTensorTypeAndShapeInfo* info);
  void* reserved_271;
  OrtStatus* (*ReadOpAttr)(const OrtOpAttr* op_attr, OrtOpAttrType type, void* data, size_t len, size_t* out);
  void* reserved_273_to_285[13];
  void (*ReleaseNode)(OrtNode* input);
  void* reserved_287_to_288[2];
  OrtStatus* (*GetValueInfoName)(const OrtValueInfo* value_info, const char** name);
  OrtStatus* (*GetValueInfoTypeInfo)(const OrtValueInfo* value_info, const OrtTypeInfo** type_info);
  const OrtModelEditorApi* (*GetModelEditorApi)();
  void* reserved_292_to_294[3];
  void (*CreateKeyValuePairs)(OrtKeyValuePairs** out);
  void (*AddKeyValuePair)(OrtKeyValuePairs* kvps, const char* key, const char* value);
  const char* (*GetKeyValue)(const OrtKeyValuePairs* kvps, const char* key);
  void (*GetKeyValuePairs)(const OrtKeyValuePairs* kvps, const char* const** keys, const char* const** values,
                           size_t* num_entries);
  void* reserved_299;
  void (*ReleaseKeyValuePairs)(OrtKeyValuePairs* input);
  OrtStatus* (*RegisterExecutionProviderLibrary)(OrtEnv* env, const char* registration_name, const char* path);
  OrtStatus* (*UnregisterExecutionProviderLibrary)(OrtEnv* env, const char* registration_name);
  OrtStatus* (*GetEpDevices)(const OrtEnv* env, const OrtEpDevice* const** ep_devices, size_t* num_ep_devices);
  OrtStatus* (*SessionOptionsAppendExecutionProvider_V2)(OrtSessionOptions* session_options, OrtEnv* env,
                                                         const OrtEpDevice* const* ep_devices, size_t num_ep_devices,
                                                         const char* const* ep_option_keys,
                                                         const char* const* ep_option_vals, size_t num_ep_options);
  void* reserved_305_to_306[2];
  OrtHardwareDeviceType (*HardwareDevice_Type)(const OrtHardwareDevice* device);
  void* reserved_308_to_311[4];
  const char* (*EpDevice_EpName)(const OrtEpDevice* ep_device);
  void* reserved_313_to_316[4];
  const OrtEpApi* (*GetEpApi)();
  OrtStatus* (*GetTensorSizeInBytes)(const OrtValue* ort_value, size_t* size);
  void* reserved_319_to_325[7];
  OrtStatus* (*ValueInfo_GetInitializerValue)(const OrtValueInfo* value_info, const OrtValue** initializer_value);
  void* reserved_327_to_330[4];
  OrtStatus* (*ValueInfo_IsConstantInitializer)(const OrtValueInfo* value_info, bool* is_constant_initializer);
  void* reserved_332_to_333[2];
  OrtStatus* (*Graph_GetModelPath)(const OrtGraph* graph, const char** model_path);
  void* reserved_335_to_337[3];
  OrtStatus* (*Graph_GetNumInputs)(const OrtGraph* graph, size_t* num_inputs);
  OrtStatus* (*Graph_GetInputs)(const OrtGraph* graph, const OrtValueInfo** inputs, size_t num_inputs);
  OrtStatus* (*Graph_GetNumOutputs)(const OrtGraph* graph, size_t* num_outputs);
  OrtStatus* (*Graph_GetOutputs)(const OrtGraph* graph, const OrtValueInfo** outputs, size_t num_outputs);
  void* reserved_342_to_343[2];
  OrtStatus* (*Graph_GetNumNodes)(const OrtGraph* graph, size_t* num_nodes);
  OrtStatus* (*Graph_GetNodes)(const OrtGraph* graph, const OrtNode** nodes, size_t num_nodes);
  OrtStatus* (*Graph_GetParentNode)(const OrtGraph* graph, const OrtNode** node);
  void* reserved_347;
  OrtStatus* (*Node_GetId)(const OrtNode* node, size_t* node_id);
  OrtStatus* (*Node_GetName)(const OrtNode* node, const char** node_name);
  OrtStatus* (*Node_GetOperatorType)(const OrtNode* node, const char** operator_type);
  OrtStatus* (*Node_GetDomain)(const OrtNode* node, const char** domain_name);
  OrtStatus* (*Node_GetSinceVersion)(const OrtNode* node, int* since_version);
  OrtStatus* (*Node_GetNumInputs)(const OrtNode* node, size_t* num_inputs);
  OrtStatus* (*Node_GetInputs)(const OrtNode* node, const OrtValueInfo** inputs, size_t num_inputs);
  OrtStatus* (*Node_GetNumOutputs)(const OrtNode* node, size_t* num_outputs);
  OrtStatus* (*Node_GetOutputs)(const OrtNode* node, const OrtValueInfo** outputs, size_t num_outputs);
  OrtStatus* (*Node_GetNumImplicitInputs)(const OrtNode* node, size_t* num_implicit_inputs);
  OrtStatus* (*Node_GetImplicitInputs)(const OrtNode* node, const OrtValueInfo** implicit_inputs,
                                       size_t num_implicit_inputs);
  OrtStatus* (*Node_GetNumAttributes)(const OrtNode* node, size_t* num_attributes);
  OrtStatus* (*Node_GetAttributes)(const OrtNode* node, const OrtOpAttr** attributes, size_t num_attributes);
  void* reserved_361;
  OrtStatus* (*OpAttr_GetTensorAttributeAsOrtValue)(const OrtOpAttr* attribute, OrtValue** attr_tensor);
  OrtStatus* (*OpAttr_GetType)(const OrtOpAttr* attribute, OrtOpAttrType* type);
  OrtStatus* (*OpAttr_GetName)(const OrtOpAttr* attribute, const char** name);
  OrtStatus* (*Node_GetNumSubgraphs)(const OrtNode* node, size_t* num_subgraphs);
  void* reserved_366_to_367[2];
  OrtStatus* (*Node_GetEpName)(const OrtNode* node, const char** out);
  void* reserved_369_to_377[9];
  OrtStatus* (*GetTensorData)(const OrtValue* value, const void** out);
  OrtStatus* (*GetSessionOptionsConfigEntries)(const OrtSessionOptions* options, OrtKeyValuePairs** out);
  void* reserved_380_to_389[10];
  bool (*TensorTypeAndShape_HasShape)(const OrtTensorTypeAndShapeInfo* info);
  void* reserved_391_to_413[23];
  OrtStatus* (*GetTensorElementTypeAndShapeDataReference)(const OrtValue* value, ONNXTensorElementDataType* elem_type,
                                                          const int64_t** shape_data, size_t* shape_data_count);
};

struct OrtModelEditorApi {
  void* reserved_0_to_5[6];
  OrtStatus* (*CreateNode)(const char* operator_name, const char* domain_name, const char* node_name,
                           const char* const* input_names, size_t input_names_len, const char* const* output_names,
                           size_t output_names_len, OrtOpAttr** attributes, size_t attribs_len, OrtNode** node);
};

struct OrtEpApi {
  OrtStatus* (*CreateEpDevice)(OrtEpFactory* ep_factory, const OrtHardwareDevice* hardware_device,
                               const OrtKeyValuePairs* ep_metadata, const OrtKeyValuePairs* ep_options,
                               OrtEpDevice** ep_device);
  void* reserved_1;
  OrtStatus* (*EpGraphSupportInfo_AddNodesToFuse)(OrtEpGraphSupportInfo* graph_support_info,
                                                  const OrtNode* const* nodes, size_t num_nodes,
                                                  const OrtNodeFusionOptions* node_fusion_options);
  void* reserved_3_to_15[13];
  OrtStatus* (*CreateHardwareDevice)(OrtHardwareDeviceType type, uint32_t vendor_id, uint32_t device_id,
                                     const char* vendor_name, const OrtKeyValuePairs* metadata,
                                     OrtHardwareDevice** hardware_device);
  void* reserved_17_to_48[32];
  OrtStatus* (*GetEnvConfigEntries)(OrtKeyValuePairs** config_entries);
  void* reserved_50_to_64[15];
  OrtStatus* (*CreateProfilingEvent)(OrtProfilingEventCategory category, int32_t process_id, int32_t thread_id,
                                     const char* event_name, int64_t timestamp_us, int64_t duration_us,
                                     const char* const* arg_keys, const char* const* arg_values, size_t num_args,
                                     OrtProfilingEvent** out);
  void (*ReleaseProfilingEvent)(OrtProfilingEvent* input);
  void* reserved_67_to_71[5];
  OrtStatus* (*ProfilingEventsContainer_AddEvents)(OrtProfilingEventsContainer* events_container,
                                                   const OrtProfilingEvent* const* events, size_t num_events);
};

// ---- structs that an execution provider fills in ----

struct OrtNodeFusionOptions {
  uint32_t ort_version_supported;
  bool drop_constant_initializers;
};

struct OrtNodeComputeInfo {
  uint32_t ort_version_supported;
  OrtStatus* (*CreateState)(OrtNodeComputeInfo* this_ptr, OrtNodeComputeContext* compute_context, void** compute_state);
  OrtStatus* (*Compute)(OrtNodeComputeInfo* this_ptr, void* compute_state, OrtKernelContext* kernel_context);
  void (*ReleaseState)(OrtNodeComputeInfo* this_ptr, void* compute_state);
};

struct OrtEpProfilerImpl {
  uint32_t ort_version_supported;
  void (*Release)(OrtEpProfilerImpl* this_ptr);
  OrtStatus* (*StartProfiling)(OrtEpProfilerImpl* this_ptr, int64_t ep_profiling_start_offset_ns);
  OrtStatus* (*StartEvent)(OrtEpProfilerImpl* this_ptr, uint64_t ort_event_correlation_id);
  OrtStatus* (*StopEvent)(OrtEpProfilerImpl* this_ptr, uint64_t ort_event_correlation_id,
                          const OrtProfilingEvent* ort_event);
  OrtStatus* (*EndProfiling)(OrtEpProfilerImpl* this_ptr, OrtProfilingEventsContainer* events_container);
};

struct OrtCustomOp {
  uint32_t version;
  void* (*CreateKernel)(const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* info);
  const char* (*GetName)(const OrtCustomOp* op);
  const char* (*GetExecutionProviderType)(const OrtCustomOp* op);
  ONNXTensorElementDataType (*GetInputType)(const OrtCustomOp* op, size_t index);
  size_t (*GetInputTypeCount)(const OrtCustomOp* op);
  ONNXTensorElementDataType (*GetOutputType)(const OrtCustomOp* op, size_t index);
  size_t (*GetOutputTypeCount)(const OrtCustomOp* op);
  void (*KernelCompute)(void* op_kernel, OrtKernelContext* context);
  void (*KernelDestroy)(void* op_kernel);
  OrtCustomOpInputOutputCharacteristic (*GetInputCharacteristic)(const OrtCustomOp* op, size_t index);
  OrtCustomOpInputOutputCharacteristic (*GetOutputCharacteristic)(const OrtCustomOp* op, size_t index);
  OrtMemType (*GetInputMemoryType)(const OrtCustomOp* op, size_t index);
  int (*GetVariadicInputMinArity)(const OrtCustomOp* op);
  int (*GetVariadicInputHomogeneity)(const OrtCustomOp* op);
  int (*GetVariadicOutputMinArity)(const OrtCustomOp* op);
  int (*GetVariadicOutputHomogeneity)(const OrtCustomOp* op);
  OrtStatus* (*CreateKernelV2)(const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* info, void** kernel);
  OrtStatus* (*KernelComputeV2)(void* op_kernel, OrtKernelContext* context);
  OrtStatus* (*InferOutputShapeFn)(const OrtCustomOp* op, OrtShapeInferContext*);
  int (*GetStartVersion)(const OrtCustomOp* op);
  int (*GetEndVersion)(const OrtCustomOp* op);
  size_t (*GetMayInplace)(int** input_index, int** output_index);
  void (*ReleaseMayInplace)(int* input_index, int* output_index);
  size_t (*GetAliasMap)(int** input_index, int** output_index);
  void (*ReleaseAliasMap)(int* input_index, int* output_index);
};

struct OrtEp {
  uint32_t ort_version_supported;
  const char* (*GetName)(const OrtEp* this_ptr);
  OrtStatus* (*GetCapability)(OrtEp* this_ptr, const OrtGraph* graph, OrtEpGraphSupportInfo* graph_support_info);
  OrtStatus* (*Compile)(OrtEp* this_ptr, const OrtGraph** graphs, const OrtNode** fused_nodes, size_t count,
                        OrtNodeComputeInfo** node_compute_infos, OrtNode** ep_context_nodes);
  void (*ReleaseNodeComputeInfos)(OrtEp* this_ptr, OrtNodeComputeInfo** node_compute_infos,
                                  size_t num_node_compute_infos);
  void* reserved_5_to_7[3];
  OrtStatus* (*OnRunStart)(OrtEp* this_ptr, const OrtRunOptions* run_options);
  void* reserved_9_to_15[7];
  OrtStatus* (*CreateProfiler)(OrtEp* this_ptr, OrtEpProfilerImpl** profiler);
  void* reserved_17_to_21[5];
  OrtStatus* (*OnSessionInitializationEnd)(OrtEp* this_ptr);
  void* reserved_23_to_24[2];
};

struct OrtEpFactory {
  uint32_t ort_version_supported;
  const char* (*GetName)(const OrtEpFactory* this_ptr);
  const char* (*GetVendor)(const OrtEpFactory* this_ptr);
  OrtStatus* (*GetSupportedDevices)(OrtEpFactory* this_ptr, const OrtHardwareDevice* const* devices, size_t num_devices,
                                    OrtEpDevice** ep_devices, size_t max_ep_devices, size_t* num_ep_devices);
  OrtStatus* (*CreateEp)(OrtEpFactory* this_ptr, const OrtHardwareDevice* const* devices,
                         const OrtKeyValuePairs* const* ep_metadata_pairs, size_t num_devices,
                         const OrtSessionOptions* session_options, const OrtLogger* logger, OrtEp** ep);
  void (*ReleaseEp)(OrtEpFactory* this_ptr, OrtEp* ep);
  uint32_t (*GetVendorId)(const OrtEpFactory* this_ptr);
  const char* (*GetVersion)(const OrtEpFactory* this_ptr);
  void* reserved_8;
  OrtStatus* (*CreateAllocator)(OrtEpFactory* this_ptr, const OrtMemoryInfo* memory_info,
                                const OrtKeyValuePairs* allocator_options, OrtAllocator** allocator);
  void (*ReleaseAllocator)(OrtEpFactory* this_ptr, OrtAllocator* allocator);
  OrtStatus* (*CreateDataTransfer)(OrtEpFactory* this_ptr, OrtDataTransferImpl** data_transfer);
  bool (*IsStreamAware)(const OrtEpFactory* this_ptr);
  void* reserved_13_to_15[3];
  OrtStatus* (*GetNumCustomOpDomains)(OrtEpFactory* this_ptr, size_t* num_domains);
  OrtStatus* (*GetCustomOpDomains)(OrtEpFactory* this_ptr, OrtCustomOpDomain** domains, size_t num_domains);
  void* reserved_18_to_19[2];
};

// The entry of libonnxruntime; execution providers are handed the OrtApiBase instead.
const OrtApiBase* OrtGetApiBase() noexcept;

}  // extern "C"

#endif  // VAIP_USE_UPSTREAM_ORT_HEADERS
