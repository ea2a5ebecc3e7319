# All dependencies are PyPI wheels of the Python environment that builds (the isolated one under pip, or a developer's venv).
# Nothing is downloaded here. A newer oneDNN can be given with -Ddnnl_DIR=, headers of nlohmann/json with
# -DVAIP_JSON_INCLUDE_DIR=.
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)

# Sets `result` to the directory that holds `suffix` among the files that the Python distribution `dist` installed.
function(vaip_locate_in_distribution result dist suffix)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
      "import importlib.metadata as m, pathlib, sys
files = [f for f in (m.files(sys.argv[1]) or []) if str(f).endswith(sys.argv[2])]
print(pathlib.Path(files[0].locate()).resolve().as_posix()[: -len(sys.argv[2])].rstrip('/') if files else '', end='')"
      "${dist}" "${suffix}"
    OUTPUT_VARIABLE location ERROR_VARIABLE problem RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR location STREQUAL "")
    message(FATAL_ERROR "${suffix} was not found in the Python distribution '${dist}' of ${Python_EXECUTABLE}. "
      "Install the build requirements: pip install '.[dev]'\n${problem}")
  endif()
  set(${result} "${location}" PARENT_SCOPE)
endfunction()

if(NOT dnnl_DIR)
  vaip_locate_in_distribution(VAIP_DNNL_PREFIX onednn-devel-cpu-gomp include/dnnl.hpp)
  list(PREPEND CMAKE_PREFIX_PATH "${VAIP_DNNL_PREFIX}")
endif()
find_package(dnnl 3 REQUIRED CONFIG)
find_package(OpenMP REQUIRED COMPONENTS CXX)

if(NOT VAIP_JSON_INCLUDE_DIR)
  vaip_locate_in_distribution(VAIP_JSON_INCLUDE_DIR nlohmann-json nlohmann/json.hpp)
endif()
add_library(vaip_nlohmann_json INTERFACE)
add_library(nlohmann_json::nlohmann_json ALIAS vaip_nlohmann_json)
target_include_directories(vaip_nlohmann_json SYSTEM INTERFACE "${VAIP_JSON_INCLUDE_DIR}")

if(VAIP_BUILD_PYTHON)
  if(NOT pybind11_DIR)
    execute_process(COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
      OUTPUT_VARIABLE pybind11_DIR OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
  find_package(pybind11 REQUIRED CONFIG)
endif()
