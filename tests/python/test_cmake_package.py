"""find_package(vaip) against the installed package: configure, build and run an application of the C++ API."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import vaip

SOURCE = Path(__file__).parent.parent / "cpp" / "consumer"
MODELS = Path(__file__).parent.parent / "cpp" / "data" / "api"
SCRIPTS = Path(sysconfig.get_path("scripts"))


def run(*command: str | Path, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == exit_code, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def cmake_dir() -> str:
    return run(sys.executable, "-c", "from vaip.cli import main; main()", "cmake-dir").stdout.strip()


@pytest.fixture(scope="module")
def build(cmake_dir: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The build directory of the consumer and what configuring it printed."""
    directory = tmp_path_factory.mktemp("consumer")
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={SCRIPTS / 'ninja'}"]
    log = run(SCRIPTS / "cmake", "-S", SOURCE, "-B", directory, *generator, f"-Dvaip_DIR={cmake_dir}").stdout
    run(SCRIPTS / "cmake", "--build", directory)
    return directory, log


def test_the_ep_library_is_the_one_that_python_registers(build: tuple[Path, str]) -> None:
    path = re.search(r"EP library: (.*)", build[1])
    assert path is not None
    assert Path(path[1]).samefile(vaip.get_library_path())


def test_the_application_runs_a_model(build: tuple[Path, str]) -> None:
    output = run(build[0] / "consumer", MODELS / "claimed.onnx").stdout
    found = re.fullmatch(r"vaip (\S+): ([\d.]+) us, (\d+) cycles\n", output)
    assert found is not None, output
    assert found[1] == vaip.__version__
    assert float(found[2]) > 0
    assert int(found[3]) > 0


def test_its_errors_reach_the_user(build: tuple[Path, str]) -> None:
    error = run(build[0] / "consumer", MODELS / "mixed.onnx", exit_code=1).stderr
    assert "not claimed by the IPU" in error
    assert "Tan `tan`: " in error
    missing = run(build[0] / "consumer", "missing.onnx", exit_code=1).stderr
    assert "cannot read 'missing.onnx': no such file" in missing


def test_a_package_that_is_not_whole_is_not_found(cmake_dir: str, tmp_path: Path) -> None:
    broken = tmp_path / "vaip" / "cmake"
    broken.mkdir(parents=True)
    (broken / "vaipConfig.cmake").write_text((Path(cmake_dir) / "vaipConfig.cmake").read_text())
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={SCRIPTS / 'ninja'}"]
    command = [SCRIPTS / "cmake", "-S", SOURCE, "-B", tmp_path / "build", *generator, f"-Dvaip_DIR={broken}"]
    words = run(*command, exit_code=1).stderr.split()  # CMake wraps its messages
    assert "libvaip.so is missing" in " ".join(words)
