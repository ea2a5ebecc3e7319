// A file of sections that one process writes and later ones map into memory: each finds out before it uses a section
// whether that is as it was written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "base/span.h"

namespace vaip {

// What an archive was made from: another key, another content.
using ArchiveKey = std::array<std::uint64_t, 2>;

class ArchiveWriter {
 public:
  void add(Span<const std::byte> bytes);  // as a section
  // The same without a copy: the bytes stay where they are until the file is written.
  void add_borrowed(Span<const std::byte> bytes);
  template <typename T>
  void add_values(const std::vector<T>& values) {
    add(bytes_of(Span<const T>(values)));
  }
  template <typename T>
  void add_view(Span<const T> values) {
    add_borrowed(bytes_of(values));
  }

  // Through a temporary file and a rename, so that nobody ever sees a part of it. Throws Error(io) naming the path.
  void write(const std::string& path, const ArchiveKey& key) const;

 private:
  template <typename T>
  static Span<const std::byte> bytes_of(Span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)};
  }
  struct Section {
    std::vector<std::byte> own;
    Span<const std::byte> bytes;
  };
  std::deque<Section> sections_;  // their addresses stay
};

// Sections in the order in which they were added. What is not as it was written is an Error(io) that names the file and
// says so.
class ArchiveReader {
 public:
  // Null where there is no such file.
  static std::unique_ptr<ArchiveReader> open(const std::string& path, const ArchiveKey& key);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  Span<const std::byte> take();  // 64-byte aligned; for as long as the reader lives
  template <typename T>
  std::vector<T> take_values() {
    const Span<const T> view = take_view<T>();
    return {view.begin(), view.end()};
  }
  // The same without a copy, for as long as the reader lives.
  template <typename T>
  Span<const T> take_view() {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 64);
    const Span<const std::byte> bytes = take();
    if (bytes.size() % sizeof(T) != 0) reject("a section has another size");
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  template <typename T>
  T take_value() {
    const std::vector<T> values = take_values<T>();
    if (values.size() != 1) reject("a section has another size");
    return values[0];
  }
  void expect_end() const;  // every section has been taken
  [[noreturn]] void reject(const std::string& why) const;

 private:
  ArchiveReader(std::string path, Span<const std::byte> file);
  void check_header(const ArchiveKey& key);

  std::string path_;
  Span<const std::byte> file_;
  std::size_t at_ = 0;  // of the next section
};

}  // namespace vaip
