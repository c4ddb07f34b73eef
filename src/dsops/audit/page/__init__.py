"""A report -> one HTML file that opens without a network: no script, no font, no picture, no address; pure."""

from __future__ import annotations

from dsops.audit.page.page import page_of

__all__ = ["page_of"]
