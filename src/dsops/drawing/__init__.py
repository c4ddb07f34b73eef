"""Draw a forest of boxes as SVG, for `dsops graph` and the chains of `dsops audit report`. Does no I/O.

The input is boxes with their parents. The output is positions and SVG elements, without a style. Imported by `access`,
`audit` and `graph`.
"""

from __future__ import annotations

from dsops.drawing.forest import CHARACTERS, MARGIN, Box, Drawing, Frame, Item, broken, lay_out
from dsops.drawing.plain import plain, width
from dsops.drawing.shapes import arrow, fit, number, shapes

__all__ = [
    "CHARACTERS",
    "MARGIN",
    "Box",
    "Drawing",
    "Frame",
    "Item",
    "arrow",
    "broken",
    "fit",
    "lay_out",
    "number",
    "plain",
    "shapes",
    "width",
]
