"""What VAIP says of a model on a device: dataclasses, their terminal rendering and their trace."""

from vaip.report.model import Cluster, Layer, NodeCounts, Report, Timing, Unclaimed

__all__ = ["Cluster", "Layer", "NodeCounts", "Report", "Timing", "Unclaimed"]
