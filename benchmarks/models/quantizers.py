"""The quantizers that users of Ryzen AI meet: AMD Quark's presets and onnxruntime's own, each as it is recommended."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx
from numpy.typing import NDArray
from onnx import ModelProto, version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

Inputs = dict[str, NDArray[Any]]


class Quantizer(NamedTuple):
    title: str
    run: Callable[[Path, Path, Sequence[Inputs]], None]  # float model, quantized model, calibration inputs
    transformers_only: bool = False


class _Feeds(CalibrationDataReader):
    def __init__(self, feeds: Sequence[Inputs]) -> None:
        self._all = feeds
        self.rewind()

    def rewind(self) -> None:
        self._rest = iter(self._all)

    def get_next(self) -> Inputs | None:
        return next(self._rest, None)


def _quark(preset: str) -> Callable[[Path, Path, Sequence[Inputs]], None]:
    def run(source: Path, target: Path, feeds: Sequence[Inputs]) -> None:
        with _needs_quark():
            from quark.onnx import ModelQuantizer
            from quark.onnx.quantization.config import Config, get_default_config
        config = Config(global_quant_config=get_default_config(preset))
        paths = str(source.resolve()), str(target.resolve())
        with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):  # Quark leaves a table of its own
            ModelQuantizer(config).quantize_model(*paths, _Feeds(feeds))

    return run


def _static(weight: QuantType, activation: QuantType, form: QuantFormat, *, per_channel: bool) -> Any:
    def run(source: Path, target: Path, feeds: Sequence[Inputs]) -> None:
        with _preprocessed(source) as prepared:
            quantize_static(
                prepared,
                target,
                _Feeds(feeds),
                quant_format=form,
                per_channel=per_channel,
                weight_type=weight,
                activation_type=activation,
            )

    return run


def _dynamic(source: Path, target: Path, feeds: Sequence[Inputs]) -> None:
    with _preprocessed(source) as prepared:
        # onnxruntime's ConvInteger takes unsigned weights only.
        convolutions = any(node.op_type == "Conv" for node in onnx.load(prepared).graph.node)
        quantize_dynamic(prepared, target, weight_type=QuantType.QUInt8 if convolutions else QuantType.QInt8)


def _four_bits(form: QuantFormat) -> Callable[[Path, Path, Sequence[Inputs]], None]:
    """Weights of matrix products alone, in blocks of 32 along the reduction."""

    def run(source: Path, target: Path, feeds: Sequence[Inputs]) -> None:
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer  # needs onnx-ir

        # Not preprocessed: onnxruntime would make Gemm of MatMul and Add, which this quantizer passes by.
        model = onnx.load(source)
        if form == QuantFormat.QDQ:  # blocks came with opset 21
            model = version_converter.convert_version(model, 21)
        quantizer = MatMulNBitsQuantizer(model, block_size=32, is_symmetric=True, quant_format=form)
        quantizer.process()
        quantizer.model.save_model_to_file(str(target))

    return run


@contextlib.contextmanager
def _preprocessed(source: Path) -> Any:
    """What onnxruntime's documentation has users do first: its basic optimizations, then shape inference."""
    with tempfile.TemporaryDirectory() as directory:
        prepared = Path(directory) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        yield prepared


@contextlib.contextmanager
def _needs_quark() -> Any:
    try:
        yield
    except ImportError as error:
        raise ImportError(f"AMD Quark cannot be imported ({error}): pip install 'vaip[quark]'") from error


def custom_operators_library() -> str:
    """Quark's own operators (com.amd.quark) for sessions that run models which have them."""
    with _needs_quark():
        from quark.onnx.operators.custom_ops import get_library_path
    path: str = get_library_path("CPU")
    return path


QDQ, QOPERATOR = QuantFormat.QDQ, QuantFormat.QOperator
S8, U8, S16 = QuantType.QInt8, QuantType.QUInt8, QuantType.QInt16
QUANTIZERS: dict[str, Quantizer] = {
    "quark_xint8": Quantizer("Quark XINT8", _quark("XINT8")),
    "quark_a8w8": Quantizer("Quark A8W8", _quark("A8W8")),
    "quark_a16w8": Quantizer("Quark A16W8", _quark("A16W8")),
    "quark_bf16": Quantizer("Quark BF16", _quark("BF16"), True),
    "quark_int8_transformer": Quantizer("Quark INT8 transformer", _quark("INT8_TRANSFORMER_DEFAULT"), True),
    "ort_qdq_u8s8": Quantizer("ORT QDQ U8S8 per channel", _static(S8, U8, QDQ, per_channel=True)),
    "ort_qdq_s8s8": Quantizer("ORT QDQ S8S8", _static(S8, S8, QDQ, per_channel=False)),
    "ort_qoperator": Quantizer("ORT QOperator U8S8", _static(S8, U8, QOPERATOR, per_channel=False)),
    "ort_dynamic": Quantizer("ORT dynamic", _dynamic),
    "ort_matmul_4bits": Quantizer("ORT MatMulNBits", _four_bits(QOPERATOR), True),
    "ort_qdq_4bits": Quantizer("ORT 4-bit weights QDQ", _four_bits(QDQ), True),
}


def name_nodes(model: ModelProto) -> ModelProto:
    """Every node gets a name of its own, so that reports can be read."""
    taken = {node.name for node in model.graph.node if node.name}
    seen: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if node.name and node.name not in seen:
            seen.add(node.name)
            continue
        name = f"{node.op_type}_{index}"
        while name in taken:
            name += "_"
        node.name = name
        taken.add(name)
        seen.add(name)
    return model
