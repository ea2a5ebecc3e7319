#!/usr/bin/env bash
# Passes every check of this repository in an environment of its own: what README's second command and CI run.
#   PYTHON=python3.12 scripts/test.sh     another interpreter
#   VAIP_TEST_DIR=/somewhere              another place for the environment and the builds than build/test
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

directory="${VAIP_TEST_DIR:-$PWD/build/test}"
jobs="$(nproc)"
step() { printf '\n== %s ==\n' "$*"; }

step "Environment: ${directory}/venv"
"${PYTHON:-python3}" -m venv "${directory}/venv"
export PATH="${directory}/venv/bin:${PATH}"
export CMAKE_BUILD_PARALLEL_LEVEL="${jobs}"
python -m pip install --quiet --disable-pip-version-check '.[dev]'

step "Formatting, lint, types"
find csrc include tests/cpp examples benchmarks \( -name '*.cpp' -o -name '*.h' \) -print0 | xargs -0 clang-format --dry-run -Werror
ruff check .
ruff format --check .
mypy

step "C++ unit tests"
cmake -S . -B "${directory}/cpp" -G Ninja -DVAIP_BUILD_TESTS=ON -DVAIP_BUILD_BENCHMARKS=ON -DVAIP_BUILD_PYTHON=OFF \
  -DPython_EXECUTABLE="$(command -v python)"
cmake --build "${directory}/cpp"
ctest --test-dir "${directory}/cpp" --output-on-failure --parallel "${jobs}"

step "C++ application on the installed package"
cmake -S examples/cpp -B "${directory}/example" -G Ninja -Dvaip_DIR="$(vaip cmake-dir)" \
  -DPython_EXECUTABLE="$(command -v python)"
cmake --build "${directory}/example"
"${directory}/example/digits" "$(python -c 'import vaip; print(vaip.get_library_path())')" \
  python/vaip/demo/data/digits_int8.onnx tests/cpp/data/digit_4.txt

step "Python tests"
python -m pytest --numprocesses "${jobs}" --dist loadfile
