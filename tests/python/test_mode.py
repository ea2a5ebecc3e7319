"""The two ways of timing a program: extrapolated from the steady state, and played lock by lock."""

from __future__ import annotations

from collections.abc import Callable
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


ESTIMATES: dict[str, Callable[[str], vaip.Timing]] = {
    "addition": lambda mode: vaip.estimate_elements("add", 1000003, mode=mode),
    "softmax": lambda mode: vaip.estimate_elements("softmax", 12 * 197 * 197, row=197, mode=mode),
    "copy": lambda mode: vaip.estimate_elements("memcpy", 1 << 20, mode=mode),
    "convolution": lambda mode: vaip.estimate_conv(vaip.Convolution(57, 57, 64, 100, 3), mode=mode),
    "depthwise": lambda mode: vaip.estimate_conv(vaip.Convolution(56, 56, 24, 24, 3, depthwise=True), mode=mode),
    "attention": lambda mode: vaip.estimate_attention(197, 197, 64, query_heads=12, kv_heads=12, mode=mode),
    "launched blocks": lambda mode: vaip.estimate_gemm(
        1024, 768, 768, a="bf16", b="bf16", out="bf16", stack="air:drain", mode=mode
    ),
    "cast apart": lambda mode: vaip.estimate_gemm(
        2048, 1024, 2048, a="bf16", b="bf16", out="bf16", stack="air:fused_cast", mode=mode
    ),
}


@pytest.mark.parametrize("kind", ESTIMATES)
def test_both_modes_agree_on_every_kind_of_estimate(kind: str) -> None:
    steady, event = (ESTIMATES[kind](mode) for mode in ("steady", "event"))
    assert (steady.mode, event.mode) == ("steady", "event")
    for extrapolated, played in zip(steady.layers, event.layers, strict=True):
        assert extrapolated.cycles == pytest.approx(played.cycles, rel=0.02)


def test_a_second_program_casts_the_sums() -> None:
    apart, product = (
        vaip.estimate_gemm(2048, 1024, 2048, a="bf16", b="bf16", out=out, stack=stack)
        for out, stack in (("bf16", "air:fused_cast"), ("f32", "air:external"))
    )
    assert [layer.op for layer in apart.layers] == ["MatMul", "Cast"]
    assert apart.layers[0].cycles == product.layers[0].cycles
    assert apart.ddr_write_bytes == product.ddr_write_bytes + 2 * 2048 * 2048


def test_an_unknown_mode_is_an_error(digits_int8: Path) -> None:
    with pytest.raises(vaip.Error, match="mode 'exact': expected 'steady' or 'event'"):
        vaip.estimate_gemm(64, 64, 64, mode="exact")
    with pytest.raises(vaip.Error, match="mode"):
        vaip.simulate(digits_int8, options={"mode": "exact"})


def test_a_model_is_timed_in_either_mode(digits_int8: Path, vaip_command: CommandLine) -> None:
    steady = vaip.simulate(digits_int8, device="phoenix")
    event = vaip.simulate(digits_int8, device="phoenix", options={"mode": "event"})
    assert event.ipu_cycles == pytest.approx(steady.ipu_cycles, rel=0.02)
    assert (steady.mode, event.mode) == ("steady", "event")
    shown = vaip_command.json("run", digits_int8, "--device", "phoenix", "--mode", "event", "--runs", "1")
    assert shown["mode"] == "event"
    assert shown["ipu_cycles"] == event.ipu_cycles
    assert "exact" in vaip_command.error("run", digits_int8, "--mode", "exact")
