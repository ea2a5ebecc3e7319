"""Writes what fuzzing starts from: the repository's configurations and devices, and small models of the tests.

PYTHONPATH=tests/python python tests/fuzz/make_seeds.py DIRECTORY
writes DIRECTORY/<target>/ and DIRECTORY/<target>.dict, the words of the target's format.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.errors import NonInteractiveExampleWarning
from layer_kinds import KINDS, draw_layer, draw_style, examples
from models import ModelBuilder

ROOT = Path(__file__).resolve().parents[2]
CONFIG_DATA = ROOT / "tests" / "cpp" / "data" / "config"
LARGEST_MODEL = 16384  # bytes: what is large mutates slowly


def configurations() -> Iterable[bytes]:
    for path in (ROOT / "vaip_config.json", *sorted(CONFIG_DATA.glob("amd_*.json"))):
        yield json.dumps(json.loads(path.read_text())).encode()
    for case in json.loads((CONFIG_DATA / "schema_cases.json").read_text()):
        yield json.dumps(case["document"]).encode()


def options() -> Iterable[bytes]:
    yield b'{"dram": {"read_gbps": 30}, "stack.dispatch.layer_us": 10}'
    yield b'{"matmul.int8_int8": {"macs_per_cycle": 128}, "stack": {"dataflow": {"c_buffers": 2}}}'
    yield b'{"xcompilerAttrs": {"dpu_subgraph_num": {"uintValue": 1}}, "minimum_num_of_conv": 2}'


def without_sources(value: Any) -> Any:
    """Text that explains a number only makes the file longer."""
    if isinstance(value, dict):
        return {key: "" if key == "source" else without_sources(member) for key, member in value.items()}
    return value


def devices() -> Iterable[bytes]:
    for folder in ("devices", "stacks"):
        for path in sorted((ROOT / "csrc" / "device" / folder).glob("*.json")):
            yield json.dumps(without_sources(json.loads(path.read_text()))).encode()


def models() -> Iterable[bytes]:
    for path in sorted((ROOT / "tests" / "cpp" / "data").rglob("*.onnx")):
        yield path.read_bytes()
    found: list[bytes] = []

    @examples(8)
    @given(st.data())
    def build(data: st.DataObject) -> None:
        for kind in KINDS:
            builder = ModelBuilder(draw_style(data.draw, power_of_two=True), seed=1)
            draw_layer(data.draw, builder, kind)
            found.append(builder.build().SerializeToString())

    build()
    yield from (model for model in found if len(model) <= LARGEST_MODEL)


def contexts() -> Iterable[bytes]:
    """Models behind the byte that lets the target put a header before them."""
    yield from (b"\x01" + model for model in models())


def words_of_schemas(*schemas: Path) -> set[str]:
    """Every key and every text in the schemas: property names, enumerations, types."""
    return {word for path in schemas for word in re.findall(r'"([\w./:-]{2,40})"', path.read_text())}


def words_of_models() -> set[str]:
    sources = (ROOT / "csrc" / "frontend").glob("*.cpp")
    return {word for path in sources for word in re.findall(r'"([A-Za-z][\w.]{2,30})"', path.read_text())}


def main(directory: Path) -> None:
    partition, device = ROOT / "csrc" / "partition", ROOT / "csrc" / "device"
    config_words = words_of_schemas(partition / "vaip_config.schema.json")
    device_words = words_of_schemas(device / "device.schema.json", device / "stack.schema.json")
    targets: dict[str, tuple[Iterable[bytes], set[str]]] = {
        "config": (configurations(), config_words),
        "options": (options(), device_words | {"xcompilerAttrs", "dpu_subgraph_num", "minimum_num_of_conv"}),
        "device": (devices(), device_words),
        "model": (models(), words_of_models()),
        "context": (contexts(), words_of_models() | {"VAIPCTX1"}),
    }
    for target, (seeds, words) in targets.items():
        folder = directory / target
        folder.mkdir(parents=True, exist_ok=True)
        for index, seed in enumerate(seeds):
            (folder / f"{index:04}").write_bytes(seed)
        (directory / f"{target}.dict").write_text("".join(f'"{word}"\n' for word in sorted(words)))


if __name__ == "__main__":
    warnings.simplefilter("ignore", NonInteractiveExampleWarning)
    main(Path(sys.argv[1]))
