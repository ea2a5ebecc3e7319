"""Optional packages: what to say where one is missing."""

from __future__ import annotations


def not_installed(extra: str, error: ImportError) -> str:
    """By the extra of VAIP that brings the package."""
    return f"{error.name or error} is not installed: pip install 'vaip[{extra}]'"
