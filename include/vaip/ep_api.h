/* The C entry of the EP library (libvaip_ep.so) beside onnxruntime's: reports of the sessions that are alive in this
   process. Get it with dlsym(library, "VaipGetApi") from the library that onnxruntime loaded. */
#ifndef VAIP_EP_API_H
#define VAIP_EP_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VAIP_EP_API_VERSION 1
#define VAIP_SESSION_TAG "vaip.session_tag"
/* The session configuration entry with the session's intra-op setting, which onnxruntime does not tell its providers.
   It is the default of the option num_threads; the Python package sets it. */
#define VAIP_INTRA_OP_NUM_THREADS "vaip.intra_op_num_threads"

typedef struct VaipEpApi {
  uint32_t version;            /* VAIP_EP_API_VERSION of the library */
  const char* library_version; /* "0.1.0" */

  /* Writes the ids of up to `capacity` live sessions, oldest first; returns how many are alive. */
  size_t (*GetSessionIds)(uint64_t* ids, size_t capacity);

  /* The id of the live session that was created with the session configuration entry VAIP_SESSION_TAG set to `tag`, or
     0. An application that creates sessions on several threads tells them apart with it. */
  uint64_t (*FindSession)(const char* tag);

  /* Writes the session's report (JSON, UTF-8, NUL-terminated) if `capacity` bytes hold it; returns the bytes needed
     including the NUL, or 0 when no such session is alive. Thread-safe. */
  size_t (*GetReport)(uint64_t session_id, char* buffer, size_t capacity);
} VaipEpApi;

/* NULL when the library does not know that version. */
typedef const VaipEpApi* (*VaipGetApiFn)(uint32_t version);

#ifdef __cplusplus
}
#endif
#endif
