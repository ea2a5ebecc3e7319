#include "ort/handles.h"

namespace vaip::ort {
namespace {

OrtKeyValuePairs* new_pairs() {
  OrtKeyValuePairs* pairs = nullptr;
  api().CreateKeyValuePairs(&pairs);
  return pairs;
}

}  // namespace

KeyValuePairs::KeyValuePairs(const std::map<std::string, std::string>& entries) : pairs_(new_pairs()) {
  for (const auto& [key, value] : entries) api().AddKeyValuePair(pairs_.get(), key.c_str(), value.c_str());
}

std::map<std::string, std::string> KeyValuePairs::to_map() const {
  std::map<std::string, std::string> entries;
  if (pairs_ == nullptr) return entries;
  const char* const* keys = nullptr;
  const char* const* values = nullptr;
  size_t count = 0;
  api().GetKeyValuePairs(pairs_.get(), &keys, &values, &count);
  for (size_t i = 0; i < count; ++i) entries.emplace(keys[i], values[i]);
  return entries;
}

std::string KeyValuePairs::value_or(const char* key, const char* fallback) const {
  const char* value = pairs_ == nullptr ? nullptr : api().GetKeyValue(pairs_.get(), key);
  return value != nullptr ? value : fallback;
}

}  // namespace vaip::ort
