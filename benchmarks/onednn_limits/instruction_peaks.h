// How fast this CPU multiplies and adds with everything in registers: no kernel, whoever wrote it, is faster.
#pragma once

#include <optional>

namespace vaip::benchmarks {

// Billions of multiply-accumulates per second of one core.
struct InstructionPeaks {
  double u8_s8 = 0;    // vpmaddubsw, vpmaddwd, vpaddd: saturates pairs
  double s16_s16 = 0;  // vpmaddwd, vpaddd: exact
  double f32 = 0;      // vfmadd231ps
};

// Of AVX2; nothing on CPUs without it, or with instructions that do more at once (VNNI, AVX512).
std::optional<InstructionPeaks> measure_instruction_peaks();

}  // namespace vaip::benchmarks
