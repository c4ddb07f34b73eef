"""Checks among themselves: one cause is told once."""

from __future__ import annotations

import re
from pathlib import Path

from dsops.doctor.check import Check, attributed, failed
from dsops.doctor.examination import CODES
from dsops.errors import TimedOut, TlsRefused, Unreachable, VariableInvalid

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "doctor.md"
SOURCES = Path(__file__).parents[3] / "src" / "dsops"


def test_what_fails_for_the_same_reason_is_skipped() -> None:
    """Two that ask side by side get an error each; the first one is the one to look at."""
    endpoint = failed("doctor.endpoint", "endpoint sts.us-east-1", Unreachable("could not reach sts"))
    base = failed("doctor.base-credentials", "base credentials", Unreachable("could not reach sts"))

    found = list(attributed([endpoint, base]))

    skipped = Check("doctor.base-credentials", "base credentials", "skipped", "needs endpoint sts.us-east-1")
    assert found == [endpoint, skipped]


def test_who_waits_longer_for_the_same_server_is_skipped() -> None:
    """The look gives up sooner than a call does."""
    endpoint = failed("doctor.endpoint", "endpoint sts.us-east-1", TimedOut("no complete answer from sts within 5 s"))
    base = failed("doctor.base-credentials", "base credentials", TimedOut("no complete answer from sts within 30 s"))
    assert [check.status for check in attributed([endpoint, base])] == ["failed", "skipped"]


def test_another_reason_is_a_failure_of_its_own() -> None:
    """Another message, or another code, is another thing to mend."""
    checks = [
        failed("doctor.endpoint", "endpoint sts.us-east-1", Unreachable("could not reach sts")),
        failed("doctor.base-credentials", "base credentials", Unreachable("could not reach another")),
        failed("doctor.proxy", "proxies", VariableInvalid("could not reach sts")),
    ]
    assert list(attributed(checks)) == checks


def test_without_certificates_no_server_is_a_failure_of_its_own() -> None:
    """Each names itself in its error; where there are certificates, that is what counts."""
    certificates = failed("doctor.certificates", "certificates", VariableInvalid("AWS_CA_BUNDLE names x"))
    server = failed("doctor.endpoint", "endpoint sts.us-east-1", TlsRefused("sts can't be trusted without"))
    assert [check.status for check in attributed([certificates, server])] == ["failed", "skipped"]
    well = Check("doctor.certificates", "certificates", "ok", "the system's")
    assert list(attributed([well, server])) == [well, server]


def test_one_of_a_kind_does_not_stand_for_another() -> None:
    """Two stores with the same error are two stores to mend."""
    checks = [failed("doctor.store", name, Unreachable("could not reach sts")) for name in ("store a", "store b")]
    assert list(attributed(checks)) == checks


def test_a_check_that_failed_for_more_than_that_stays() -> None:
    """What else is wrong with it would be lost."""
    lost = Unreachable("could not reach sts")
    both = Check("doctor.store", "store a", "failed", "", errors=(lost, VariableInvalid("HTTPS_PROXY is wrong")))
    assert list(attributed([failed("doctor.endpoint", "endpoint", lost), both]))[1] == both


def test_every_code_is_known_and_told() -> None:
    """The codes in the source are those of the table, and the page has them all."""
    files = [*SOURCES.glob("doctor/*.py"), SOURCES / "cli" / "look" / "doctor.py"]
    text = "\n".join(file.read_text() for file in files)
    used = set(re.findall(r'(?:Check|failed)\(\s*"([a-z.-]+)"', text))
    used |= set(re.findall(r'^CODE = "(.+)"', text, re.MULTILINE))
    assert used == set(CODES)
    told = dict(re.findall(r"^\| `([a-z.-]+)` \| (.+?) \|$", PAGE.read_text(), re.MULTILINE))
    assert told == dict(CODES)
