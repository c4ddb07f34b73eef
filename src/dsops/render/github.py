"""The file of variables of a GitHub Actions step, in the form that holds any text.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.render import require_shell_name, text_of_variable
from dsops.secret import Secret

_REFUSED = "NODE_OPTIONS"
"""The runner takes no such variable from that file: with it anybody who writes there could run code in later steps."""


def render(values: Mapping[str, Secret]) -> bytes:
    """One block a variable, in the order given."""
    return "".join(_block(name, value) for name, value in values.items()).encode()


def _block(name: str, value: Secret) -> str:
    require_shell_name(name)
    if name == _REFUSED:
        raise ValueUnusable(
            f"`{name}` can't be set for later steps of GitHub Actions",
            why="its runner refuses that name",
            hint="use `dsops exec` in the step that needs it",
        )
    text = text_of_variable(name, value, "a variable of GitHub Actions")
    # Drawn after the value is there: who wrote the value can't have put the end into it.
    end = f"dsops-{os.urandom(16).hex()}"
    return f"{name}<<{end}\n{text}\n{end}\n"
