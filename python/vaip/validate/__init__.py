"""Published measurements against the simulator, row by row."""

from vaip.validate.registry import TABLES
from vaip.validate.rows import Residual, Skipped, TableResult, Validation
from vaip.validate.run import packaged_tables, validate

__all__ = ["TABLES", "Residual", "Skipped", "TableResult", "Validation", "packaged_tables", "validate"]
