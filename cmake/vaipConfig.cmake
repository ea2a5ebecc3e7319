# The CMake package of an installed VAIP (a Python wheel): find it with -Dvaip_DIR=$(vaip cmake-dir).
#
#   vaip::simulator    the C++ API of <vaip/vaip.h>: an ONNX model on a described NPU, without onnxruntime
#   vaip_EP_LIBRARY    the plugin execution provider, for RegisterExecutionProviderLibrary()
#   vaip_INCLUDE_DIR   <vaip/vaip.h> and <vaip/ep_api.h>
get_filename_component(vaip_ROOT "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(vaip_INCLUDE_DIR "${vaip_ROOT}/include")
set(vaip_EP_LIBRARY "${vaip_ROOT}/libvaip_ep.so")

foreach(vaip_file IN ITEMS "${vaip_ROOT}/libvaip.so" "${vaip_EP_LIBRARY}" "${vaip_INCLUDE_DIR}/vaip/vaip.h")
  if(NOT EXISTS "${vaip_file}")
    set(vaip_FOUND FALSE)
    set(vaip_NOT_FOUND_MESSAGE "${vaip_file} is missing: the package was moved or installed in part.")
    return()
  endif()
endforeach()
unset(vaip_file)

if(NOT TARGET vaip::simulator)
  add_library(vaip::simulator SHARED IMPORTED)
  set_target_properties(vaip::simulator PROPERTIES
    IMPORTED_LOCATION "${vaip_ROOT}/libvaip.so"
    IMPORTED_NO_SONAME FALSE
    INTERFACE_INCLUDE_DIRECTORIES "${vaip_INCLUDE_DIR}"
    INTERFACE_COMPILE_FEATURES cxx_std_17
    # libvaip.so finds its own dependency (oneDNN, from its wheel) at run time by a relative RPATH, which linkers that do
    # not expand $ORIGIN could not follow.
    INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined")
endif()
