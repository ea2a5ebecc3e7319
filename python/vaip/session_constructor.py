"""What `import vaip` adds to the constructor of onnxruntime's InferenceSession.

A session that names the provider, `providers=["VitisAIEP"]`, needs three things that onnxruntime does not give it:

- Quark's operators, where the model has such nodes: see operators.py. A session that is made for VitisAIEP's device
  gets them from there.
- The session's intra-op setting as the default of the provider's num_threads: onnxruntime does not tell providers.
- onnxruntime's threads asleep while VitisAIEP's compute. They would spin for milliseconds after each node that runs on
  them, on the cores that VitisAIEP's threads then wait for. Options that the application passes keep their setting: it
  may use them for a session on another provider, too.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import Any

from vaip import _core
from vaip.operators import add_quark_operators, uses_quark_operators
from vaip.registration import EP_NAME, import_onnxruntime

ALLOW_SPINNING = "session.intra_op.allow_spinning"


def wrap_inference_session() -> None:
    """Doing it again changes nothing."""
    onnxruntime = import_onnxruntime()
    constructor = onnxruntime.InferenceSession.__init__
    if getattr(constructor, "knows_vitisai", False):
        return

    @functools.wraps(constructor)
    def construct(
        self: Any, path_or_bytes: Any, sess_options: Any = None, providers: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        if _names_vitisai(providers):
            if sess_options is None:
                sess_options = onnxruntime.SessionOptions()
                sess_options.add_session_config_entry(ALLOW_SPINNING, "0")
            if isinstance(path_or_bytes, (str, os.PathLike, bytes)) and uses_quark_operators(path_or_bytes):
                add_quark_operators(sess_options)
            _tell_threads(sess_options)
        elif not providers and sess_options is not None and sess_options.has_providers():
            _tell_threads(sess_options)  # by device, of whichever provider: no other one reads the entry
        constructor(self, path_or_bytes, sess_options, providers, *args, **kwargs)

    setattr(construct, "knows_vitisai", True)  # noqa: B010
    onnxruntime.InferenceSession.__init__ = construct


def _names_vitisai(providers: Any) -> bool:
    if not isinstance(providers, Iterable):
        return False
    return any(p == EP_NAME or (isinstance(p, tuple) and p[:1] == (EP_NAME,)) for p in providers)


def _tell_threads(options: Any) -> None:
    """Writes the intra-op setting among the entries, which are all that a provider sees of the options."""
    threads = str(options.intra_op_num_threads if options.use_per_session_threads else 0)
    try:
        told = options.get_session_config_entry(_core.INTRA_OP_NUM_THREADS)
    except RuntimeError:  # there is none
        told = "0"
    if told != threads:
        options.add_session_config_entry(_core.INTRA_OP_NUM_THREADS, threads)
