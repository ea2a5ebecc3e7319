// Owners of onnxruntime's objects.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "ort/api.h"

namespace vaip::ort {

template <auto Release>  // a member of OrtApi, e.g. &OrtApi::ReleaseStatus
struct Releaser {
  template <typename T>
  void operator()(T* object) const noexcept {
    (api().*Release)(object);
  }
};

using Status = std::unique_ptr<OrtStatus, Releaser<&OrtApi::ReleaseStatus>>;
using Value = std::unique_ptr<OrtValue, Releaser<&OrtApi::ReleaseValue>>;
using Node = std::unique_ptr<OrtNode, Releaser<&OrtApi::ReleaseNode>>;
using OpAttr = std::unique_ptr<OrtOpAttr, Releaser<&OrtApi::ReleaseOpAttr>>;

class KeyValuePairs {
 public:
  explicit KeyValuePairs(OrtKeyValuePairs* owned) : pairs_(owned) {}
  explicit KeyValuePairs(const std::map<std::string, std::string>& entries);

  const OrtKeyValuePairs* get() const noexcept { return pairs_.get(); }
  std::map<std::string, std::string> to_map() const;
  std::string value_or(const char* key, const char* fallback) const;

 private:
  std::unique_ptr<OrtKeyValuePairs, Releaser<&OrtApi::ReleaseKeyValuePairs>> pairs_;
};

}  // namespace vaip::ort
