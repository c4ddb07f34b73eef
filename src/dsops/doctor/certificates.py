"""Checks when the certificates expire with which stores sign in to IAM Roles Anywhere.

If a certificate has expired or can't be read, the store's own check reports that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from dsops.doctor.check import Check
from dsops.doctor.network import shown
from dsops.errors import DsopsError
from dsops.plan import Step
from dsops.runtime import Runtime

CODES = {"doctor.certificate": "certificates of machines do not expire soon"}
"""Maps the code of each check to the statement that is true if the check is ok."""

_SOON = timedelta(days=7)


def check_machine_certificates(steps: Iterable[Step], runtime: Runtime) -> Iterator[Check]:
    """Yield a check for each certificate that a store uses and that is valid now."""
    now, seen = runtime.now(), set[str]()
    for step in steps:
        path = str(step.settings.get("certificate", ""))
        if step.session_action != "CreateSession" or path in seen:
            continue
        seen.add(path)
        from dsops.stores.aws_rolesanywhere.certificate import read_certificate

        try:
            end = read_certificate(path).not_valid_after_utc
        except DsopsError:
            continue
        if now >= end:
            continue
        if end <= now + _SOON:
            hint = "renew the certificate, and replace the file"
            yield Check("doctor.certificate", path, "warning", f"expires at {shown(end)}", "within a week", hint)
        else:
            yield Check("doctor.certificate", path, "ok", f"until {shown(end)}")
