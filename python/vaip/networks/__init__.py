"""Networks of which latencies on AMD NPUs are published: exact topologies, seeded random weights, quantized.

Timing depends on shapes and types only, so random weights serve; accuracy on a data set is not what these are for.

    from vaip.networks import build
    onnx.save(build("resnet50"), "resnet50_xint8.onnx")
"""

from vaip.networks.zoo import NETWORKS, PRECISIONS, Precision, build, topology

NAMES = tuple(NETWORKS)

__all__ = ["NAMES", "PRECISIONS", "Precision", "build", "topology"]
