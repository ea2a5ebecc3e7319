"""From a float ONNX model to a quantized one: recipes, calibration data, and the tools that do it.

    from vaip.quantize import CalibrationData, Recipe, quantize_static
    data = CalibrationData.load("images.npz", "model.onnx")
    quantize_static("model.onnx", "model_xint8.onnx", data, Recipe("XINT8"))

Heavy packages (AMD Quark, PyTorch) are imported when something needs them; the error of a missing one names its extra.
"""

from vaip.quantize.calibration import CalibrationData
from vaip.quantize.errors import QuantizeError
from vaip.quantize.evaluation import Evaluation, Evaluator
from vaip.quantize.gate import GateResult, climb
from vaip.quantize.images import Preprocessing
from vaip.quantize.presets import PRESETS, Preset
from vaip.quantize.recipe import Recipe, Subgraph
from vaip.quantize.sensitivity import Sensitivity, layer_sensitivity
from vaip.quantize.static import QuantizationResult, quantize_static
from vaip.quantize.target import Target

__all__ = [
    "PRESETS",
    "CalibrationData",
    "Evaluation",
    "Evaluator",
    "GateResult",
    "Preprocessing",
    "Preset",
    "QuantizationResult",
    "QuantizeError",
    "Recipe",
    "Sensitivity",
    "Subgraph",
    "Target",
    "climb",
    "layer_sensitivity",
    "quantize_static",
]
