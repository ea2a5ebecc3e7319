"""Quantizers talk a lot: what they print is kept for the error message, and their progress bars become ours."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from vaip.quantize.errors import missing

Progress = Callable[[str, int, int], None]
_BAR = re.compile(r"(\d+)/(\d+) \[")  # tqdm's
_STARTS = re.compile(r"Start (?:applying|running) (\w+)")
_STEPS = {"calibration": "calibrating", "CLE": "equalizing", "SmoothQuant": "smoothing", "FastFinetune": "finetuning"}


class Console(io.TextIOBase):
    """What standard output and error are while a quantizer works."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.step = "calibrating"
        self.complaints: list[str] = []

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for done, total in _BAR.findall(text):
            self._progress(self.step, int(done), int(total))
        return len(text)

    def heard(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno >= logging.ERROR:
            self.complaints.append(message)
        if started := _STARTS.search(message):
            self.step = _STEPS.get(started[1], started[1])


class _Listener(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.heard(record)


@contextlib.contextmanager
def quiet(progress: Progress) -> Iterator[Console]:
    """Keeps what is printed, and the process as it is: random states and filters of warnings are as before."""
    console = Console(progress)
    loggers = [logging.getLogger(), *_quarks_loggers()]
    handlers = {logger: list(logger.handlers) for logger in loggers}
    restore = _random_states()
    for logger in loggers:
        logger.handlers = [_Listener(console)]
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(console), contextlib.redirect_stderr(console):
            yield console
    finally:
        for logger, kept in handlers.items():
            logger.handlers = kept
        restore()


def import_quark() -> None:
    """Imports Quark without what it says about itself. A missing one is an error that names the extra."""
    if "quark.onnx" in sys.modules:
        return
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            import quark.onnx  # noqa: F401
    except ImportError as error:
        raise missing("quark", error) from error
    for handler in (handler for logger in _quarks_loggers() for handler in logger.handlers):
        if isinstance(handler, logging.StreamHandler) and handler.stream is said:
            handler.setStream(sys.stderr)


def _quarks_loggers() -> list[logging.Logger]:
    return [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("quark")]


def _random_states() -> Callable[[], None]:
    """What puts the random generators back where they are now; PyTorch's where it is loaded."""
    python, arrays = random.getstate(), np.random.get_state()
    torch: Any = sys.modules.get("torch")
    tensors = None if torch is None else torch.random.get_rng_state()

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(arrays)
        if torch is not None:
            torch.random.set_rng_state(tensors)

    return restore
