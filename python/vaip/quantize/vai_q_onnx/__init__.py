"""AMD's former quantizer, vai_q_onnx, for scripts that were written for it: AMD Quark does the work.

    import vaip.quantize.vai_q_onnx as vai_q_onnx
    vai_q_onnx.quantize_static("float.onnx", "quantized.onnx", reader, enable_dpu=True,
        quant_format=vai_q_onnx.QuantFormat.QDQ, calibrate_method=vai_q_onnx.PowerOfTwoMethod.MinMSE,
        activation_type=vai_q_onnx.QuantType.QUInt8, extra_options={"ActivationSymmetric": True})

What cannot be mapped onto Quark is an error that says so.
"""

from typing import Any

from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType

from vaip.quantize.vai_q_onnx.enums import PowerOfTwoMethod, VitisQuantFormat, VitisQuantType
from vaip.quantize.vai_q_onnx.static import quantize_static

__all__ = [
    "CalibrationDataReader",
    "CalibrationMethod",
    "PowerOfTwoMethod",
    "QuantFormat",
    "QuantType",
    "VitisQuantFormat",
    "VitisQuantType",
    "quantize_static",
]

_INSTEAD = {
    "quantize_dynamic": 'vaip.quantize.quantize_static(model, output, recipe="UINT8_DYNAMIC_QUANT")',
    "dump_model": "`vaip sensitivity`, which compares the layers of a quantized model with the float one's",
    "get_library_path": "vaip.get_library_path(); sessions that name VitisAIEP have the operators already",
}


def __getattr__(name: str) -> Any:
    hint = f"; use {_INSTEAD[name]}" if name in _INSTEAD else ""
    raise AttributeError(f"vaip's vai_q_onnx has no '{name}'{hint}")
