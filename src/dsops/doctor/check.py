"""A check of `dsops doctor` and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from dsops.errors import DsopsError, LoginRequired, TlsRefused

Status = Literal["ok", "warning", "failed", "skipped"]


class Check(NamedTuple):
    """The outcome of one check."""

    code: str
    """The check's code: one of the keys of its module's CODES. Programs may rely on the codes, which never change."""
    name: str
    """The name of what was checked, such as `store target`."""
    status: Status
    detail: str = ""
    why: str = ""
    hint: str = ""
    """The next command or edit for the user. For a failed check, the hints are in `errors`."""
    errors: tuple[DsopsError, ...] = ()
    """The errors that made the check fail."""


def failed(code: str, name: str, error: DsopsError) -> Check:
    """Return a failed check with this error."""
    return Check(code, name, "failed", error.message, error.why, error.hint, (error,))


def attributed(checks: Iterable[Check]) -> Iterator[Check]:
    """Yield the checks in order. If several failed for the same reason, all but the first become skipped.

    Errors with equal code and message have the same reason, since each of several parallel calls raises its own error.
    Certificates that can't be read count as the reason for every TLS error. If several stores need the same login,
    only the first of them stays failed.
    """
    first_checks: dict[tuple[str, str], Check] = {}
    bad_certificates: Check | None = None
    logins: set[str] = set()
    for check in checks:
        login = check.errors[0].message.partition(" needs ")[2] if _needs_login(check) else ""
        if login in logins:
            yield Check(check.code, check.name, "skipped", f"needs {login}")
            continue
        logins |= {login} - {""}
        # The timeout in the message `no answer from ... within 5 s` is left out, because calls with other timeouts fail
        # for the same reason.
        reasons = [(error.code, error.message.partition(" within ")[0]) for error in check.errors]
        first = first_checks.get(reasons[0]) if len(reasons) == 1 and check.status == "failed" else None
        if (
            bad_certificates is not None
            and check.errors
            and all(isinstance(error, TlsRefused) for error in check.errors)
        ):
            first = bad_certificates
        if check.code == "doctor.certificates" and check.status == "failed":
            bad_certificates = check
        if first is not None and first.code != check.code:
            yield Check(check.code, check.name, "skipped", f"needs {first.name}")
            continue
        for reason in reasons:
            first_checks.setdefault(reason, check)
        yield check


def _needs_login(check: Check) -> bool:
    return check.status == "failed" and len(check.errors) == 1 and isinstance(check.errors[0], LoginRequired)
