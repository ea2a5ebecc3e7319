#include "base/write_file.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <unistd.h>

#include "base/error.h"

namespace vaip {

void write_file(const std::string& path, const std::vector<Span<const std::byte>>& pieces) {
  namespace fs = std::filesystem;
  static std::atomic<unsigned> counter{0};
  const fs::path target(path);
  std::error_code error;
  if (path.empty()) fail(ErrorKind::io, "cannot write a file with an empty name");
  if (target.has_parent_path()) fs::create_directories(target.parent_path(), error);
  if (error) fail(ErrorKind::io, "cannot write '", path, "': creating its directory failed: ", error.message());
  if (fs::is_directory(target, error)) fail(ErrorKind::io, "cannot write '", path, "': it is a directory");

  // A name of this process and call, in the same directory: rename() is atomic within a file system only.
  const std::string temporary = detail::concat(path, ".", ::getpid(), ".", counter++, ".tmp");
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  if (!file) fail(ErrorKind::io, "cannot write '", path, "': ", std::strerror(errno));
  for (const Span<const std::byte> piece : pieces)
    file.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
  file.close();
  if (!file) {
    std::remove(temporary.c_str());
    fail(ErrorKind::io, "cannot write '", path, "': writing failed (disk full?)");
  }
  fs::rename(temporary, target, error);
  if (error) {
    std::remove(temporary.c_str());
    fail(ErrorKind::io, "cannot write '", path, "': ", error.message());
  }
}

}  // namespace vaip
