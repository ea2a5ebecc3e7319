"""The enumerations that vai_q_onnx added to onnxruntime.quantization's."""

from __future__ import annotations

from enum import Enum


class PowerOfTwoMethod(Enum):
    NonOverflow = 0
    MinMSE = 1


class VitisQuantFormat(Enum):
    QDQ = 2
    FixNeuron = 3


class VitisQuantType(Enum):
    QInt8 = 1
    QUInt8 = 2
    QInt16 = 3
    QUInt16 = 4
    QInt32 = 5
    QUInt32 = 6
    QFloat16 = 7
    QBFloat16 = 8
