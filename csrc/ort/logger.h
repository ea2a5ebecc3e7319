// Messages into onnxruntime's log: its sink, its severity threshold.
#pragma once

#include <string>

#include "ort/c_api.h"

namespace vaip::ort {

class Logger {
 public:
  explicit Logger(const OrtLogger* logger) noexcept : logger_(logger) {}

  bool enabled(OrtLoggingLevel level) const noexcept;
  void log(OrtLoggingLevel level, const std::string& message) const noexcept;
  void info(const std::string& message) const noexcept { log(ORT_LOGGING_LEVEL_INFO, message); }
  void warning(const std::string& message) const noexcept { log(ORT_LOGGING_LEVEL_WARNING, message); }
  void error(const std::string& message) const noexcept { log(ORT_LOGGING_LEVEL_ERROR, message); }

 private:
  const OrtLogger* logger_;
};

}  // namespace vaip::ort
