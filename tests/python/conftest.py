"""Fixtures of the Python tests."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def demo_data() -> Path:
    """The demo's models and images, as the package ships them."""
    import vaip.demo.digits

    return vaip.demo.digits.DATA


@pytest.fixture(scope="session")
def digits_int8(demo_data: Path) -> Path:
    return demo_data / "digits_int8.onnx"


class CommandLine:
    """Runs `vaip` as a user does: another process, output that is not a terminal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *arguments: str | Path, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vaip", *map(str, arguments)]
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == exit_code, f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str | Path) -> dict[str, Any]:
        """The one object that --json prints; anything else on standard output fails."""
        value = json.loads(self(*arguments, "--json").stdout)
        assert isinstance(value, dict)
        return value

    def error(self, *arguments: str | Path, exit_code: int = 1) -> str:
        """The one line on standard error of a command that fails."""
        done = self(*arguments, exit_code=exit_code)
        assert done.stdout == ""
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("error: ")
        return lines[0]


@pytest.fixture
def vaip_command(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a script in a process of its own, for what must survive the interpreter's exit."""

    def run(script: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    return run


@pytest.fixture
def only_own_sessions() -> Iterator[None]:
    """Reports are of the whole process: no test leaves a session to the next."""
    gc.collect()
    yield
    gc.collect()


@pytest.fixture
def no_models_in_the_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of `vaip validate`: what the user keeps there must not matter."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
