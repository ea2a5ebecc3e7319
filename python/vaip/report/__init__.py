"""What VAIP says of a model on a device: dataclasses, their terminal rendering and their trace."""

from vaip.report.model import Cluster, HostProfile, HostStep, Layer, NodeCounts, Report, Timing, Unclaimed

__all__ = ["Cluster", "HostProfile", "HostStep", "Layer", "NodeCounts", "Report", "Timing", "Unclaimed"]
