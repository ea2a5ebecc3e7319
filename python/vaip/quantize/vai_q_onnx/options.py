"""vai_q_onnx's extra_options by the names that Quark has for them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from vaip.quantize.errors import QuantizeError

SAME = {
    "ActivationSymmetric", "WeightSymmetric", "UseUnsignedReLU", "QuantizeBias", "RemoveInputInit",
    "EnableSubgraph", "ForceQuantizeNoInputCheck", "MatMulConstBOnly", "AddQDQPairToWeight",
    "OpTypesToExcludeOutputQuantization", "DedicatedQDQPair", "QDQOpTypePerChannelSupportToAxis",
    "UseQDQVitisCustomOps", "CalibTensorRangeSymmetric", "CalibMovingAverage", "CalibMovingAverageConstant",
    "RandomDataReaderInputDataRange", "Int16Scale", "ConvertBNToConv", "ConvertReduceMeanToGlobalAvgPool",
    "SplitLargeKernelPool", "ConvertSplitToSlice", "FuseInstanceNorm", "FuseL2Norm", "ConvertClipToRelu",
    "SimulateDPU", "ConvertLeakyReluToDPUVersion", "ConvertSigmoidToHardSigmoid", "ConvertHardSigmoidToDPUVersion",
    "ConvertAvgPoolToDPUVersion", "ConvertReduceMeanToDPUVersion", "ConvertSoftmaxToDPUVersion", "AdjustShiftCut",
    "AdjustShiftBias", "AdjustShiftRead", "AdjustShiftWrite", "AdjustHardSigmoid", "AdjustShiftSwish",
    "AlignConcat", "AlignPool", "ReplaceClip6Relu", "CLESteps", "CLETotalLayerDiffThreshold", "CLEScaleAppendBias",
    "RemoveQDQConvLeakyRelu", "RemoveQDQConvPRelu", "FastFinetune", "Percentile", "NumBins", "NumQuantizedBins",
}  # fmt: skip
RENAMED = {
    "IPULimitationCheck": "NPULimitationCheck",
    "NPULimitationCheck": "NPULimitationCheck",
    "MinMSEMode": "MinMSEModePof2Scale",
}


def mapped(options: Mapping[str, Any]) -> dict[str, Any]:
    known = [*SAME, *RENAMED]
    result: dict[str, Any] = {}
    for name, value in options.items():
        if name in RENAMED:
            result[RENAMED[name]] = value
        elif name in SAME:
            result[name] = value
        else:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise QuantizeError(f"extra_options: '{name}' is no option of vai_q_onnx that can be mapped{hint}")
    return result
