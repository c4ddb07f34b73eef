"""Renders a report as one HTML file that opens without a network: no script, font, image or URL.

Does no I/O. The input is an `AuditReport`, the output the text of the file. Imported by `cli`.
"""

from __future__ import annotations

from dsops.audit.page.page import page_of

__all__ = ["page_of"]
