#include "base/archive.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/checksum.h"
#include "base/error.h"
#include "base/write_file.h"

namespace vaip {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::array<char, 8> kMagic = {'V', 'A', 'I', 'P', 'A', 'R', 'C', '1'};  // the last: this format's version

struct FileHeader {
  std::array<char, 8> magic = kMagic;
  ArchiveKey key{};
  std::uint64_t file_bytes = 0, unused[3] = {};
  std::uint64_t checksum = 0;  // of what is before it
};
struct SectionHeader {
  std::uint64_t bytes = 0, checksum = 0, unused[6] = {};
};
static_assert(sizeof(FileHeader) == kAlignment && sizeof(SectionHeader) == kAlignment);

template <typename T>
Span<const std::byte> as_bytes(const T& object) {
  return {reinterpret_cast<const std::byte*>(&object), sizeof object};
}

std::uint64_t checksum_of(const FileHeader& header) {
  return checksum({reinterpret_cast<const std::byte*>(&header), offsetof(FileHeader, checksum)});
}

constexpr std::size_t padded(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

void ArchiveWriter::add(Span<const std::byte> bytes) {
  Section& section = sections_.emplace_back();
  section.own.assign(bytes.begin(), bytes.end());
  section.bytes = section.own;
}

void ArchiveWriter::add_borrowed(Span<const std::byte> bytes) { sections_.emplace_back().bytes = bytes; }

void ArchiveWriter::write(const std::string& path, const ArchiveKey& key) const {
  static constexpr std::array<std::byte, kAlignment> kPadding{};
  FileHeader header;
  header.key = key;
  header.file_bytes = sizeof header;
  std::vector<SectionHeader> headers;
  for (const Section& section : sections_) {
    headers.push_back({section.bytes.size(), checksum(section.bytes, section.bytes.size())});
    header.file_bytes += sizeof(SectionHeader) + padded(section.bytes.size());
  }
  header.checksum = checksum_of(header);
  std::vector<Span<const std::byte>> pieces = {as_bytes(header)};
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const Span<const std::byte> bytes = sections_[i].bytes;
    pieces.push_back(as_bytes(headers[i]));
    pieces.push_back(bytes);
    pieces.emplace_back(kPadding.data(), padded(bytes.size()) - bytes.size());
  }
  write_file(path, pieces);
}

std::unique_ptr<ArchiveReader> ArchiveReader::open(const std::string& path, const ArchiveKey& key) {
  const auto failed = [&] { fail(ErrorKind::io, "cannot read '", path, "': ", std::strerror(errno)); };
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && (errno == ENOENT || errno == ENOTDIR)) return nullptr;
  if (file < 0) failed();
  struct stat status{};
  const bool known = ::fstat(file, &status) == 0;
  const auto size = static_cast<std::size_t>(known && S_ISREG(status.st_mode) ? status.st_size : 0);
  void* const bytes = size == 0 ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  ::close(file);
  if (size == 0) fail(ErrorKind::io, "'", path, "' is empty, or no file");
  if (bytes == MAP_FAILED) failed();
  std::unique_ptr<ArchiveReader> reader(new ArchiveReader(path, {static_cast<const std::byte*>(bytes), size}));
  reader->check_header(key);
  return reader;
}

ArchiveReader::ArchiveReader(std::string path, Span<const std::byte> file)
    : path_(std::move(path)), file_(file), at_(sizeof(FileHeader)) {}

ArchiveReader::~ArchiveReader() { ::munmap(const_cast<std::byte*>(file_.data()), file_.size()); }

void ArchiveReader::check_header(const ArchiveKey& key) {
  FileHeader header;
  if (file_.size() < sizeof header) reject("it is shorter than its header");
  std::memcpy(&header, file_.data(), sizeof header);
  if (header.magic != kMagic) reject("it is not of this format");
  if (header.checksum != checksum_of(header)) reject("its header is damaged");
  if (header.file_bytes != file_.size())
    reject(detail::concat("it has ", file_.size(), " bytes of ", header.file_bytes));
  if (file_.size() % kAlignment != 0) reject("it does not end where a section does");
  if (header.key != key) reject("it was made from something else");
}

Span<const std::byte> ArchiveReader::take() {
  SectionHeader header;
  if (file_.size() - at_ < sizeof header) reject("it has fewer sections");
  std::memcpy(&header, file_.data() + at_, sizeof header);
  const std::size_t begin = at_ + sizeof header;
  if (header.bytes > file_.size() - begin) reject("the size of a section is damaged");
  const Span<const std::byte> bytes(file_.data() + begin, header.bytes);
  if (checksum(bytes, bytes.size()) != header.checksum) reject("a section is damaged");
  at_ = begin + padded(bytes.size());
  return bytes;
}

void ArchiveReader::expect_end() const {
  if (at_ != file_.size()) reject("it has more sections");
}

void ArchiveReader::reject(const std::string& why) const { fail(ErrorKind::io, "'", path_, "': ", why); }

}  // namespace vaip
