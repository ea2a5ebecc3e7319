"""vaip cmake-dir: where find_package(vaip) finds the C++ API."""

from __future__ import annotations

from pathlib import Path

import typer

import vaip
from vaip.cli.common import ConfigOption, DeviceOption, JsonOption, Output


def add_to(app: typer.Typer) -> None:
    app.command("cmake-dir", epilog='Example: cmake -S . -B build -Dvaip_DIR="$(vaip cmake-dir)"')(cmake_dir)


def cmake_dir(device: DeviceOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the directory of VAIP's CMake package (the device and the configuration do not change it)."""
    directory = Path(vaip.__file__).resolve().parent / "cmake"
    if not (directory / "vaipConfig.cmake").is_file():
        raise vaip.Error(f"{directory}: holds no vaipConfig.cmake; install VAIP again (pip install .)")
    output = Output(as_json)
    output.result({"cmake_dir": str(directory), "ep_library": vaip.get_library_path()}, str(directory))
