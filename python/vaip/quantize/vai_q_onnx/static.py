"""vai_q_onnx.quantize_static, signature and all, on AMD Quark."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType

from vaip import onnx_files
from vaip.quantize import static
from vaip.quantize.calibration import CalibrationData
from vaip.quantize.console import import_quark
from vaip.quantize.errors import QuantizeError
from vaip.quantize.preflight import read_model
from vaip.quantize.recipe import Recipe
from vaip.quantize.signature import model_inputs
from vaip.quantize.vai_q_onnx.enums import PowerOfTwoMethod, VitisQuantFormat, VitisQuantType
from vaip.quantize.vai_q_onnx.options import mapped

Path = str | os.PathLike[str]
_EMPTY: Mapping[str, Any] = {}


def quantize_static(
    model_input: Path,
    model_output: Path,
    calibration_data_reader: CalibrationDataReader | None = None,
    quant_format: Enum = QuantFormat.QDQ,
    calibrate_method: Enum = PowerOfTwoMethod.MinMSE,
    input_nodes: Sequence[str] | None = (),
    output_nodes: Sequence[str] | None = (),
    op_types_to_quantize: Sequence[str] | None = (),
    random_data_reader_input_shape: Any = (),
    per_channel: bool = False,
    reduce_range: bool = False,
    activation_type: Enum = QuantType.QInt8,
    weight_type: Enum = QuantType.QInt8,
    nodes_to_quantize: Sequence[str] | None = None,
    nodes_to_exclude: Sequence[str] | None = None,
    optimize_model: bool = True,
    use_external_data_format: bool = False,
    execution_providers: Sequence[str] | None = ("CPUExecutionProvider",),
    enable_dpu: bool = False,
    convert_fp16_to_fp32: bool = False,
    convert_nchw_to_nhwc: bool = False,
    include_cle: bool = False,
    extra_options: Mapping[str, Any] | None = None,
    *,
    enable_ipu_cnn: bool = False,
    enable_ipu_transformer: bool = False,
    include_sq: bool = False,
    include_fast_ft: bool = False,
    debug_mode: bool = False,
    print_summary: bool = False,
) -> None:
    """As vai_q_onnx's. `enable_dpu` and `enable_ipu_cnn` are names of one flag in different releases of it.

    Without a reader the data is random, as it was there. Raises vaip.quantize.QuantizeError for what cannot be mapped.
    """
    npu_cnn = enable_dpu or enable_ipu_cnn
    if npu_cnn and (per_channel or reduce_range):
        raise QuantizeError("enable_dpu excludes per_channel and reduce_range: the NPU has one scale per tensor")
    options = mapped(extra_options or _EMPTY)
    if calibration_data_reader is None:
        options |= {
            "UseRandomData": True,
            "RandomDataReaderInputShape": _shapes(random_data_reader_input_shape, model_input),
        }
    import_quark()
    from quark.onnx.quantization.config import QuantizationConfig

    config = QuantizationConfig(
        calibrate_method=_method(calibrate_method),
        quant_format=_format(quant_format),
        activation_type=_type("activation_type", activation_type, quant_format),
        weight_type=_type("weight_type", weight_type, quant_format),
        input_nodes=list(input_nodes or ()),
        output_nodes=list(output_nodes or ()),
        op_types_to_quantize=list(op_types_to_quantize or ()),
        nodes_to_quantize=list(nodes_to_quantize or ()),
        nodes_to_exclude=list(nodes_to_exclude or ()),
        execution_providers=list(execution_providers or ("CPUExecutionProvider",)),
        per_channel=per_channel,
        reduce_range=reduce_range,
        optimize_model=optimize_model,
        use_external_data_format=use_external_data_format,
        convert_fp16_to_fp32=convert_fp16_to_fp32,
        convert_nchw_to_nhwc=convert_nchw_to_nhwc,
        include_sq=include_sq,
        include_cle=include_cle,
        include_fast_ft=include_fast_ft,
        enable_npu_cnn=npu_cnn,
        enable_npu_transformer=enable_ipu_transformer,
        debug_mode=debug_mode,
        print_summary=print_summary,
        extra_options=options,
    )
    data = None
    if calibration_data_reader is not None:
        data = CalibrationData(iter(calibration_data_reader.get_next, None), "calibration_data_reader")
    with tempfile.TemporaryDirectory(prefix="vaip-") as directory:
        if os.path.exists(model_output) and os.path.samefile(model_input, model_output):  # scripts do that
            copy = pathlib.Path(directory) / "float.onnx"
            onnx_files.save(read_model(model_input), copy)
            model_input = copy
        static.quantize_static(model_input, model_output, data, Recipe(quark_config=config))


def _method(method: Enum) -> Any:
    from onnxruntime.quantization import CalibrationMethod
    from quark.onnx import PowerOfTwoMethod as QuarksPowerOfTwoMethod

    if isinstance(method, PowerOfTwoMethod):
        return QuarksPowerOfTwoMethod[method.name]
    if isinstance(method, CalibrationMethod):
        return method
    raise QuantizeError(f"calibrate_method: {method!r} is no PowerOfTwoMethod or CalibrationMethod")


def _format(form: Enum) -> Any:
    from quark.onnx import ExtendedQuantFormat

    if isinstance(form, QuantFormat):
        return form
    if form is VitisQuantFormat.QDQ:
        return ExtendedQuantFormat.QDQ
    if form is VitisQuantFormat.FixNeuron:
        raise QuantizeError(
            "quant_format: VitisQuantFormat.FixNeuron cannot be mapped: Quark writes no FixNeuron nodes, and AMD never "
            "had them deployed; use QuantFormat.QDQ or VitisQuantFormat.QDQ"
        )
    raise QuantizeError(f"quant_format: {form!r} is no QuantFormat or VitisQuantFormat")


def _type(argument: str, kind: Enum, form: Enum) -> Any:
    from quark.onnx import ExtendedQuantType

    if isinstance(kind, VitisQuantType):
        if not isinstance(form, VitisQuantFormat):
            raise QuantizeError(f"{argument}: VitisQuantType needs quant_format=VitisQuantFormat.QDQ")
        return ExtendedQuantType[kind.name]
    if kind in (QuantType.QInt8, QuantType.QUInt8):
        return kind
    raise QuantizeError(f"{argument}: {kind!r} is neither QuantType.QInt8 or QUInt8, nor a VitisQuantType")


def _shapes(shapes: Any, model: Path) -> dict[str, list[int]]:
    """Shapes by the inputs' names: vai_q_onnx takes one shape, a list in the inputs' order, or a dict."""
    if not shapes:
        return {}
    if isinstance(shapes, Mapping):
        return {name: list(shape) for name, shape in shapes.items()}
    names = [value.name for value in model_inputs(read_model(model))]
    listed = [shapes] if isinstance(shapes[0], int) else list(shapes)
    if len(listed) != len(names):
        raise QuantizeError(
            f"random_data_reader_input_shape has {len(listed)} shapes, the model takes {', '.join(names)}"
        )
    return {name: list(shape) for name, shape in zip(names, listed, strict=True)}
