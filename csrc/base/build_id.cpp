#include "base/build_id.h"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <string_view>

namespace vaip {
namespace {

struct Search {
  std::uintptr_t address;  // in the object that is meant
  std::string id;
};

bool contains(const dl_phdr_info& object, std::uintptr_t address) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr) & segment = object.dlpi_phdr[i];
    const std::uintptr_t begin = object.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && address >= begin && address < begin + segment.p_memsz) return true;
  }
  return false;
}

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

std::string id_in_notes(const char* at, std::size_t bytes) {
  const char* const end = at + bytes;
  while (end - at >= static_cast<std::ptrdiff_t>(sizeof(ElfW(Nhdr)))) {
    const auto& note = *reinterpret_cast<const ElfW(Nhdr)*>(at);
    const char* const name = at + sizeof note;
    const char* const content = name + padded(note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID && std::string_view(name, note.n_namesz) == std::string_view("GNU", 4))
      return {content, note.n_descsz};
    at = content + padded(note.n_descsz);
  }
  return "";
}

int look_at(dl_phdr_info* object, std::size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  if (!contains(*object, search.address)) return 0;
  for (int i = 0; i < object->dlpi_phnum && search.id.empty(); ++i) {
    const ElfW(Phdr) & segment = object->dlpi_phdr[i];
    if (segment.p_type == PT_NOTE)
      search.id = id_in_notes(reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr), segment.p_memsz);
  }
  return 1;
}

}  // namespace

std::string build_id() {
  Search search{reinterpret_cast<std::uintptr_t>(&look_at), ""};
  dl_iterate_phdr(look_at, &search);
  return search.id;
}

}  // namespace vaip
