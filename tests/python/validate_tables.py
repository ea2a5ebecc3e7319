"""Tables for the tests of vaip validate."""

from __future__ import annotations

from pathlib import Path

from vaip.validate import TableResult, validate

WHOLE_ARRAY = "platform,clk_GHz,dtype,M,K,N,rows,cols,m,k,n,C_buffers,B_layout,avg_us\n"
GOOD_ROW = "8700G_XDNA1,1.8,i8-i32,512,512,512,4,4,64,64,32,2,row,273.2\n"


def table(directory: Path, name: str, text: str) -> TableResult:
    """The result of one table of the given text."""
    (directory / f"{name}.csv").write_text(text, encoding="utf-8")
    (result,) = validate(directory, tables=[name]).tables
    return result
