#include "base/write_file.h"

#include "report/session_report.h"

namespace vaip::report {

void write_file(const std::string& path, const std::string& text) {
  vaip::write_file(path, {{reinterpret_cast<const std::byte*>(text.data()), text.size()}});
}

}  // namespace vaip::report
