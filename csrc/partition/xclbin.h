// An xclbin's file name as AMD ships it tells the device family and the part of the array that it programs.
#pragma once

#include <optional>
#include <string>

namespace vaip::partition {

struct Overlay {
  std::string device;  // of the family that the name stands for
  int rows = 0, columns = 0;
};

// path: with either kind of slash; the file need not exist. nullopt for an unknown name.
std::optional<Overlay> overlay_of_xclbin(const std::string& path);

const char* accepted_xclbin_names();  // for messages

}  // namespace vaip::partition
