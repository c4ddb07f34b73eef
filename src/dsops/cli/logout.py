"""`dsops logout`: ends what `dsops login` began."""

from __future__ import annotations

from dsops.cli.login import LOGOUT as COMMAND

__all__ = ["COMMAND"]
