#include "ort/status.h"

#include <new>

#include "ort/api.h"
#include "ort/handles.h"

namespace vaip::ort {

void check(OrtStatus* raw) {
  if (raw == nullptr) return;
  const Status status(raw);
  throw StatusError(api().GetErrorCode(raw), api().GetErrorMessage(raw));
}

OrtErrorCode error_code(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::invalid_config:
    case ErrorKind::invalid_argument:
      return ORT_INVALID_ARGUMENT;
    case ErrorKind::invalid_model:
      return ORT_INVALID_GRAPH;
    case ErrorKind::unsupported:
      return ORT_NOT_IMPLEMENTED;
    case ErrorKind::internal:
      return ORT_RUNTIME_EXCEPTION;
    case ErrorKind::io:
      break;
  }
  return ORT_FAIL;
}

OrtStatus* status_of_current_exception() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return api().CreateStatus(error_code(error.kind()), error.what());
  } catch (const StatusError& error) {
    return api().CreateStatus(error.code() == ORT_EP_FAIL ? ORT_FAIL : error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return api().CreateStatus(ORT_FAIL, "VitisAIEP: out of memory");
  } catch (const std::exception& error) {
    return api().CreateStatus(ORT_RUNTIME_EXCEPTION, error.what());
  } catch (...) {
    return api().CreateStatus(ORT_RUNTIME_EXCEPTION, "VitisAIEP: an exception of an unknown type");
  }
}

}  // namespace vaip::ort
