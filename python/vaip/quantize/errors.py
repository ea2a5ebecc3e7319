"""What every part of the quantization flow raises."""

from __future__ import annotations

from vaip.extras import not_installed


class QuantizeError(ValueError):
    """A model, calibration data or a recipe that cannot be quantized; the message names it and says what to do."""


def missing(extra: str, error: ImportError) -> QuantizeError:
    """A package that is not installed, by the extra of VAIP that brings it."""
    return QuantizeError(not_installed(extra, error))
