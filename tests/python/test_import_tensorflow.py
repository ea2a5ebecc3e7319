"""vaip import of Keras files, SavedModels and frozen graphs: all give the network that was trained."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from vaip.importing import ImportResult, ModelImportError, import_model

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="needs the extra: pip install 'vaip[tensorflow]'")
pytest.importorskip("tf2onnx", reason="needs the extra: pip install 'vaip[tensorflow]'")

IMAGES = np.random.default_rng(0).normal(size=(3, 8, 6, 3)).astype(np.float32)


class Sources:
    """One network in every form, and what it computes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        layers = tf.keras.layers
        tf.keras.utils.set_random_seed(0)
        image = tf.keras.Input((8, 6, 3), name="image")
        x = layers.Conv2D(8, 3, padding="same", strides=2, use_bias=False)(image)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        x = layers.DepthwiseConv2D(3, padding="same")(x)
        x = layers.GlobalAveragePooling2D()(layers.LeakyReLU()(x))
        self.net = tf.keras.Model(image, layers.Dense(4, activation="softmax")(x))
        self.net.save(directory / "net.keras")
        self.net.save(directory / "net.h5")
        self.net.export(directory / "saved", verbose=False)
        self.expected = self.net(IMAGES).numpy()
        self._freeze()

    def _freeze(self) -> None:
        """As TensorFlow 1 has it: a graph in a session, its variables frozen."""
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            image = v1.placeholder(tf.float32, (None, 8, 6, 3), "image")
            kernel = v1.get_variable("kernel", initializer=np.float32(IMAGES[0, :3, :3, :, None].repeat(5, -1)))
            x = tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "VALID"))
            tf.identity(tf.reduce_mean(x, (1, 2)), "logits")
            tf.identity(tf.nn.max_pool2d(x, 2, 2, "VALID"), "features")
            session.run(v1.global_variables_initializer())
            self.frozen_logits, self.frozen_features = session.run(["logits:0", "features:0"], {"image:0": IMAGES})
            frozen = v1.graph_util.convert_variables_to_constants(session, session.graph_def, ["logits", "features"])
        (self.directory / "frozen.pb").write_bytes(frozen.SerializeToString())


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return Sources(tmp_path_factory.mktemp("sources"))


def imported(sources: Sources, name: str, output: Path, **options: Any) -> ImportResult:
    result = import_model(sources.directory / name, output, **options)
    assert result.largest_difference is not None
    assert result.largest_difference < 1e-4
    onnx.checker.check_model(onnx.load(output), full_check=True)
    return result


def run(path: Path, images: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "saved"])
def test_keras_and_saved_models(sources: Sources, tmp_path: Path, name: str) -> None:
    output = tmp_path / "net.onnx"
    result = imported(sources, name, output, outputs=["scores"])
    assert result.inputs == {"image": ["batch", 8, 6, 3]}
    assert result.outputs == {"scores": ["batch", 4]}
    assert result.opset == 17
    np.testing.assert_allclose(run(output, IMAGES)[0], sources.expected, atol=1e-5)


def test_fixed_shapes_and_channels_first(sources: Sources, tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"
    result = imported(sources, "net.keras", output, shapes=["image=3,8,6,3"], nchw=True, opset=15)
    assert (result.inputs, result.outputs) == ({"image": [3, 3, 8, 6]}, {"output": [3, 4]})
    first = np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(run(output, first)[0], sources.expected, atol=1e-5)
    operators = [node.op_type for node in onnx.load(output).graph.node]
    assert "Transpose" not in operators[:1]  # the images are as the convolutions want them


@pytest.mark.parametrize("name", ["two.keras", "two"])
def test_inputs_and_outputs_keep_their_names(tmp_path: Path, name: str) -> None:
    """Of the same shape, in an order that is not the alphabet's: exchanged, nothing but the numbers would tell."""
    layers = tf.keras.layers
    b, a = tf.keras.Input((4,), name="b"), tf.keras.Input((4,), name="a")
    net = tf.keras.Model([b, a], [layers.Subtract(name="first")([b, a]), layers.Add(name="second")([b, b])])
    net.save(tmp_path / "two.keras")
    net.export(tmp_path / "two", verbose=False)
    output = tmp_path / "two.onnx"
    import_model(tmp_path / name, output)
    values = {"a": np.full((1, 4), 3, np.float32), "b": np.full((1, 4), 10, np.float32)}
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    first, second = session.run(None, values)
    assert (first[0, 0], second[0, 0]) == (7, 20)


def test_frozen_graph(sources: Sources, tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"
    result = imported(sources, "frozen.pb", output, outputs=["logits", "features:0"])
    assert result.inputs == {"image": ["batch", 8, 6, 3]}
    assert list(result.outputs) == ["logits", "features"]
    logits, features = run(output, IMAGES)
    np.testing.assert_allclose(logits, sources.frozen_logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(features, sources.frozen_features, rtol=1e-5, atol=1e-5)
    fixed = imported(sources, "frozen.pb", output, inputs=["image:0"], outputs=["logits"], shapes=["image=1,8,6,3"])
    assert fixed.inputs == {"image": [1, 8, 6, 3]}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("frozen.pb", {}, "--outputs.*logits, features"),
        ("frozen.pb", {"outputs": ["probabilities"]}, "no output 'probabilities'; likely are: logits, features"),
        ("frozen.pb", {"outputs": ["logits"], "inputs": ["x"]}, "no input 'x'; likely are: image"),
        ("frozen.pb", {"outputs": ["logits"], "shapes": ["x=1"]}, "no input 'x'; it has: image"),
        ("net.keras", {"shapes": ["x=1"]}, "no input 'x'; it has: image"),
        ("net.keras", {"outputs": ["a", "b"]}, "2 names for 1 outputs"),
        ("saved", {"signature": "train"}, "no signature 'train'; it has:.*serving_default"),
        ("broken.keras", {}, "Keras cannot load it"),
        ("broken.pb", {"outputs": ["x"]}, "not a frozen graph"),
    ],
)
def test_sources_that_cannot_be_used(
    sources: Sources, tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    for broken in ("broken.keras", "broken.pb"):
        (sources.directory / broken).write_text("neither", encoding="utf-8")
    with pytest.raises(ModelImportError, match=message):
        import_model(sources.directory / name, tmp_path / "net.onnx", **options)
    assert list(tmp_path.iterdir()) == []
