"""Quark talks a lot: what it prints is kept for the error message, and its progress bars become ours."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterator

import numpy as np

Progress = Callable[[str, int, int], None]
_BAR = re.compile(r"(\d+)/(\d+) \[")  # tqdm's
_STARTS = re.compile(r"Start applying (\w+)")
_STEPS = {"CLE": "equalizing", "SmoothQuant": "smoothing", "FastFinetune": "finetuning"}


class Console(io.TextIOBase):
    """What standard output and error are while Quark works."""

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
    """Keeps Quark's output, and its hands off the process: its seeds and its filters of warnings are undone."""
    console = Console(progress)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(console),
        contextlib.redirect_stderr(console),
    ):
        import quark.onnx  # noqa: F401 (its loggers are there from now on, and what it says about itself is not shown)
        import torch

        states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
        loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("quark")]
        handlers = {logger: list(logger.handlers) for logger in loggers}
        for logger in loggers:
            logger.handlers = [_Listener(console)]
        try:
            yield console
        finally:
            for logger, kept in handlers.items():
                logger.handlers = kept
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.random.set_rng_state(states[2])
    for handler in (handler for kept in handlers.values() for handler in kept):
        if isinstance(handler, logging.StreamHandler) and handler.stream is console:
            handler.setStream(sys.stderr)
