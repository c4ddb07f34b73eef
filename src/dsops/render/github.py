"""Write the variables file of a GitHub Actions step, in the multiline form that can contain any string.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.render import require_shell_name, text_of_variable
from dsops.secret import Secret

_REFUSED = "NODE_OPTIONS"
"""GitHub's runner rejects this variable, because it would let the file's author run code in later steps."""


def render(values: Mapping[str, Secret]) -> bytes:
    """Return one block for each variable, in the given order."""
    return "".join(_block(name, value) for name, value in values.items()).encode()


def _block(name: str, value: Secret) -> str:
    require_shell_name(name)
    if name == _REFUSED:
        raise ValueUnusable(
            f"`{name}` can't be set for later steps of GitHub Actions",
            why="the runner refuses this name",
            hint="use `dsops exec` in the step that needs it",
        )
    text = text_of_variable(name, value, "a variable of GitHub Actions")
    # The delimiter is generated after the value exists, so the value's author can't have included it.
    end = f"dsops-{os.urandom(16).hex()}"
    return f"{name}<<{end}\n{text}\n{end}\n"
