"""The two ways of timing a program: extrapolated from the steady state, and played lock by lock."""

from __future__ import annotations

from pathlib import Path

import pytest
import vaip
from conftest import CommandLine


@pytest.mark.parametrize("stack", ["vitisai", "taka", "iron"])
def test_both_modes_agree_on_a_product(stack: str) -> None:
    steady = vaip.estimate_gemm(2048, 1999, 2048, stack=stack)
    event = vaip.estimate_gemm(2048, 1999, 2048, stack=stack, mode="event")
    assert event.layers[0].cycles == pytest.approx(steady.layers[0].cycles, rel=0.02)
    assert event.ddr_read_bytes == steady.ddr_read_bytes


def test_an_unknown_mode_is_an_error(digits_int8: Path) -> None:
    with pytest.raises(vaip.Error, match="mode 'exact': expected 'steady' or 'event'"):
        vaip.estimate_gemm(64, 64, 64, mode="exact")
    with pytest.raises(vaip.Error, match="mode"):
        vaip.simulate(digits_int8, options={"mode": "exact"})


def test_a_model_is_timed_in_either_mode(digits_int8: Path, vaip_command: CommandLine) -> None:
    steady = vaip.simulate(digits_int8, device="phoenix")
    event = vaip.simulate(digits_int8, device="phoenix", options={"mode": "event"})
    assert event.ipu_cycles == pytest.approx(steady.ipu_cycles, rel=0.02)
    shown = vaip_command.json("run", digits_int8, "--device", "phoenix", "--mode", "event", "--runs", "1")
    assert shown["ipu_cycles"] == event.ipu_cycles
    assert "exact" in vaip_command.error("run", digits_int8, "--mode", "exact")
