// The fields of device and stack files, written down once: the same description reads and writes them. What a value may
// be is the schema's business (device.schema.json, stack.schema.json).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "device/device.h"

namespace vaip::device {

class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void begin(std::string_view key) = 0;  // an object
  virtual void end() = 0;
  virtual std::vector<std::string> keys(const std::vector<std::string>& present) = 0;  // of an object of named entries
  virtual void text(std::string_view key, std::string& value) = 0;
  virtual void texts(std::string_view key, std::vector<std::string>& value) = 0;
  virtual void flag(std::string_view key, bool& value) = 0;
  virtual void number(std::string_view key, double& value, std::string_view unit) = 0;
  virtual void integer(std::string_view key, std::int64_t& value, std::string_view unit) = 0;
};

void visit(Device& device, FieldVisitor& visitor);
void visit(Stack& stack, FieldVisitor& visitor);

}  // namespace vaip::device
