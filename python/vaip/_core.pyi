"""Types of the C++ module (csrc/python)."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

ConvStage: TypeAlias = tuple[tuple[int, int], tuple[int, int], int, int, bool, int | None, int | None, str]

class Error(ValueError):
    """A configuration, option, device, model or input that VAIP cannot work with; the message says which and why."""

__version__: str
SESSION_TAG: str
INTRA_OP_NUM_THREADS: str

def session_ids(library: str) -> list[int]: ...
def find_session(library: str, tag: str) -> int: ...
def session_report(library: str, session: int) -> str: ...
def trace_json(report_json: str) -> str: ...
def resolve_options(options: Mapping[str, str]) -> dict[str, str]: ...
def check_config(path: str, target: str = "") -> None: ...
def default_config() -> str: ...
def config_schema() -> str: ...
def device_names() -> list[str]: ...
def stack_names() -> list[str]: ...
def device_json(name_or_path: str, overrides: Mapping[str, str] = ...) -> str: ...
def override_device(text: str, origin: str, overrides: Mapping[str, str]) -> str: ...
def override_paths(device: str, stack: str) -> list[str]: ...
def check_device(text: str, origin: str) -> None: ...
def estimate_gemm(
    sizes: Sequence[int],
    formats: Sequence[str],
    device: str,
    stack: str,
    batch: int,
    partial_sums: str | None,
    rows: int | None,
    columns: int | None,
    tile: Sequence[int] | None,
    l2_depth: int | None,
    c_buffers: int | None,
    b_layout: str,
    c_layout: str,
    kernel: str,
    host_call: bool,
    stack_overrides: Mapping[str, str] = ...,
    mode: str = ...,
) -> str: ...
def estimate_kernel(
    kind: str,
    sizes: Sequence[int],
    formats: Sequence[str],
    device: str,
    stack: str,
    op: str,
    kernel: str,
    accumulates: bool,
    c_shares_a_bank: bool,
) -> float: ...
def estimate_elements(
    op: str,
    elements: int,
    row: int,
    formats: Sequence[str],
    device: str,
    stack: str,
    rows: int | None,
    columns: int | None,
    tile: int | None,
    host_call: bool,
    mode: str = ...,
) -> str: ...
def estimate_conv(
    stages: Sequence[ConvStage],
    formats: Sequence[str],
    device: str,
    stack: str,
    host_call: bool,
    mode: str = ...,
) -> str: ...
def estimate_attention(
    sizes: Sequence[int],
    heads: Sequence[int],
    format: str,
    device: str,
    stack: str,
    rows: int | None,
    columns: int | None,
    host_call: bool,
    mode: str = ...,
) -> str: ...
def element_op_names() -> list[str]: ...
def description_files() -> dict[str, str]: ...

class Model:
    @staticmethod
    def from_file(path: str, options: Mapping[str, str] = ...) -> Model: ...
    @staticmethod
    def from_bytes(data: bytes, options: Mapping[str, str] = ...) -> Model: ...
    @property
    def inputs(self) -> list[tuple[str, str, list[int]]]: ...
    @property
    def outputs(self) -> list[tuple[str, str, list[int]]]: ...
    def with_options(self, options: Mapping[str, str]) -> Model: ...
    def predict_json(self, input_shapes: Sequence[Sequence[int]] = ...) -> str: ...
    def partition_json(self) -> str: ...
    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]: ...
    def latency_us(self, input_shapes: Sequence[Sequence[int]] = ...) -> float: ...
    def report_json(self, input_shapes: Sequence[Sequence[int]] = ...) -> str: ...
