"""The demo: a small digit classifier, FP32 and INT8, on the CPU and on the simulated NPU."""

from vaip.demo.digits import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
