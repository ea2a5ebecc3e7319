"""vaip devices: the NPUs that VAIP describes."""

from __future__ import annotations

from typing import Any

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

import vaip
from vaip import _core
from vaip.cli.common import (
    ConfigOption,
    DeviceOption,
    JsonOption,
    Output,
    SetFileOption,
    SetOption,
    overrides_from,
    what_if,
)
from vaip.description import Device
from vaip.overrides import read_texts


def add_to(app: typer.Typer) -> None:
    app.command("devices", epilog="Example: vaip devices --device strix --set clock_ghz=1.0 --json > my_device.json")(
        devices
    )


def devices(
    device: DeviceOption = None,
    config: ConfigOption = None,
    assignments: SetOption = [],  # noqa: B006 (typer copies it)
    set_file: SetFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the devices, or show one: every number with its unit and source.

    `--device NAME --json` prints a device file, to be edited and given to any command as --device.
    """
    output = Output(as_json)
    overrides = overrides_from(assignments, set_file)
    if config is not None and device is None:
        chosen_by_config = _core.resolve_options({"config_file": str(config)})
        device = chosen_by_config["device"]
        overrides = read_texts(chosen_by_config["device_overrides"]) | overrides
    if device is not None:
        chosen = vaip.device(device).with_overrides(overrides)
        output.result(chosen.to_dict(), Group(*what_if(overrides), _one(chosen)))
        return
    listed = [vaip.device(name).with_overrides(overrides) for name in vaip.devices()]
    output.result({"devices": [_summary(each) for each in listed]}, Group(*what_if(overrides), _all(listed)))


def _summary(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "aliases": device.aliases,
        "description": device.description,
        "generation": device.generation,
        "clock_ghz": device.clock_ghz,
        "array": [device.array.rows, device.array.columns],
        "peak_int8_tops": _peak_tops(device),
        "dram_read_gbps": device.dram.read_gbps,
        "dram_write_gbps": device.dram.write_gbps,
    }


def _peak_tops(device: Device) -> float | None:
    rate = device.matmul.get("int8_int8")
    cores = device.array.rows * device.array.columns
    return 2 * rate.macs_per_cycle * cores * device.clock_ghz / 1e3 if rate else None


def _all(listed: list[Device]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("device", "also", "generation"):
        table.add_column(column)
    for column in ("array", "clock", "peak int8", "DRAM read/write"):
        table.add_column(column, justify="right")
    table.add_column("description")
    for device in listed:
        peak = _peak_tops(device)
        table.add_row(
            escape(device.name),
            escape(", ".join(device.aliases)),
            device.generation,
            f"{device.array.rows}x{device.array.columns}",
            f"{device.clock_ghz:g} GHz",
            f"{peak:.1f} TOPS" if peak is not None else "",
            f"{device.dram.read_gbps:g}/{device.dram.write_gbps:g} GB/s",
            escape(device.description),
        )
    return table


def _one(device: Device) -> RenderableType:
    table = Table(title=f"{device.name}: {device.description}", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("field", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("source")

    def visit(path: str, member: Any) -> None:
        if isinstance(member, dict) and "value" in member:
            table.add_row(path, f"{member['value']:g}", member.get("unit", ""), escape(member["source"]))
        elif isinstance(member, dict):
            for key, child in member.items():
                visit(f"{path}.{key}" if path else key, child)

    visit("", device.to_dict())
    return Group(table, Text(f"Also known as: {', '.join(device.aliases)}") if device.aliases else Text())
