#!/usr/bin/env bash
# The C++ tests and the digits application under AddressSanitizer + UndefinedBehaviorSanitizer, then the concurrency tests
# under ThreadSanitizer. Needs the environment that scripts/test.sh makes (or PYTHON= one with the dev requirements).
#   scripts/sanitize.sh [address|thread]      default: both
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

directory="${VAIP_TEST_DIR:-$PWD/build/test}"
python="${PYTHON:-${directory}/venv/bin/python}"
export PATH="$(dirname "${python}"):${PATH}"

build() { # name, sanitizers, targets...
  cmake -S . -B "${directory}/$1" -G Ninja -DVAIP_BUILD_TESTS=ON -DVAIP_BUILD_PYTHON=OFF -DVAIP_SANITIZE="$2" \
    -DPython_EXECUTABLE="${python}"
  cmake --build "${directory}/$1" --target "${@:3}"
}

case "${1:-both}" in address | both)
  build asan address,undefined all
  # onnxruntime keeps its global environment until the process ends: what it leaves is not ours to report.
  export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  ctest --test-dir "${directory}/asan" --output-on-failure
;; esac
case "${1:-both}" in thread | both)
  build tsan thread test_concurrency test_executor test_ep_compute test_ep_state
  # libgomp is not instrumented, so the runs use one OpenMP thread each, whatever a test asks for; their concurrency is that
  # of the callers.
  OMP_THREAD_LIMIT=1 ctest --test-dir "${directory}/tsan" --output-on-failure -R 'concurrency|executor|ep_'
;; esac
