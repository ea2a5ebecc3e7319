#include "instruction_peaks.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "kernels/compute_path.h"

namespace vaip::benchmarks {
namespace {

constexpr std::int64_t kSteps = 1 << 16, kRepeats = 60;
constexpr int kChains = 8;  // that do not wait for each other

// Least seconds of kSteps of eight independent chains each.
template <typename Loop>
double least_seconds(const Loop& loop) {
  double least = 1e30;
  for (std::int64_t i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    loop();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

template <typename Loop>
double gmacs_per_second(int macs_per_chain, const Loop& loop) {
  return 1e-9 * static_cast<double>(kSteps) * kChains * macs_per_chain / least_seconds(loop);
}

#if defined(__x86_64__) && defined(__GNUC__)

// Chain i sums in register i; 8 and 9 are operands, the temporaries are renamed.
#define VAIP_BYTES(sum)                                                                                            \
  "vpmaddubsw %%ymm8, %%ymm9, %%ymm1" sum "\n\tvpmaddwd %%ymm8, %%ymm1" sum ", %%ymm1" sum "\n\tvpaddd %%ymm1" sum \
  ", %%ymm" sum ", %%ymm" sum "\n\t"
#define VAIP_WORDS(sum) "vpmaddwd %%ymm8, %%ymm9, %%ymm1" sum "\n\tvpaddd %%ymm1" sum ", %%ymm" sum ", %%ymm" sum "\n\t"
#define VAIP_FLOATS(sum) "vfmadd231ps %%ymm8, %%ymm9, %%ymm" sum "\n\t"
#define VAIP_EIGHT(what, last) what("0") what("1") what("2") what("3") what("4") what("5") last("6") last("7")
// There are sixteen registers: the last two chains share temporaries with the first.
#define VAIP_BYTES_SHARED(sum)                                                                                         \
  "vpmaddubsw %%ymm8, %%ymm9, %%ymm10\n\tvpmaddwd %%ymm8, %%ymm10, %%ymm10\n\tvpaddd %%ymm10, %%ymm" sum ", %%ymm" sum \
  "\n\t"
#define VAIP_WORDS_SHARED(sum) "vpmaddwd %%ymm8, %%ymm9, %%ymm10\n\tvpaddd %%ymm10, %%ymm" sum ", %%ymm" sum "\n\t"

#define VAIP_LOOP(body)                                                                                         \
  std::int64_t steps = kSteps;                                                                                  \
  asm volatile(".p2align 5\n1:\n\t" body "dec %[steps]\n\tjnz 1b\n\tvzeroupper"                                 \
               : [steps] "+r"(steps)                                                                            \
               :                                                                                                \
               : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
                 "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

void multiply_bytes() { VAIP_LOOP(VAIP_EIGHT(VAIP_BYTES, VAIP_BYTES_SHARED)); }
void multiply_words() { VAIP_LOOP(VAIP_EIGHT(VAIP_WORDS, VAIP_WORDS_SHARED)); }
void multiply_floats() {
  // Whatever is in the registers must not be a denormal number, which would be slow.
  VAIP_LOOP("vxorps %%xmm8, %%xmm8, %%xmm8\n\tvxorps %%xmm9, %%xmm9, %%xmm9\n\t"  //
            VAIP_EIGHT(VAIP_FLOATS, VAIP_FLOATS));
}

#endif

}  // namespace

std::optional<InstructionPeaks> measure_instruction_peaks() {
#if defined(__x86_64__) && defined(__GNUC__)
  const kernels::CpuTraits cpu = kernels::host_cpu();
  if (!cpu.int16_dot_product || cpu.int8_dot_product) return std::nullopt;
  return InstructionPeaks{gmacs_per_second(32, multiply_bytes), gmacs_per_second(16, multiply_words),
                          gmacs_per_second(8, multiply_floats)};
#else
  return std::nullopt;
#endif
}

}  // namespace vaip::benchmarks
