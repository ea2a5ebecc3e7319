"""Tables of convolutions and of whole networks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vaip.validate.cells import Line, collect
from vaip.validate.fields import Formats, device_of, pair_of
from vaip.validate.queries import Conv, Network
from vaip.validate.rows import Entry, Row, Skipped, row, skipped

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
        measured = line.number("us")
        label = " ".join(filter(None, (line.text("platform"), kernel, config)))
        if "wall" in kernel or (not config and not _CONV.match(kernel)):
            yield skipped(
                line,
                label,
                "the figure is a wall clock's around a host program whose own part is not published"
                if "wall" in kernel
                else "neither shape nor array is given",
            )
            return
        if "bottleneck" in kernel:
            yield row(line, label, measured, "us", _bottleneck(line, device, config))
            return
        found = _CONV.match(kernel)
        columns = _COLUMNS.search(config)
        if not found or not columns:
            yield skipped(line, label, "the shape of the layer is not given")
            return
        height, width = pair_of(line, "kernel", found["size"])
        channels_in, channels_out = map(int, found["channels"].split("->"))
        stage = ((height, width), (channels_in, channels_out), int(found["window"]), 1, False, None, int(columns[1]))
        query = Conv(
            device=device,
            stack="iron",
            stages=(stage,),
            formats=BF16 if found["dtype"] == "bf16" else INT8,
            kernel="scalar" if "unoptimised" in found["remark"] else "",
        )
        yield row(line, label, measured, "us", query)

    return collect(lines, read)


def _bottleneck(line: Line, device: str, config: str) -> Conv:
    """mlir-aie ml/bottleneck: 1x1 256->64 on one core, 3x3 64->64 on two, 1x1 64->256 with the skip on the fourth."""
    width, height = pair_of(line, "config", config)
    size = (height, width)
    return Conv(
        device=device,
        stack="iron",
        stages=(
            (size, (256, 64), 1, 1, False, 1, 1),
            (size, (64, 64), 3, 1, False, 2, 1),
            (size, (64, 256), 1, 1, False, 1, 1),
        ),
        formats=INT8,
        host_call=False,
    )


def cnn_end_to_end(lines: Sequence[Line]) -> list[Entry]:
    def read(line: Line) -> Iterator[Entry]:
        device = device_of(line, "platform")
        model, stack, metric = line.text("model"), line.text("stack"), line.text("metric")
        label = f"{line.text('platform')} {model}, {stack}"
        measured = line.measured("value_ms")
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
        yield row(line, label, measured, "ms", query)

    return collect(lines, read)


def ryzenai_sw(lines: Sequence[Line]) -> list[Entry]:
    """Compilers of some releases are slower than earlier ones: the best release of each model is what is predicted."""

    def read(line: Line) -> Iterator[tuple[Line, str, Entry]]:
        name, release = line.text("model_name"), line.text("rai_release")
        label = f"{name} (Ryzen AI {release})"
        device = device_of(line, "device")
        measured = line.number("latency_ms")
        found = re.fullmatch(r"(?P<model>\w+?)_XINT8", name, re.IGNORECASE)
        if not found:
            reason = (
                "the name does not tell precision and target: some such rows are XINT8 on the NPU, some FP32 on the CPU"
            )
            yield line, name, skipped(line, label, reason)
            return
        query = Network(device=device, stack="vitisai", model=found["model"], precision="xint8")
        yield line, f"{device} {name.lower()}", row(line, label, measured, "ms", query)

    entries = collect(lines, read)
    best: dict[str, Row] = {}
    for _, model, entry in entries:
        if isinstance(entry, Row) and (model not in best or entry.measured < best[model].measured):
            best[model] = entry
    result: list[Entry] = []
    for line, model, entry in entries:
        if isinstance(entry, Row) and entry is not best[model]:
            fastest = best[model]
            reason = f"a slower release: {fastest.label} takes {fastest.measured:g} ms, this one {entry.measured:g} ms"
            result.append(Skipped(entry.label, line.position, reason))
        else:
            result.append(entry)
    return result
