// Several versions of a hot loop in one binary, chosen when the library is loaded by what the CPU has.
//
// Put VAIP_MULTIVERSION before a function with internal linkage whose loops the compiler vectorises. Every version
// computes the same bits: floating-point contraction is off for the whole build. OpenMP regions inside such a function
// would be compiled for the default target only, so parallel loops stay outside (parallel.h).
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(VAIP_NO_MULTIVERSION)
#define VAIP_MULTIVERSION __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define VAIP_MULTIVERSION
#endif
