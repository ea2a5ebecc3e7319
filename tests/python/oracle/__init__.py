"""An independent numpy oracle for quantized ONNX models."""

from .evaluate import evaluate

__all__ = ["evaluate"]
