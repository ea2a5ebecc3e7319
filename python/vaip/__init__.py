"""VAIP: quantized ONNX models on a simulated AMD Ryzen AI NPU.

    import vaip, onnxruntime
    session = onnxruntime.InferenceSession("model.onnx", providers=["VitisAIEP", "CPUExecutionProvider"])

Importing registers the execution provider VitisAIEP with onnxruntime, and lets sessions that name it load models with
Quark's operators and use as many threads as their options say. Results are exact; the time that the model would take on
the device is in vaip.reports().
"""

from vaip._core import Error, __version__
from vaip.description import Device, device, devices
from vaip.registration import get_ep_name, get_ep_names, get_library_path, register, unregister
from vaip.report import Layer, Report, Timing
from vaip.session_constructor import wrap_inference_session
from vaip.simulation import (
    Convolution,
    estimate_attention,
    estimate_conv,
    estimate_elements,
    estimate_gemm,
    estimate_kernel,
    reports,
    simulate,
)

__all__ = [
    "Convolution",
    "Device",
    "Error",
    "Layer",
    "Report",
    "Timing",
    "__version__",
    "device",
    "devices",
    "estimate_attention",
    "estimate_conv",
    "estimate_elements",
    "estimate_gemm",
    "estimate_kernel",
    "get_ep_name",
    "get_ep_names",
    "get_library_path",
    "register",
    "reports",
    "simulate",
    "unregister",
]

register()
wrap_inference_session()
