"""Find this machine's interpreter for a Lambda runtime, and the files that a process of it needs."""

from __future__ import annotations

import glob
import os
import re
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final, NamedTuple

_RUNTIME: Final = re.compile(r"(python)(3)\.(\d{1,2})|(nodejs)(\d{2})\.x")
_SYSTEM: Final = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/etc/alternatives",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/pki", "/etc/ssl",
)  # fmt: skip
"""Programs and libraries of the system. They hold no data of the user."""
_SDK: Final = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""What Lambda's Python runtimes have beside the standard library: boto3 and what it imports."""
RUNTIME_FOLDER: Final = "/var/runtime"
_HERE: Final = os.path.dirname(os.path.abspath(__file__))


class Interpreter(NamedTuple):
    """An interpreter of this machine."""

    command: tuple[str, ...]
    """The program and its options; the path of the bootstrap and its arguments follow."""
    bootstrap: str
    """The path of the bootstrap on this machine."""
    shown: tuple[str, ...]
    """The paths that a process of the interpreter has to read."""
    modules: Mapping[str, str]
    """Name in the folder of the runtime -> path on this machine."""
    note: str = ""
    """A line for the log if the interpreter is of another version than the runtime."""


def find_interpreter(runtime: str) -> Interpreter | str:
    """Return the interpreter for a runtime such as `python3.12` or `nodejs22.x`, or the reason why there is none."""
    match = _RUNTIME.fullmatch(runtime)
    if match is None:
        return f"the sandbox runs Python and Node.js functions only, and the runtime is {runtime or 'not set'}"
    return _node(match[5]) if match[4] else _python(f"{match[2]}.{match[3]}")


def _python(version: str) -> Interpreter | str:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    path = "" if version == own else _program(f"python{version}")
    found, program = (version, path) if path else (own, os.path.realpath(sys.executable))
    library = os.path.join(os.path.dirname(os.path.dirname(program)), "lib")
    shown = (program, os.path.join(library, f"python{found}"), *glob.glob(os.path.join(library, "libpython*")))
    note = "" if found == version else f"the sandbox runs this python{version} function with Python {found}"
    return Interpreter(
        (program, "-S", "-s", "-u"), os.path.join(_HERE, "bootstrap.py"), _with_system(shown), _sdk_modules(), note
    )


def _node(version: str) -> Interpreter | str:
    program = _program("node")
    if not program:
        return "Node.js is not installed on this machine (no `node` on the PATH)"
    bootstrap = os.path.join(_HERE, "bootstrap.cjs")
    return Interpreter(
        (program,),
        bootstrap,
        _with_system((program,)),
        {},
        f"the sandbox runs this nodejs{version}.x function with {program}",
    )


def _program(name: str) -> str:
    """Return the path of an executable on the PATH; "" if it is missing, or is a script that starts another."""
    path = os.path.realpath(shutil.which(name) or "")
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as file:
        return "" if file.read(2) == b"#!" else path


def _with_system(paths: tuple[str, ...]) -> tuple[str, ...]:
    return (*_SYSTEM, *(path for path in paths if not path.startswith(("/usr/", "/nix/store/"))))


def _sdk_modules() -> dict[str, str]:
    """Return the modules of boto3 that this installation has: file or folder name -> path."""
    modules = {}
    for name in _SDK:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            path = os.path.dirname(spec.origin) if spec.submodule_search_locations else spec.origin
            modules[os.path.basename(path)] = path
    return modules
