"""What the import of a model raises."""

from __future__ import annotations


class ModelImportError(ValueError):
    """A source that cannot be imported, or an ONNX model that does not compute what its source does."""


def missing(extra: str, error: ImportError) -> ModelImportError:
    """A framework that is not installed, by the extra of VAIP that brings it."""
    return ModelImportError(f"{error.name or error} is not installed: pip install 'vaip[{extra}]'")
