"""Renders a report as one HTML file that opens without a network: no script, font, image or address. Pure.

An `AuditReport` comes in, the text of the file goes out. Imported by `cli`.
"""

from __future__ import annotations

from dsops.audit.page.page import page_of

__all__ = ["page_of"]
