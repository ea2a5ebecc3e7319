"""VAIP's timing beside SCALE-Sim 3 and ZigZag on the same ResNet-50 layers: time that a prediction takes, and cycles.

python simulators.py [--layers N] [--device strix] [--venv DIR] [--json]

The two are installed from PyPI into a virtual environment of their own on first use; each run is a process of its own.
They know no AI Engine; the nearest that they can be told is one array of as many 8-bit multipliers as VAIP maps a layer
on, all memory tiles of those columns as one SRAM, and the device's DRAM bandwidth:

  SCALE-Sim  output-stationary systolic array, the SRAM divided 2:1:1 over input, weights and output, user bandwidth
  ZigZag     one accumulator per multiplier, the SRAM, DRAM; searches spatial and temporal mappings for least latency
  VAIP       a one-layer QDQ model: import, preparation of the weights for execution, mapping search, timing

All three predict the layer alone; VAIP's cycles are without the dispatch of its software stack, which the others do not
have. Every time is given by the clock and as processor time (for machines that do other work), without Python's start
and imports; the ratio is of processor times, VAIP's the median of five, a new model each time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, helper
from rich.console import Console
from rich.table import Table
from vaip.networks import build, topology
from vaip.networks.graph import GraphBuilder
from vaip.networks.normalization import settle
from vaip.networks.quantization import quantize

HERE = Path(__file__).parent
# SCALE-Sim needs an older numpy than VAIP's users have; ZigZag needs six and does not say so.
REQUIREMENTS = ("scalesim>=3,<4", "zigzag-dse>=3,<4", "numpy<2.3", "six")
SIMULATORS = ("scalesim", "zigzag")
REPETITIONS = 5  # of VAIP's timing; the others take too long


@dataclass(frozen=True)
class Layer:
    """A convolution."""

    name: str
    channels_in: int
    channels_out: int
    kernel: tuple[int, int]
    stride: int
    padding: int
    input_size: tuple[int, int]
    output_size: tuple[int, int]

    @property
    def macs(self) -> int:
        return int(np.prod([*self.output_size, *self.kernel, self.channels_in, self.channels_out]))


@dataclass(frozen=True)
class Machine:
    """What the simulators are told of the device."""

    rows: int  # of multipliers
    columns: int
    sram_bytes: int
    sram_bytes_per_cycle: int
    dram_bytes_per_cycle: float


@dataclass(frozen=True)
class Prediction:
    cycles: float
    seconds: float
    cpu_seconds: float
    stalls: float | None = None  # of the cycles, those that wait for memory, where the simulator says so


def distinct_convolutions() -> list[Layer]:
    """Of ResNet-50, in their order."""
    graph = topology("resnet50").graph
    shapes = {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in (*graph.input, *graph.value_info)
    }
    layers: dict[tuple[object, ...], Layer] = {}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        x, y = shapes[node.input[0]], shapes[node.output[0]]
        layer = Layer(
            node.name,
            x[1],
            y[1],
            tuple(attributes["kernel_shape"]),
            attributes["strides"][0],
            attributes["pads"][0],
            x[2:],
            y[2:],
        )
        layers.setdefault(tuple(asdict(layer).values())[1:], layer)
    return list(layers.values())


def one_layer_model(layer: Layer) -> ModelProto:
    """Quantized, with the activation that follows each convolution of ResNet-50."""
    builder = GraphBuilder(layer.name)
    x = builder.input(1, layer.channels_in, *layer.input_size)
    y = builder.conv(x, layer.channels_out, layer.kernel, layer.stride, padding=layer.padding)
    model = builder.model(builder.relu(y))
    return quantize(model, settle(model), "xint8")


def machine_of(device: str) -> Machine:
    """The part of the device that VAIP maps ResNet-50 on, as one array."""
    from vaip import _core

    described = json.loads(_core.device_json(device))

    def field(*path: str) -> float:
        node = described
        for key in path:
            node = node[key]
        return float(node["value"] if isinstance(node, dict) else node)

    layers = json.loads(_core.Model.from_bytes(build("resnet50").SerializeToString(), {"device": device}).report_json())
    rows, columns = max(layer["array"] for layer in layers["layers"])
    macs = rows * columns * field("matmul", "int8_int8", "macs_per_cycle")
    # As square as powers of two can be; the AI Engine's own shape has no counterpart.
    height = 1 << round(np.log2(macs) / 2 + 0.25)
    return Machine(
        rows=height,
        columns=int(macs) // height,
        sram_bytes=int(columns * field("memory_tile", "bytes")),
        sram_bytes_per_cycle=int(columns * field("memory_tile", "channels_out") * field("stream", "bytes_per_cycle")),
        dram_bytes_per_cycle=field("dram", "read_gbps") / field("clock_ghz"),
    )


def vaip_predictions(model: ModelProto, device: str) -> tuple[Prediction, Prediction]:
    """The first in this process for this model, and the median of several; each a new model. Cycles: of its layers."""
    from vaip import _core

    data = model.SerializeToString()
    runs = []
    for _ in range(REPETITIONS):
        started, cpu_started = time.perf_counter(), time.process_time()
        compiled = _core.Model.from_bytes(data, {"device": device})
        compiled.latency_us()
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        layers = json.loads(compiled.report_json())["layers"]
        products = [layer for layer in layers if layer["macs"] > 0]
        cycles = sum(layer["cycles"] - layer["cost_cycles"]["dispatch"] for layer in products)
        runs.append(Prediction(cycles, seconds, cpu_seconds))
    median = statistics.median
    typical = Prediction(runs[0].cycles, median(r.seconds for r in runs), median(r.cpu_seconds for r in runs))
    return runs[0], typical


def environment(directory: Path) -> Path:
    """The Python of the simulators' virtual environment, made on first use."""
    python = directory / "bin" / "python"
    finished = directory / "requirements.txt"
    wanted = "\n".join(REQUIREMENTS) + "\n"
    if not finished.exists() or finished.read_text() != wanted:
        print(f"installing {', '.join(REQUIREMENTS)} into {directory}", file=sys.stderr)
        venv.create(directory, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *REQUIREMENTS]
        if subprocess.run(command, check=False).returncode != 0:
            sys.exit(f"error: pip could not install the simulators into {directory}; its messages are above")
        finished.write_text(wanted)
    return python


def run_simulator(python: Path, simulator: str, layer: Layer, machine: Machine) -> Prediction:
    with tempfile.TemporaryDirectory() as directory:
        task = Path(directory) / "task.json"
        task.write_text(json.dumps({"layer": asdict(layer), "machine": asdict(machine)}))
        command = [str(python), str(HERE / "simulator_runs.py"), simulator, str(task)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"error: {simulator} failed on {layer.name}:\n{done.stderr}")
    return Prediction(**json.loads(done.stdout))


def compare(python: Path, count: int, device: str) -> dict[str, Any]:
    every = distinct_convolutions()
    if not 1 <= count <= len(every):
        sys.exit(f"error: --layers {count}: ResNet-50 has 1 to {len(every)} distinct convolutions")
    chosen = [every[(2 * i + 1) * len(every) // (2 * count)] for i in range(count)]  # evenly from first to last
    machine = machine_of(device)
    rows = []
    for layer in chosen:
        print(f"{layer.name} ...", file=sys.stderr, flush=True)
        first, typical = vaip_predictions(one_layer_model(layer), device)
        predictions = {"vaip": asdict(typical), "vaip_first": asdict(first)}
        for simulator in SIMULATORS:
            predictions[simulator] = asdict(run_simulator(python, simulator, layer, machine))
        ideal = layer.macs / (machine.rows * machine.columns)
        rows.append({"layer": asdict(layer), "macs": layer.macs, "ideal_cycles": ideal, "predictions": predictions})
    first, typical = vaip_predictions(build("resnet50"), device)
    summary = {}
    for simulator in SIMULATORS:
        ratios = [r["predictions"][simulator]["cpu_seconds"] / r["predictions"]["vaip"]["cpu_seconds"] for r in rows]
        summary[simulator] = {
            "times_slower_per_layer": statistics.geometric_mean(ratios),
            "seconds_per_layer": statistics.mean(r["predictions"][simulator]["seconds"] for r in rows),
            "cpu_seconds_per_layer": statistics.mean(r["predictions"][simulator]["cpu_seconds"] for r in rows),
        }
    return {
        "device": device,
        "machine": asdict(machine),
        "layers": rows,
        "vaip_resnet50": {"first": asdict(first), "median": asdict(typical)},
        "summary": summary,
    }


def show(result: dict[str, Any]) -> None:
    console = Console(width=max(Console().width, 120))  # a file has no width of its own
    machine = result["machine"]
    table = Table(title=f"{result['device']}: {machine['rows']} x {machine['columns']} multipliers")
    table.add_column("layer")
    for heading in ("MMACs", "ideal", "VAIP", "SCALE-Sim", "ZigZag", "VAIP ms", "SCALE-Sim s", "ZigZag s"):
        table.add_column(heading, justify="right")
    worst_stalls = 0.0
    for row in result["layers"]:
        layer, predictions = row["layer"], row["predictions"]
        height, width = layer["kernel"]
        shape = f"{layer['channels_in']}>{layer['channels_out']} {height}x{width}/{layer['stride']}"
        cycles = [f"{predictions[name]['cycles']:,.0f}" for name in ("vaip", *SIMULATORS)]
        times = [f"{1e3 * predictions['vaip']['cpu_seconds']:.2f}"]
        times += [f"{predictions[name]['cpu_seconds']:.2f}" for name in SIMULATORS]
        size = f"{layer['output_size'][0]}x{layer['output_size'][1]}"
        table.add_row(f"{shape} {size}", f"{row['macs'] / 1e6:.0f}", f"{row['ideal_cycles']:,.0f}", *cycles, *times)
        stalls = predictions["scalesim"]["stalls"] / predictions["scalesim"]["cycles"]
        worst_stalls = max(worst_stalls, stalls)
    table.caption = (
        f"Cycles (of SCALE-Sim's, up to {worst_stalls:.0%} are stalls for memory), then processor time of a prediction"
    )
    console.print(table)
    for simulator, figures in result["summary"].items():
        console.print(
            f"{simulator}: {figures['cpu_seconds_per_layer']:.2f} s of processor time per layer "
            f"({figures['seconds_per_layer']:.2f} s by the clock), {figures['times_slower_per_layer']:,.0f} x VAIP's"
        )
    for which, figures in result["vaip_resnet50"].items():
        console.print(
            f"VAIP, the whole ResNet-50, {which}: {1e3 * figures['cpu_seconds']:.0f} ms of processor time "
            f"({1e3 * figures['seconds']:.0f} ms by the clock)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=4, help="how many distinct convolutions of ResNet-50")
    parser.add_argument("--device", default="strix")
    parser.add_argument(
        "--venv", type=Path, default=HERE / ".venv-simulators", help="where the simulators are installed"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = compare(environment(arguments.venv.absolute()), arguments.layers, arguments.device)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
