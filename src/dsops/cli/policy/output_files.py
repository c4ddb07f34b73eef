"""Convert policies to JSON, and write generated files into a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dsops.cli.framework.output import Json, answer
from dsops.errors import FileNotWritten
from dsops.runtime import Runtime
from dsops.text import clean


def plain(value: object) -> Json:
    """Convert a value of a policy to JSON. Raises TypeError for a value of another type, which is a bug."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if value is None or isinstance(value, (str, int, bool)):
        return value
    raise TypeError(f"a policy has no {type(value).__name__}")


def write_files(files: Mapping[str, str], folder: str, runtime: Runtime) -> None:
    """Write files, given by their paths below the folder, and print their names. Raises FileNotWritten."""
    from dsops.render.file import write_private

    for name, text in files.items():
        path = os.path.join(runtime.folder, folder, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as error:
            why, hint = (error.strerror or "").lower(), "name another folder with `--out`"
            raise FileNotWritten(f"`{path}` was not written", why=why, hint=hint) from error
        write_private(path, text.encode())
        answer(clean(os.path.join(folder, name)))
