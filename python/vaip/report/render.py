"""Reports for a terminal."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vaip.report.model import HostProfile, Layer, Report, Timing, Unclaimed

TOP_LAYERS = 10
TOP_REASONS = 20
TEXT_WIDTH = 120


def to_text(renderable: RenderableType) -> str:
    """The same picture without colours, at a fixed width: what print() and log files get."""
    buffer = io.StringIO()
    Console(file=buffer, width=TEXT_WIDTH, color_system=None, force_terminal=False).print(renderable)
    return buffer.getvalue().rstrip()


def report(record: Report) -> RenderableType:
    parts: list[RenderableType] = [_summary(record), *warnings(record)]
    if record.layers:
        parts += [bounds_table(record.layers), layers_table(record.layers)]
    if record.unclaimed:
        parts.append(unclaimed_table(record.unclaimed))
    return Group(*parts)


def warnings(record: Report) -> list[RenderableType]:
    return [Text(f"Warning: {warning}", style="yellow") for warning in record.warnings]


def timing(record: Timing) -> RenderableType:
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column()
    facts.add_row("Device", f"{record.device}, {record.clock_ghz:g} GHz ({record.stack} stack)")
    facts.add_row("Latency", f"{time(record.latency_us)} ({record.cycles:,.0f} cycles)")
    facts.add_row("Work", f"{count(record.macs)} MACs, {record.tops_effective:.2f} TOPS effective")
    facts.add_row("DRAM", _traffic(record.ddr_read_bytes, record.ddr_write_bytes))
    return Group(facts, layers_table(record.layers)) if record.layers else facts


def partition_line(record: Report) -> str:
    nodes = record.nodes
    share = f" ({100 * nodes.ipu / nodes.total:.2f} %)" if nodes.total else ""
    parts = "1 subgraph" if record.subgraphs == 1 else f"{record.subgraphs} subgraphs"
    converted = "; float layers converted to BF16" if record.bf16_conversion and record.clusters else ""
    return f"{nodes.ipu} of {nodes.total} nodes{share} on the NPU in {parts}, {nodes.cpu} on the CPU{converted}"


def _summary(record: Report) -> Table:
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column()
    facts.add_row("Model", escape(record.model or "(from memory)"))
    stack = f" ({record.stack} stack)" if record.stack else ""
    facts.add_row("Device", f"{escape(record.device)}, {record.clock_ghz:g} GHz{stack}")
    if record.numerics != "onnx":
        facts.add_row("Numerics", f"{record.numerics}, rounding {record.rounding}")
    facts.add_row("Partition", partition_line(record))
    facts.add_row("Latency", f"{time(record.latency_ms * 1e3)} predicted ({record.ipu_cycles:,.0f} cycles)")
    facts.add_row("Work", f"{record.gops:.3g} Gop, {record.tops_effective:.3g} TOPS effective")
    facts.add_row("DRAM", _traffic(record.ddr_read_bytes, record.ddr_write_bytes))
    if record.energy_mj is not None:
        facts.add_row("Energy", f"{record.energy_mj:.3g} mJ")
    return facts


def bounds_table(layers: Sequence[Layer]) -> Table:
    """What the time goes into: layers and cycles per bound, as bars."""
    layer_counts: Counter[str] = Counter(layer.bound for layer in layers)
    cycles: dict[str, float] = {}
    for layer in layers:
        cycles[layer.bound] = cycles.get(layer.bound, 0.0) + layer.cycles
    total = sum(cycles.values()) or 1.0
    table = Table(title="What bounds the layers", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("bound")
    table.add_column("layers", justify="right")
    table.add_column("cycles", justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    for bound, spent in sorted(cycles.items(), key=lambda item: -item[1]):
        share = spent / total
        table.add_row(
            bound, str(layer_counts[bound]), f"{spent:,.0f}", f"{100 * share:.1f} %", Text("█" * round(30 * share))
        )
    return table


def host_profile(profile: HostProfile) -> RenderableType:
    total = sum(step.us for step in profile.steps)
    return Group(_host_steps_table(profile, total), _host_code_table(profile, total))


def _host_steps_table(profile: HostProfile, total: float, top: int = TOP_LAYERS) -> Table:
    slowest = sorted(profile.steps, key=lambda step: -step.us)[:top]
    title = f"On this host: slowest {len(slowest)} of {len(profile.steps)} steps, medians of {profile.runs} runs"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", overflow="ellipsis", no_wrap=True, max_width=40)
    table.add_column("op")
    table.add_column("implementation", overflow="fold")
    table.add_column("time", justify="right")
    table.add_column("share", justify="right")
    table.add_column("GMAC/s", justify="right")
    for step in slowest:
        speed = f"{step.gmacs_per_s:,.1f}" if step.macs else ""
        table.add_row(
            escape(step.name), step.op, escape(step.implementation), time(step.us), _share(step.us, total), speed
        )
    return table


def _host_code_table(profile: HostProfile, total: float) -> Table:
    """By operator and whose code it is, without what differs from layer to layer."""
    us: Counter[tuple[str, str]] = Counter()
    macs: Counter[tuple[str, str]] = Counter()
    steps: Counter[tuple[str, str]] = Counter()
    for step in profile.steps:
        code = (step.op, ", ".join(step.implementation.split(", ")[:2]))
        us[code] += step.us  # type: ignore[assignment]
        macs[code] += step.macs
        steps[code] += 1
    table = Table(title="By operator and code", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("op")
    table.add_column("implementation", overflow="fold")
    for name in ("steps", "time", "share", "GMAC/s"):
        table.add_column(name, justify="right")
    for code, spent in us.most_common():
        op, implementation = code
        speed = f"{macs[code] / spent * 1e-3:,.1f}" if macs[code] and spent else ""
        table.add_row(op, escape(implementation), str(steps[code]), time(spent), _share(spent, total), speed)
    table.add_section()
    table.add_row("all", "", str(len(profile.steps)), time(total), "", "")
    return table


def _share(part: float, total: float) -> str:
    return f"{100 * part / total:.1f} %" if total else ""


def layers_table(layers: Sequence[Layer], top: int = TOP_LAYERS) -> Table:
    slowest = sorted(layers, key=lambda layer: -layer.cycles)[:top]
    title = f"Slowest {len(slowest)} of {len(layers)} layers" if len(layers) > top else "Layers by time"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", overflow="ellipsis", no_wrap=True, max_width=44)
    table.add_column("op")
    table.add_column("type")
    table.add_column("cycles", justify="right")
    table.add_column("time", justify="right")
    table.add_column("bound")
    table.add_column("MACs", justify="right")
    table.add_column("util.", justify="right")
    table.add_column("array")
    table.add_column("tile m·k·n")
    for layer in slowest:
        tile = "·".join(str(layer.tile.get(axis, 0)) for axis in "mkn") if any(layer.tile.values()) else ""
        array = "x".join(map(str, layer.array)) if any(layer.array) else ""
        macs = count(layer.macs) if layer.macs else ""
        utilisation = f"{100 * layer.utilisation:.1f} %" if layer.macs else ""
        table.add_row(
            escape(layer.name),
            layer.op,
            layer.dtype,
            f"{layer.cycles:,.0f}",
            time(layer.us),
            layer.bound,
            macs,
            utilisation,
            array,
            tile,
        )
    return table


def unclaimed_table(unclaimed: Iterable[Unclaimed], top: int = TOP_REASONS) -> Table:
    """Nodes that stay on another provider, those of one operator and reason in one row."""
    groups: dict[tuple[str, str], list[str]] = {}
    for node in unclaimed:
        groups.setdefault((node.op, node.reason), []).append(node.name)
    more = f" (the first {top} of {len(groups)} reasons)" if len(groups) > top else ""
    table = Table(title=f"Not on the NPU{more}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("op")
    table.add_column("nodes", justify="right")
    table.add_column("first", overflow="ellipsis", no_wrap=True, max_width=32)
    table.add_column("reason")
    for (op, reason), names in list(groups.items())[:top]:
        table.add_row(op, str(len(names)), escape(names[0]), escape(reason))
    return table


def time(us: float) -> str:
    return f"{us / 1e3:.2f} ms" if us >= 1e3 else f"{us:.1f} µs"


def count(number: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:.0f}"


def _bytes(number: float) -> str:
    for limit, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:.0f} B"


def _traffic(read: int, written: int) -> str:
    return f"{_bytes(read)} read, {_bytes(written)} written"
