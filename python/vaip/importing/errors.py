"""What the import of a model raises."""

from __future__ import annotations

from vaip.extras import not_installed


class ModelImportError(ValueError):
    """A source that cannot be imported, or an ONNX model that does not compute what its source does."""


def missing(extra: str, error: ImportError) -> ModelImportError:
    """A framework that is not installed, by the extra of VAIP that brings it."""
    return ModelImportError(not_installed(extra, error))
