"""A check and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from dsops.errors import DsopsError, TlsRefused

Status = Literal["ok", "warning", "failed", "skipped"]


class Check(NamedTuple):
    """The outcome of one check."""

    code: str
    """One of its module's CODES; stable, for programs."""
    name: str
    """What was checked: `store target`."""
    status: Status
    detail: str = ""
    why: str = ""
    hint: str = ""
    """What to type or edit next; a failed check has it in its errors."""
    errors: tuple[DsopsError, ...] = ()
    """Why the check failed."""


def failed(code: str, name: str, error: DsopsError) -> Check:
    """A failed check with this error."""
    return Check(code, name, "failed", error.message, error.why, error.hint, (error,))


def attributed(checks: Iterable[Check]) -> Iterator[Check]:
    """The checks in their order; of several that failed for one reason, all but the first become skipped.

    Errors with equal code and message have one reason: calls made side by side raise an error each. Unreadable
    certificates are the reason of every TLS error.
    """
    first_checks: dict[tuple[str, str], Check] = {}
    bad_certificates: Check | None = None
    for check in checks:
        # `no answer from ... within 5 s`: calls with other timeouts fail for the same reason.
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
