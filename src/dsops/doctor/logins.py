"""Checks when logins to IAM Identity Center expire.

If a store needs a login that has expired, the store's own check reports that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from dsops.aws.identity.sso_cache import read_token, token_path
from dsops.doctor.check import Check
from dsops.doctor.network import shown
from dsops.errors import ConfigError
from dsops.plan import Step
from dsops.runtime import Runtime
from dsops.stores.sso_login import session_of

CODES = {"doctor.login": "logins to IAM Identity Center do not expire soon"}
"""Maps the code of each check to the statement that is true if the check is ok."""

_SOON = timedelta(hours=1)


def check_logins(steps: Iterable[Step], runtime: Runtime) -> Iterator[Check]:
    """Yield a check for each login that a store uses, if there is a token for the login.

    A step without a name is a login that no store uses; without a token, its check reports the missing token.
    """
    now, seen = runtime.now(), set[str]()
    for step in steps:
        if step.type.service != "sso":
            continue
        try:
            session = session_of(step.settings, runtime.environ, runtime.folder)
        except ConfigError:
            continue
        path = token_path(session, runtime.environ, runtime.folder)
        token = read_token(path, session).token
        if path in seen:
            continue
        seen.add(path)
        if token is None or (not token.can_be_refreshed(now) and now >= token.expires_at):
            if not step.name:
                detail = f"not logged in: `dsops login --start-url {session.start_url}`"
                yield Check("doctor.login", session.shown, "skipped", detail)
            continue
        name, end = session.shown, shown(token.expires_at)
        if token.can_be_refreshed(now):
            yield Check("doctor.login", name, "ok", f"until {end}, and renewed by itself after that")
        elif token.expires_at <= now + _SOON:
            hint = f"dsops login {step.name or f'--start-url {session.start_url}'}"
            yield Check("doctor.login", name, "warning", f"ends at {end}", "it can't be renewed", hint)
        else:
            yield Check("doctor.login", name, "ok", f"until {end}")
