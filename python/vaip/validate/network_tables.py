"""Tables of convolutions and of whole networks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vaip.validate.cells import Line
from vaip.validate.fields import Formats, device_of, numbers_of, pair_of
from vaip.validate.network_rules import Figure, keep_best, limits_of_older_array, skip_cpu_parts
from vaip.validate.networks import canonical
from vaip.validate.queries import Conv, ConvStage, Network
from vaip.validate.rows import Entry, collect, row, skipped

BF16 = Formats("bf16", "bf16", "bf16")
INT8 = Formats("int8", "int8", "int8")
_CONV = re.compile(
    r"conv2d (?P<dtype>bf16|int8) (?P<window>\d+)x(?P=window) (?P<channels>\d+->\d+) (?P<size>\d+x\d+)(?P<remark>.*)"
)
_COLUMNS = re.compile(r"(\d+) col(?:umn)?s?")


def conv(lines: Sequence[Line]) -> list[Entry]:
    def read(line: Line) -> Iterator[Entry]:
        kernel, config = line.text("kernel"), line.optional("config")
        device = device_of(line, "platform")
        measured = line.measured("us")
        label = " ".join(filter(None, (line.text("platform"), kernel, config)))
        if "bottleneck" in kernel and config:
            yield row(line, label, measured, "us", _bottleneck(line, device, config, host_call="wall" in kernel))
            return
        found = _CONV.fullmatch(kernel)
        columns = _COLUMNS.search(config)
        if not found or not columns:
            yield skipped(line, label, "the shape of the layer or the part of the array is not given")
            return
        height, width = pair_of(line, "kernel", found["size"])
        channels_in, channels_out = map(int, found["channels"].split("->"))
        stage = ConvStage((height, width), (channels_in, channels_out), int(found["window"]), columns=int(columns[1]))
        query = Conv(
            device=device,
            stack="iron",
            stages=(stage,),
            formats=BF16 if found["dtype"] == "bf16" else INT8,
            kernel="scalar" if "unoptimised" in found["remark"] else "",  # must be one of the stack's
        )
        yield row(line, label, measured, "us", query)

    return collect(lines, read)


def _bottleneck(line: Line, device: str, config: str, *, host_call: bool) -> Conv:
    """mlir-aie ml/bottleneck: 1x1 256->64 on one core, 3x3 64->64 on two, 1x1 64->256 with the skip on the fourth.

    config is height x width, or width x height: the work is the same; then the channels, which are the design's 256.
    """
    *_, channels = sizes = numbers_of(line, "config", 3 if config.count("x") == 2 else 2)
    if len(sizes) == 3 and channels != 256:
        line.fail("config", f"{channels} channels; the design has 256")
    size = (sizes[0], sizes[1])
    return Conv(
        device=device,
        stack="iron",
        stages=(
            ConvStage(size, (256, 64), rows=1, columns=1, kernel="conv2dk1"),
            ConvStage(size, (64, 64), window=3, rows=2, columns=1, kernel="conv2dk3"),
            ConvStage(size, (64, 256), rows=1, columns=1, kernel="conv2dk1_skip"),
        ),
        formats=INT8,
        host_call=host_call,
    )


def cnn_end_to_end(lines: Sequence[Line]) -> list[Entry]:
    def read(line: Line) -> Iterator[Entry]:
        device = device_of(line, "platform")
        model, stack, metric = line.text("model"), line.text("stack"), line.text("metric")
        label = f"{line.text('platform')} {model}, {stack}"
        if metric not in ("latency", "node"):
            yield skipped(line, label, f"a {metric} of several requests at once, not the latency of one")
            return
        if "int8" not in line.text("precision").lower():
            yield skipped(line, label, f"{line.text('precision')} is not a precision that the models are made in")
            return
        array = re.search(r"\b(\d)x(\d)\b", stack)
        query = Network(
            device=device,
            stack="vitisai",
            model=model,
            precision="xint8",
            columns=int(array[1]) if array else None,
            host=metric == "latency",
        )
        yield row(line, label, line.measured("value_ms"), "ms", query)

    return keep_best(collect(lines, read), "a slower release or setting")


def ryzenai_sw(lines: Sequence[Line]) -> list[Entry]:
    """A name without a precision is the float model, which that benchmark runs on the CPU."""
    on_cpu: dict[tuple[str, str], Figure] = {}

    def read(line: Line) -> Iterator[Entry]:
        name = line.text("model_name")
        label = f"{name} (Ryzen AI {line.text('rai_release')})"
        device = device_of(line, "device")
        measured = line.measured("latency_ms")
        found = re.fullmatch(r"(?P<model>\w+?)_XINT8", name, re.IGNORECASE)
        if found:
            query = Network(device=device, stack="vitisai", model=found["model"].lower(), precision="xint8")
            yield row(line, label, measured, "ms", query)
            return
        key = (device, canonical(name))
        if key not in on_cpu or measured < on_cpu[key].ms:
            on_cpu[key] = Figure(f"the float {label} on the CPU", measured)
        yield skipped(line, label, "the name does not tell precision and target: it may be FP32 on the CPU")

    return skip_cpu_parts(collect(lines, read), on_cpu)


def ryzenai_sw_on_the_npu(entries: Sequence[Entry], others: Sequence[Entry]) -> list[Entry]:
    """Releases differ, and in some part of a network falls to the CPU: the best that is the NPU's, of each model.

    `others` are the rows of cnn_end_to_end.
    """
    return keep_best(skip_cpu_parts(entries, limits_of_older_array(others)), "a slower release of the model")
