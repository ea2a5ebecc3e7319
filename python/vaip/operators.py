"""The operators of AMD's quantizers (com.amd.quark, com.vai.quantize) in onnxruntime's sessions.

onnxruntime loads a model only when it knows all of its operators. The EP library brings those of Quark, and a session
that is made for VitisAIEP's device gets them from there. One that names the provider, `providers=["VitisAIEP"]`, does
not: onnxruntime asks nobody. The constructor that session_constructor.py wraps therefore registers the EP library's
operators in the session's options where the model has nodes of these domains. Options that have them already, for
example from Quark's own library, are left as they are.
"""

from __future__ import annotations

import mmap
import os
from typing import Any

from vaip.registration import get_library_path

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
