"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from dsops.errors import DsopsError, TlsRefused

Status = Literal["ok", "warning", "failed", "skipped"]

CODES: Mapping[str, str] = {
    "doctor.configuration": "the configuration is found and can be read",
    "doctor.environment": "a plan can be made for the environment",
    "doctor.file-mode": "nobody else may write what decides who somebody is, or read what is secret in files",
    "doctor.certificates": "the certificates that a variable names can be read, and are some",
    "doctor.proxy": "the proxies that variables name can be used",
    "doctor.clock": "this machine's clock agrees with AWS's",
    "doctor.endpoint": "the servers that the stores call answer, with a certificate that lasts",
    "doctor.base-credentials": "AWS knows the credentials that sign the first hop, and they last",
    "doctor.agent": "the agent can be used, and is of this dsops",
    "doctor.agent-folder": "the folder of the agent's sockets is safe",
    "doctor.agent-socket": "an agent listens on each socket",
    "doctor.agent-sessions": "what the agent holds",
    "doctor.login": "logins to IAM Identity Center last",
    "doctor.keyring": "the keyring's list can be read, and the extra is installed where it is needed",
    "doctor.store": "the store issues its session, and gives every secret that is read from it",
    "doctor.batch": "secrets may be read in batches",
    "doctor.trust-policy": "what the role's trust policy has to allow besides sts:AssumeRole",
}
"""Every code that a check may have, with what is well when it is ok."""


class Check(NamedTuple):
    """One thing that was looked at."""

    code: str
    """One of CODES; stable, for programs."""
    name: str
    """What exactly was looked at: `store target`."""
    status: Status
    detail: str = ""
    why: str = ""
    hint: str = ""
    """What to type or edit next; of a failed check its errors say it."""
    errors: tuple[DsopsError, ...] = ()
    """Why it failed."""


def failed(code: str, name: str, error: DsopsError) -> Check:
    """The check that found this error."""
    return Check(code, name, "failed", error.message, error.why, error.hint, (error,))


def attributed(checks: Iterable[Check]) -> Iterator[Check]:
    """The checks in their order; of those that failed for the same reason, the later ones are skipped.

    What the reason is tells an error's code and message: two that ask side by side get an error each. Without
    certificates that can be read no server is trusted, whichever it is.
    """
    culprits: dict[tuple[str, str], Check] = {}
    certificates: Check | None = None
    for check in checks:
        # `no answer from ... within 5 s`: who waits longer meets the same.
        reasons = [(error.code, error.message.partition(" within ")[0]) for error in check.errors]
        culprit = culprits.get(reasons[0]) if len(reasons) == 1 and check.status == "failed" else None
        if certificates is not None and check.errors and all(isinstance(error, TlsRefused) for error in check.errors):
            culprit = certificates
        if check.code == "doctor.certificates" and check.status == "failed":
            certificates = check
        if culprit is not None and culprit.code != check.code:
            yield Check(check.code, check.name, "skipped", f"needs {culprit.name}")
            continue
        for reason in reasons:
            culprits.setdefault(reason, check)
        yield check
