"""The operators of AMD's quantizers (com.amd.quark, com.vai.quantize) in onnxruntime's sessions.

onnxruntime loads a model only when it knows all of its operators. The EP library brings those of Quark, and a session
that is made for VitisAIEP's device gets them from there. One that names the provider, `providers=["VitisAIEP"]`, does
not: onnxruntime asks nobody. `import vaip` therefore wraps InferenceSession's constructor, which registers the EP
library's operators in the session's options where the model has nodes of these domains. Options that have them already,
for example from Quark's own library, are left as they are.
"""

from __future__ import annotations

import functools
import mmap
import os
from collections.abc import Iterable
from typing import Any

from vaip.registration import EP_NAME, get_library_path, import_onnxruntime

DOMAINS = (b"com.amd.quark", b"com.vai.quantize")


def uses_quark_operators(model: str | os.PathLike[str] | bytes) -> bool:
    """Whether a model, a file or its bytes, mentions one of the domains."""
    if isinstance(model, bytes):
        return any(domain in model for domain in DOMAINS)
    try:
        with open(model, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(domain) >= 0 for domain in DOMAINS)
    except (OSError, ValueError):  # no such file, or an empty one: onnxruntime says so
        return False


def add_quark_operators(options: Any) -> None:
    """Registers the operators in SessionOptions that lack them."""
    options.register_custom_ops_library(get_library_path())


def _names_vitisai(providers: Any) -> bool:
    if not isinstance(providers, Iterable):
        return False
    return any(p == EP_NAME or (isinstance(p, tuple) and p[:1] == (EP_NAME,)) for p in providers)


def wrap_inference_session() -> None:
    """Lets sessions that name VitisAIEP load models with these operators; doing it again changes nothing."""
    onnxruntime = import_onnxruntime()
    constructor = onnxruntime.InferenceSession.__init__
    if getattr(constructor, "brings_quark_operators", False):
        return

    @functools.wraps(constructor)
    def construct(
        self: Any, path_or_bytes: Any, sess_options: Any = None, providers: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        readable = isinstance(path_or_bytes, (str, os.PathLike, bytes))
        if readable and _names_vitisai(providers) and uses_quark_operators(path_or_bytes):
            sess_options = onnxruntime.SessionOptions() if sess_options is None else sess_options
            add_quark_operators(sess_options)
        constructor(self, path_or_bytes, sess_options, providers, *args, **kwargs)

    setattr(construct, "brings_quark_operators", True)  # noqa: B010
    onnxruntime.InferenceSession.__init__ = construct
