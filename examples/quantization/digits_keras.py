"""Trains the network of digits_torch.py in Keras: python digits_keras.py writes it in the forms that TensorFlow has.

    digits.keras       a Keras model
    digits_saved/      a SavedModel
    digits_frozen.pb   a frozen graph, as TensorFlow 1 has it: input image, output logits

Keras has images with their channels last, so calibration() and accuracy() here do, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from vaip.demo.digits import held_out_images, training_images

EPOCHS = 15
BATCH = 32


def make_net() -> Any:
    import keras
    from keras import layers

    def conv(filters: int, size: int, **options: Any) -> Any:
        return layers.Conv2D(filters, size, padding="same", **options)

    image = keras.Input((8, 8, 1), name="image")
    x = layers.ReLU()(layers.BatchNormalization()(conv(16, 3, use_bias=False)(image)))
    x = conv(32, 3, activation="relu")(x)
    branch = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(layers.ReLU()(layers.Add()([x, conv(32, 1)(branch)])))
    x = layers.GlobalAveragePooling2D()(conv(48, 3, activation="relu")(x))
    return keras.Model(image, layers.Dense(10, name="logits")(x))


def calibration() -> Iterator[dict[str, np.ndarray]]:
    images, _ = training_images()
    for first in range(0, 256, BATCH):
        yield {"image": _channels_last(images[first : first + BATCH])}


def accuracy(session: Any) -> float:
    images, labels = held_out_images()
    logits = session.run(None, {"image": _channels_last(images)})[0]
    return 100 * float(np.mean(logits.argmax(axis=1) == labels))


def _channels_last(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def train() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    images, labels = training_images()
    net = make_net()
    rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * (len(images) // BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(rate), loss)
    net.fit(_channels_last(images), labels, BATCH, EPOCHS, verbose=0)
    return net


def freeze(net: Any, path: Path) -> None:
    """The network with its weights as constants, in TensorFlow's graph format."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    @tf.function
    def classify(image: tf.Tensor) -> tf.Tensor:
        return tf.identity(net(image, training=False), name="logits")

    concrete = classify.get_concrete_function(tf.TensorSpec((None, 8, 8, 1), tf.float32, name="image"))
    path.write_bytes(convert_variables_to_constants_v2(concrete).graph.as_graph_def().SerializeToString())


if __name__ == "__main__":
    net = train()
    net.save("digits.keras")
    net.export("digits_saved", verbose=False)
    freeze(net, Path("digits_frozen.pb"))
    images, labels = held_out_images()
    right = net.predict(_channels_last(images), verbose=0).argmax(1) == labels
    print(f"digits.keras: {100 * right.mean():.2f} % of the held-out images")
