"""Remembers for a day that the user confirmed a run with a store that has `danger: true`.

Each confirmation is a file below XDG_STATE_HOME. It protects against mistakes, not against attackers: an attacker who
can write the file can also run the commands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from dsops.config.files import digest
from dsops.pipeline.plans import dangerous_steps
from dsops.plan import Plan, Step
from dsops.user_folders import state_folder

_LIFETIME = timedelta(days=1)
_MOST_BYTES = 64


def unconfirmed_steps(plan: Plan, environ: Mapping[str, str], now: datetime) -> list[Step]:
    """Return the dangerous steps of the plan that the user has not confirmed within a day."""
    return [step for step in dangerous_steps(plan) if not _is_confirmed(_path(step, environ), now)]


def remember(steps: Iterable[Step], environ: Mapping[str, str], now: datetime) -> None:
    """Write the confirmation of each step. If a file can't be written, the next run asks again."""
    for step in steps:
        path = _path(step, environ)
        if not path:
            continue
        part = f"{path}.{os.urandom(4).hex()}"
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(now.isoformat())
            os.replace(part, path)
        except OSError:
            continue


def _path(step: Step, environ: Mapping[str, str]) -> str:
    """Return the path of the confirmation. It depends on the store's name, role, type and profile."""
    folder = state_folder(environ)
    name = digest(json.dumps([step.name, step.type.name, step.role, step.profile]).encode())[:32]
    return f"{folder}/danger/{name}" if folder else ""


def _is_confirmed(path: str, now: datetime) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o170077 != 0o100000:
            return False
        try:
            confirmed = datetime.fromisoformat(file.read(_MOST_BYTES).decode())
            # A time in the future was written with a wrong clock, so it does not count as a confirmation.
            return timedelta() <= now - confirmed < _LIFETIME
        except (ValueError, TypeError):
            return False
