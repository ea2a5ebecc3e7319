#!/usr/bin/env bash
# Runs every libFuzzer target of tests/fuzz for SECONDS, with AddressSanitizer and UndefinedBehaviorSanitizer: files that
# come from outside must end in an error or a success, never in a crash, a hang or gigabytes of memory.
#   scripts/fuzz.sh SECONDS [target...]     targets without "fuzz_": config, options, device, model, context; default: all
# Needs clang and the environment that scripts/test.sh makes (or PYTHON= one with the dev requirements). The corpus grows in
# build/fuzz/corpus from run to run; inputs that fail are left in build/fuzz/findings, where the target's binary replays them:
#   build/fuzz/tests/fuzz/fuzz_model build/fuzz/findings/model-crash-...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds="${1:?usage: scripts/fuzz.sh SECONDS [target...]}"
shift
python="$(realpath -s "${PYTHON:-${VAIP_TEST_DIR:-$PWD/build/test}/venv/bin/python}")"
export PATH="$(dirname "${python}"):${PATH}"
build="${PWD}/build/fuzz"

# clang without an OpenMP runtime of its own takes gcc's header and library: no target runs a kernel in parallel. What
# gcc's malloc attribute says of the function that frees is unknown to clang.
openmp=()
if ! echo '#include <omp.h>' | clang++ -fopenmp -fsyntax-only -x c++ - 2>/dev/null; then
  mkdir -p "${build}/include"
  rm -f "${build}/include/omp.h"
  sed 's/__malloc__ ([a-z_]*)/__malloc__/' "$(gcc -print-file-name=include)/omp.h" >"${build}/include/omp.h"
  openmp=("-DOpenMP_CXX_FLAGS=-isystem ${build}/include -Wno-source-uses-openmp" -DOpenMP_CXX_LIB_NAMES=gomp
    "-DOpenMP_gomp_LIBRARY=$(gcc -print-file-name=libgomp.so)")
fi
cmake -S . -B "${build}" -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DVAIP_BUILD_FUZZERS=ON -DVAIP_BUILD_PYTHON=OFF \
  -DVAIP_SANITIZE=fuzzer-no-link,address,undefined -DPython_EXECUTABLE="${python}" "${openmp[@]}" >/dev/null
targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then
  for source in tests/fuzz/fuzz_*.cpp; do targets+=("$(basename "${source}" .cpp | sed 's/^fuzz_//')"); done
fi
cmake --build "${build}" --target "${targets[@]/#/fuzz_}"
PYTHONPATH=tests/python "${python}" tests/fuzz/make_seeds.py "${build}/seeds"

mkdir -p "${build}/findings"
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
for target in "${targets[@]}"; do
  printf '\n== %s, %s s ==\n' "${target}" "${seconds}"
  mkdir -p "${build}/corpus/${target}"
  "${build}/tests/fuzz/fuzz_${target}" "${build}/corpus/${target}" "${build}/seeds/${target}" \
    -max_total_time="${seconds}" -max_len=65536 -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="${build}/findings/${target}-" -dict="${build}/seeds/${target}.dict"
done
