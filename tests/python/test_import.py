"""vaip import of PyTorch and ONNX: the model computes what its source does, or there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from vaip.importing import ModelImportError, import_model
from vaip.importing.check import compare
from vaip.importing.shapes import DTYPES, InputShape

NETS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)
    def forward(self, image):
        x = torch.relu(self.norm(self.conv(image)))
        return self.head(torch.max_pool2d(x, 2).mean((2, 3)))

class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 6)
        self.mix = nn.Linear(6, 6)
    def forward(self, ids, scale):
        x = self.table(ids) * scale
        return {"mean": self.mix(x).mean(1), "last": x[:, -1]}

def make_net():
    torch.manual_seed(0)
    net = Net()
    net.norm.running_var.uniform_(0.5, 2)
    return net

NET = make_net()

def make_number():
    return 3

class Unexportable(nn.Module):
    def forward(self, image):
        return image if image.sum() > 0 else -image
"""


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    pytest.importorskip("onnxscript", reason="needs the extra: pip install 'vaip[torch]'")
    (tmp_path / "code").mkdir()
    path = tmp_path / "code" / "my_nets.py"
    path.write_text(NETS, encoding="utf-8")
    return path


def cpu_run(path: Path, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feeds)


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("source", ["make_net", "Net", "NET"])
def test_module_of_pytorch(nets: Path, tmp_path: Path, source: str, exporter: str) -> None:
    import torch
    from vaip.python_objects import load_object

    output = tmp_path / "net.onnx"
    result = import_model(f"{nets}:{source}", output, shapes=["image=batch,3,8,6"], exporter=exporter)

    assert result.opset == 17
    assert result.inputs == {"image": ["batch", 3, 8, 6]}
    assert result.outputs == {"output": ["batch", 4]}
    assert result.largest_difference is not None
    assert result.largest_difference < 1e-5
    model = onnx.load(output)
    onnx.checker.check_model(model, full_check=True)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}  # folded
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    if source == "make_net":
        net = load_object(f"{nets}:make_net")().eval()
        images = np.random.default_rng(0).normal(size=(5, 3, 8, 6)).astype(np.float32)
        with torch.no_grad():
            expected = net(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(cpu_run(output, {"image": images})[0], expected, atol=1e-5)


def test_checkpoints_fill_the_module(nets: Path, tmp_path: Path) -> None:
    import torch
    from vaip.python_objects import load_object

    net = load_object(f"{nets}:make_net")().eval()
    weights = net.state_dict()
    forms = {
        "plain.pt": weights,
        "training.pth": {"state_dict": weights, "epoch": 3},
        "parallel.ckpt": {"model_state_dict": {f"module.{name}": value for name, value in weights.items()}},
    }
    images = np.random.default_rng(0).normal(size=(1, 3, 8, 6)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(images)).numpy()
    for name, content in forms.items():
        torch.save(content, tmp_path / name)
        import_model(tmp_path / name, tmp_path / "n.onnx", factory=f"{nets}:Net", shapes=["image=1,3,8,6"])
        np.testing.assert_allclose(cpu_run(tmp_path / "n.onnx", {"image": images})[0], expected, atol=1e-5)
    (tmp_path / "n.onnx").unlink()
    torch.save({"other.weight": torch.zeros(3)}, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "text.pt").write_text("text", encoding="utf-8")
    for name, factory, message in (
        ("other.pt", f"{nets}:Net", "does not fit the module"),
        ("list.pt", f"{nets}:Net", "holds list"),
        ("text.pt", f"{nets}:Net", "cannot be read as a checkpoint"),
        ("plain.pt", None, "--factory"),
    ):
        with pytest.raises(ModelImportError, match=message):
            import_model(tmp_path / name, tmp_path / "n.onnx", factory=factory, shapes=["image=1,3,8,6"])
    assert not (tmp_path / "n.onnx").exists()


def test_several_inputs_and_outputs(nets: Path, tmp_path: Path) -> None:
    output = tmp_path / "tokens.onnx"
    shapes = ["ids=batch,5:int64", "scale=batch,5,1"]
    result = import_model(f"{nets}:Tokens", output, shapes=shapes, outputs=["mean", "last"], opset=18)
    assert result.opset == 18
    assert result.inputs == {"ids": ["batch", 5], "scale": ["batch", 5, 1]}
    assert list(result.outputs) == ["mean", "last"]
    again = import_model(f"{nets}:Tokens", output, shapes=["ids=1,5:int64", "scale=1,5,1"])
    assert again.outputs == {"output_0": [1, 6], "output_1": [1, 6]}


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("make_number", {"shapes": ["x=1"]}, "gives int"),
        ("make_net", {}, "--shape"),
        ("absent", {"shapes": ["x=1"]}, "has no 'absent'"),
        ("Unexportable", {"shapes": ["image=1,3"]}, "--exporter torchscript may"),
        ("make_net", {"shapes": ["image=1,3,8,6"], "outputs": ["a", "b"]}, "2 names for 1 outputs"),
        ("make_net", {"shapes": ["image=1,3,8,6"], "outputs": ["image"]}, "cannot be named 'image'"),
        ("make_net", {"shapes": ["image=1,3,8,6"], "dims": {"batch": 1}}, "no dynamic dimension 'batch'"),
        ("make_net", {"shapes": ["image=1,3,8,6"], "exporter": "onnx"}, "dynamo, torchscript"),
        ("make_net", {"shapes": ["a=1", "a=2"]}, "two shapes"),
    ],
)
def test_pytorch_sources_that_cannot_be_used(
    nets: Path, tmp_path: Path, source: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(Exception, match=message):
        import_model(f"{nets}:{source}", tmp_path / "net.onnx", **options)
    assert os.listdir(tmp_path) == ["code"]


def untidy() -> onnx.ModelProto:
    """Opset 12, a constant to fold, a no-op, no names, no inner shapes."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "w"),
        numpy_helper.from_array(np.float32(2), "two"),
    ]
    nodes = [
        helper.make_node("Mul", ["w", "two"], ["w2"]),
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Conv", ["same", "w2"], ["c"]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "untidy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)


@pytest.mark.parametrize("simplifier", ["onnxslim", "onnxruntime", None])
def test_onnx_is_tidied(tmp_path: Path, simplifier: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if simplifier == "onnxslim":
        pytest.importorskip("onnxslim")
    elif simplifier == "onnxruntime":
        monkeypatch.setitem(sys.modules, "onnxslim", None)
    source, output = tmp_path / "untidy.onnx", tmp_path / "tidy.onnx"
    onnx.save(untidy(), source)

    result = import_model(source, output, simplify=simplifier is not None)

    assert result.simplified_by == simplifier
    assert result.opset == 17
    assert result.outputs == {"y": ["n", 4, 4, 4]}
    model = onnx.load(output)
    operators = [node.op_type for node in model.graph.node]
    assert operators == (["Conv", "Relu"] if simplifier else ["Mul", "Identity", "Conv", "Relu"])
    assert all(node.name for node in model.graph.node)
    x = np.random.default_rng(1).normal(size=(3, 3, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(cpu_run(output, {"x": x})[0], cpu_run(source, {"x": x})[0], rtol=1e-5, atol=1e-5)


def test_dimensions_outputs_and_opsets(tmp_path: Path) -> None:
    source, output = tmp_path / "a.onnx", tmp_path / "b.onnx"
    onnx.save(untidy(), source)
    result = import_model(source, output, dims={"n": 2}, outputs=["logits"], opset=19)
    assert (result.inputs, result.outputs, result.opset) == ({"x": [2, 3, 6, 6]}, {"logits": [2, 4, 4, 4]}, 19)
    onnx.save(untidy(), source)
    before = output.read_bytes()
    for options, message in (
        ({"dims": {"m": 2}}, "no dynamic dimension 'm'; it has: n"),
        ({"shapes": ["x=1,3,6,6"]}, "--dim"),
        ({"opset": 99}, "--opset 12 keeps its own"),
    ):
        with pytest.raises(ModelImportError, match=message):
            import_model(source, output, **options)
    assert output.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.onnx", "b.onnx"]


def test_sources_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.onnx").write_text("text", encoding="utf-8")
    (tmp_path / "text.txt").write_text("text", encoding="utf-8")
    onnx.save(untidy(), tmp_path / "untidy.onnx")
    for source, output, message in (
        ("absent.onnx", "o.onnx", "no such file"),
        ("folder", "o.onnx", "no SavedModel"),
        ("text.onnx", "o.onnx", "cannot be read as an ONNX model"),
        ("text.txt", "o.onnx", "unknown kind of model"),
        ("untidy.onnx", "absent/o.onnx", "does not exist"),
        ("untidy.onnx", "folder", "is a directory"),
    ):
        with pytest.raises(ModelImportError, match=message):
            import_model(tmp_path / source, tmp_path / output)
    assert not (tmp_path / "o.onnx").exists()


@pytest.mark.parametrize(("suffix", "extra"), [(".keras", "tensorflow"), (".pb", "tensorflow"), (".pt", "torch")])
def test_missing_frameworks_are_named(suffix: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    source = tmp_path / f"model{suffix}"
    source.write_bytes(b"")
    with pytest.raises(ModelImportError, match=rf"pip install 'vaip\[{extra}\]'"):
        import_model(source, tmp_path / "o.onnx", factory="a:b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y + 0.01 * np.abs(y).max(), "differs from the source's by"),
        (lambda y: y[:, :2], "has shape 1x4x4x4 in ONNX and 1x2x4x4 in the source"),
        (lambda y: np.where(y > 1, np.nan, y), "not finite"),
    ],
)
def test_another_result_than_the_sources_is_found(change: object, message: str) -> None:
    model = untidy()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    right = compare(model, lambda arrays: session.run(None, arrays), seed=0)
    assert right.runs == 2
    with pytest.raises(ModelImportError, match=message):
        compare(model, lambda arrays: [change(session.run(None, arrays)[0])], seed=0)  # type: ignore[operator]
    with pytest.raises(ModelImportError, match="1 outputs, its source 2"):
        compare(model, lambda arrays: session.run(None, arrays) * 2, seed=0)


@given(
    name=st.from_regex(r"[a-z_][a-z0-9_.:/]{0,8}", fullmatch=True),
    dims=st.lists(st.one_of(st.integers(1, 999), st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)), max_size=5),
    dtype=st.sampled_from(("", *DTYPES)),
)
def test_shapes_are_read_as_written(name: str, dims: list[int | str], dtype: str) -> None:
    text = f"{name}={','.join(map(str, dims))}" + (f":{dtype}" if dtype else "")
    assert InputShape.parse(text) == InputShape(name, tuple(dims), dtype or "float32")


@pytest.mark.parametrize("text", ["image", "=1,2", "x=1,-2", "x=1x2", "x=0,3", "x=1:float", "x=1,2.5"])
def test_shapes_that_are_none(text: str) -> None:
    with pytest.raises(ModelImportError):
        InputShape.parse(text)
