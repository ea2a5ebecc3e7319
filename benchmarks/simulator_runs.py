"""Times one convolution in SCALE-Sim or ZigZag. Runs in their venv, as a process of its own, for simulators.py.

python simulator_runs.py scalesim|zigzag TASK.json: TASK holds "layer" and "machine", the fields of simulators.py's
dataclasses. Standard output is {"cycles": ..., "seconds": ..., "cpu_seconds": ...}; both times leave out Python's start
and imports.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

Fields = dict[str, Any]
Result = dict[str, float]


def scalesim(layer: Fields, machine: Fields, directory: Path) -> Result:
    """An output-stationary systolic array, its SRAM divided over the operands, DRAM bandwidth as given.

    SCALE-Sim 3 counts words, which are bytes here, and has no padding: the input is given with its border.
    """
    from scalesim.scale_sim import scalesim as simulator_class

    sram = machine["sram_bytes"] // 1024
    words = max(1, round(machine["dram_bytes_per_cycle"]))
    sections: dict[str, Fields] = {
        "general": {"run_name": "run"},
        "architecture_presets": {
            "ArrayHeight": machine["rows"],
            "ArrayWidth": machine["columns"],
            "IfmapSramSzkB": sram // 2,
            "FilterSramSzkB": sram // 4,
            "OfmapSramSzkB": sram // 4,
            "IfmapOffset": 0,
            "FilterOffset": 10_000_000,
            "OfmapOffset": 20_000_000,
            "Bandwidth": words,
            "Dataflow": "os",
            "ReadRequestBuffer": 64,
            "WriteRequestBuffer": 64,
        },
        "layout": {
            f"{operand}{key}": value
            for operand in ("Ifmap", "Filter")
            for key, value in (
                ("CustomLayout", False),
                ("SRAMBankBandwidth", 10),
                ("SRAMBankNum", 10),
                ("SRAMBankPort", 2),
            )
        },
        "sparsity": {"SparsitySupport": False},
        "run_presets": {"InterfaceBandwidth": "USER", "UseRamulatorTrace": False},
    }
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in values.items())]
    config = directory / "machine.cfg"
    config.write_text("\n".join(lines) + "\n")
    height, width = (size + 2 * layer["padding"] for size in layer["input_size"])
    row = ["layer", height, width, *layer["kernel"], layer["channels_in"], layer["channels_out"], layer["stride"]]
    topology = directory / "topology.csv"
    topology.write_text("name,,,,,,,,\n" + "".join(f"{value}," for value in row) + "\n")
    layout = directory / "layout.csv"  # read even where no custom layout is used
    layout.write_text("name,,,,\nlayer," + "1," * 20 + "\n")
    started, cpu_started = time.perf_counter(), time.process_time()
    # Without the traces of every access, which would only add to the time.
    simulator = simulator_class(
        save_disk_space=True, verbose=False, config=str(config), topology=str(topology), layout=str(layout)
    )
    simulator.run_scale(top_path=str(directory))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    with next(directory.rglob("COMPUTE_REPORT.csv")).open() as report:
        (values,) = csv.DictReader(report, skipinitialspace=True)
    cycles, stalls = float(values["Total Cycles (incl. prefetch)"]), float(values["Stall Cycles"])
    return {"cycles": cycles, "seconds": seconds, "cpu_seconds": cpu_seconds, "stalls": stalls}


def zigzag(layer: Fields, machine: Fields, directory: Path) -> Result:
    """Search over spatial and temporal mappings on an array with an accumulator per MAC, one SRAM, and DRAM."""
    import yaml
    from zigzag.api import get_hardware_performance_zigzag

    paths = {}
    for name, content in (
        ("accelerator", _zigzag_accelerator(machine)),
        ("mapping", [{"name": "default", "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"}}]),
        ("workload", [_zigzag_layer(layer)]),
    ):
        paths[name] = str(directory / f"{name}.yaml")
        Path(paths[name]).write_text(yaml.safe_dump(content, sort_keys=False))
    started, cpu_started = time.perf_counter(), time.process_time()
    result = get_hardware_performance_zigzag(
        paths["workload"],
        paths["accelerator"],
        paths["mapping"],
        opt="latency",
        dump_folder=str(directory / "dump"),
        loma_show_progress_bar=False,
    )
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {"cycles": float(result[1]), "seconds": seconds, "cpu_seconds": cpu_seconds}


def _zigzag_layer(layer: Fields) -> Fields:
    height, width = layer["output_size"]
    kernel_height, kernel_width = layer["kernel"]
    stride, padding = layer["stride"], layer["padding"]
    return {
        "id": 0,
        "name": "layer",
        "operator_type": "Conv",
        "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
        "dimension_relations": [f"ix={stride}*ox+1*fx", f"iy={stride}*oy+1*fy"],
        "loop_dims": ["B", "K", "C", "OY", "OX", "FY", "FX"],
        "loop_sizes": [1, layer["channels_out"], layer["channels_in"], height, width, kernel_height, kernel_width],
        "operand_precision": {"W": 8, "I": 8, "O": 32, "O_final": 8},
        "operand_source": {"W": 0, "I": 0},
        "pr_loop_dims": ["IX", "IY"],
        "pr_loop_sizes": [layer["input_size"][1], layer["input_size"][0]],
        "padding": [[padding, padding], [padding, padding]],
    }


def _zigzag_accelerator(machine: Fields) -> Fields:
    dimensions = ["D1", "D2"]
    dram_bits = max(8, round(machine["dram_bytes_per_cycle"]) * 8)
    sram_bits = machine["sram_bytes_per_cycle"] * 8

    def port(kind: str, name: str, bits: int, allocation: list[str]) -> Fields:
        return {"name": name, "type": kind, "bandwidth_min": 8, "bandwidth_max": bits, "allocation": allocation}

    def memory(bits: int, operands: list[str], ports: list[Fields], served: list[str], cost: float) -> Fields:
        energy = {"r_cost": cost, "w_cost": cost, "area": 0, "latency": 1}
        return {"size": bits, **energy, "operands": operands, "ports": ports, "served_dimensions": served}

    accumulator = [
        port("read", "r_port_1", 32, ["O, tl"]),
        port("read", "r_port_2", 32, ["O, th"]),
        port("write", "w_port_1", 32, ["O, fh"]),
        port("write", "w_port_2", 32, ["O, fl"]),
    ]
    sram = [
        port("read", "r_port_1", sram_bits, ["I1, tl", "I2, tl", "O, tl", "O, th"]),
        port("write", "w_port_1", sram_bits, ["I1, fh", "I2, fh", "O, fh", "O, fl"]),
    ]
    dram = [
        port("read", "r_port_1", dram_bits, ["I1, tl", "I2, tl", "O, tl", "O, th"]),
        port("write", "w_port_1", dram_bits, ["I1, fh", "I2, fh", "O, fh", "O, fl"]),
    ]
    everything = ["I1", "I2", "O"]
    return {
        "name": "array",
        "memories": {
            "accumulator": memory(32, ["O"], accumulator, [], 0.02),
            "sram": memory(machine["sram_bytes"] * 8, everything, sram, dimensions, 400.0),
            "dram": memory(8 << 33, everything, dram, dimensions, 700.0),
        },
        "operational_array": {
            "unit_energy": 0.04,
            "unit_area": 1,
            "dimensions": dimensions,
            "sizes": [machine["rows"], machine["columns"]],
        },
    }


def main() -> None:
    run = {"scalesim": scalesim, "zigzag": zigzag}[sys.argv[1]]
    task = json.loads(Path(sys.argv[2]).read_text())
    with (
        tempfile.TemporaryDirectory() as directory,
        open(os.devnull, "w") as silent,
        contextlib.redirect_stdout(silent),
    ):
        prediction = run(task["layer"], task["machine"], Path(directory))
    print(json.dumps(prediction))


if __name__ == "__main__":
    main()
