add_library(vaip_options INTERFACE)
target_compile_features(vaip_options INTERFACE cxx_std_17)
target_compile_options(vaip_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wvla
  $<$<BOOL:${VAIP_WERROR}>:-Werror>
  # Exactness: results must not depend on whether the compiler contracted a*b+c on this CPU. The two relaxations change no
  # result; they let rounding and conversions vectorise.
  -ffp-contract=off -fno-math-errno -fno-trapping-math)
if(VAIP_SANITIZE)
  # Instrumented code makes gcc see uninitialized values in its own <regex>.
  target_compile_options(vaip_options INTERFACE -fsanitize=${VAIP_SANITIZE} -fno-omit-frame-pointer -g -O1
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(vaip_options INTERFACE -fsanitize=${VAIP_SANITIZE})
  # Function multiversioning resolves through ifuncs, which run before a sanitizer's runtime is ready.
  target_compile_definitions(vaip_options INTERFACE VAIP_NO_MULTIVERSION=1)
endif()
if(VAIP_ORT_INCLUDE_DIR)
  target_include_directories(vaip_options SYSTEM INTERFACE "${VAIP_ORT_INCLUDE_DIR}")
  target_compile_definitions(vaip_options INTERFACE VAIP_USE_UPSTREAM_ORT_HEADERS=1)
endif()
