"""The file formats for secrets: a table of all formats, with one module for each.

The input is variables with their secrets; the output is the bytes of a file. Imported by `cli`, `guard`, `hook` and
`recording`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dsops.errors import UsageError, ValueUnusable
from dsops.secret import Secret
from dsops.startup import NamedTuple

Render = Callable[[Mapping[str, Secret]], bytes]


class Format(NamedTuple):
    """An output format: the module that writes the format, and the file names that select it."""

    module: str
    """The module that has `render(values) -> bytes`. It is imported only if the format is chosen."""
    help: str
    endings: tuple[str, ...]
    """The file name endings that select the format."""


FORMATS: Mapping[str, Format] = {
    "dotenv": Format("dsops.render.dotenv", "NAME=value, as python-dotenv reads it", (".env",)),
    "shell": Format("dsops.render.shell", "`export NAME='value'` for bash, dash, zsh, ksh", (".sh", ".bash")),
    "env": Format("dsops.render.shell", "like `shell`; the name that `dsops credentials` uses", ()),
    "powershell": Format("dsops.render.powershell", "`$env:NAME = 'value'` for PowerShell", (".ps1",)),
    "fish": Format("dsops.render.fish", "`set -gx NAME 'value'` for fish", (".fish",)),
    "json": Format("dsops.render.json", "one object, name to value", (".json",)),
    "yaml": Format("dsops.render.yaml", "one mapping, name to value", (".yaml", ".yml")),
    "github": Format("dsops.render.github", "adds to $GITHUB_ENV, for later steps of GitHub Actions", ()),
    "gitlab": Format("dsops.render.gitlab", "NAME=value lines for GitLab's dotenv reports", ()),
}

KEY_FORMATS: Mapping[str, str] = {
    "ini": "the environment's AWS keys as a profile named like the environment",
    "process": "the environment's AWS keys as JSON for `credential_process`",
}
"""Formats that contain only AWS keys (see `dsops.render.keys`), each with a description."""

_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def renderer(format_name: str) -> Render:
    """Return the render function of a format. Raises KeyError for an unknown name."""
    module = __import__(FORMATS[format_name].module, fromlist=["render"])
    render: Render = module.render
    return render


def format_of(path: str) -> str:
    """Return the format for a file's name: `.env.production` and `prod.env` are dotenv. Raises UsageError."""
    name = path.rpartition("/")[2].lower()
    if name.startswith(".env."):
        return "dotenv"
    for format_name, file_format in FORMATS.items():
        if name.endswith(file_format.endings):
            return format_name
    raise UsageError(
        f"the ending of the file name `{path}` is not a known format",
        hint=f"add `--format`: {', '.join((*FORMATS, *KEY_FORMATS))}",
    )


def text_of(name: str, value: Secret, format_name: str) -> str:
    """Return the value as text, for a format without binary values.

    Raises ValueUnusable with the name of the variable if the value is not text.
    """
    try:
        text = value.reveal()
        text.encode()
    except UnicodeEncodeError:
        # The error is raised `from None`, because the original error contains the value.
        raise ValueUnusable(
            f"the value of `{name}` can't be written as {format_name}",
            why="its bytes are not UTF-8",
            hint="add `transform: base64_encode`",
        ) from None
    return text


def text_of_variable(name: str, value: Secret, format_name: str) -> str:
    """Return the value as text for an environment variable.

    Raises ValueUnusable as `text_of` does, and also for a NUL byte.
    """
    text = text_of(name, value, format_name)
    if "\0" in text:
        raise ValueUnusable(
            f"the value of `{name}` can't be written as {format_name}",
            why="it contains a NUL byte, which ends an environment variable",
            hint="add `transform: base64_encode`",
        )
    return text


def require_shell_name(name: str) -> None:
    """Raise ValueUnusable for a name that is not a valid shell variable. A shell would run the line as a command."""
    if not _SHELL_NAME.fullmatch(name):
        raise ValueUnusable(
            f"`{name}` can't be the name of a shell variable",
            why="the name may contain only letters, digits and `_`, and may not begin with a digit",
            hint="rename the variable under `envs:`, or use `--format json`",
        )
