#include "ort/logger.h"

#include "ort/api.h"
#include "ort/handles.h"

namespace vaip::ort {

bool Logger::enabled(OrtLoggingLevel level) const noexcept {
  OrtLoggingLevel threshold = ORT_LOGGING_LEVEL_FATAL;
  if (logger_ == nullptr) return false;
  const Status failed(api().Logger_GetLoggingSeverityLevel(logger_, &threshold));
  return failed == nullptr && level >= threshold;
}

void Logger::log(OrtLoggingLevel level, const std::string& message) const noexcept {
  if (!enabled(level)) return;
  // A message that cannot be logged is no reason to fail what it is about.
  const Status ignored(api().Logger_LogMessage(logger_, level, message.c_str(), "VitisAIEP", 0, ""));
}

}  // namespace vaip::ort
