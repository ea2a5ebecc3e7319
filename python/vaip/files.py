"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffix; takes its place once the work with it is done."""
    target = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's files are for their owner only
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def unwritable(path: Path) -> str | None:
    """Why no file can be written there; None if one can. For those who would find out after minutes of work."""
    if path.is_dir():
        return "is a directory; the output is a file"
    if not path.parent.is_dir():
        return f"the directory {path.parent} does not exist"
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return None
    except OSError as error:
        return f"cannot be written: {error.strerror or error}"


def write_text(path: str | os.PathLike[str], text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
