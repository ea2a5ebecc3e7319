"""The command line `vaip`. Exit codes: 0 done, 1 the work failed, 2 usage."""

from vaip.cli.app import main

__all__ = ["main"]
