"""What-if over a grid: fields of a device or its stack varied, a model or a matrix product predicted at each point."""

from vaip.sweep.execution import run
from vaip.sweep.grid import Axis, Point, grid, parse_axis
from vaip.sweep.workload import Gemm, OnnxModel, Outcome, Workload

__all__ = ["Axis", "Gemm", "OnnxModel", "Outcome", "Point", "Workload", "grid", "parse_axis", "run"]
