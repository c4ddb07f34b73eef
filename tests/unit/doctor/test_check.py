"""Doctor reports each cause once: checks that fail for the same reason as an earlier check are skipped."""

from __future__ import annotations

import re
from pathlib import Path

from dsops.doctor.check import Check, attributed, failed
from dsops.doctor.examination import CODES
from dsops.errors import LoginRequired, TimedOut, TlsRefused, Unreachable, VariableInvalid

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "doctor.md"
SOURCES = Path(__file__).parents[3] / "src" / "dsops"


def test_what_fails_for_the_same_reason_is_skipped() -> None:
    """If two checks fail for the same reason, the first has the error and the second is skipped."""
    endpoint = failed("doctor.endpoint", "endpoint sts.us-east-1", Unreachable("could not reach sts"))
    base = failed("doctor.base-credentials", "base credentials", Unreachable("could not reach sts"))

    found = list(attributed([endpoint, base]))

    skipped = Check("doctor.base-credentials", "base credentials", "skipped", "needs endpoint sts.us-east-1")
    assert found == [endpoint, skipped]


def test_a_longer_wait_for_the_same_server_is_skipped() -> None:
    """If a check failed at a server, a later check that waited longer for the same server is skipped, too."""
    endpoint = failed("doctor.endpoint", "endpoint sts.us-east-1", TimedOut("no complete answer from sts within 5 s"))
    base = failed("doctor.base-credentials", "base credentials", TimedOut("no complete answer from sts within 30 s"))
    assert [check.status for check in attributed([endpoint, base])] == ["failed", "skipped"]


def test_another_reason_is_a_failure_of_its_own() -> None:
    """A check that fails with another message or code than an earlier failed check is a failure, not skipped."""
    checks = [
        failed("doctor.endpoint", "endpoint sts.us-east-1", Unreachable("could not reach sts")),
        failed("doctor.base-credentials", "base credentials", Unreachable("could not reach another")),
        failed("doctor.proxy", "proxies", VariableInvalid("could not reach sts")),
    ]
    assert list(attributed(checks)) == checks


def test_without_certificates_no_server_is_a_failure_of_its_own() -> None:
    """If the certificates check failed, TLS errors of servers are skipped; otherwise they are failures."""
    certificates = failed("doctor.certificates", "certificates", VariableInvalid("AWS_CA_BUNDLE is set to x"))
    server = failed("doctor.endpoint", "endpoint sts.us-east-1", TlsRefused("sts can't be trusted without"))
    assert [check.status for check in attributed([certificates, server])] == ["failed", "skipped"]
    well = Check("doctor.certificates", "certificates", "ok", "the system's")
    assert list(attributed([well, server])) == [well, server]


def test_equal_errors_of_two_stores_are_both_reported() -> None:
    """If two stores have equal errors, both are failures."""
    checks = [failed("doctor.store", name, Unreachable("could not reach sts")) for name in ("store a", "store b")]
    assert list(attributed(checks)) == checks


def test_stores_that_need_the_same_login_are_one_failure() -> None:
    """If stores need the same login, the first is a failure and the others are skipped; another login is a failure."""
    logins = {"a": "corp", "b": "corp", "c": "other"}
    checks = [
        failed("doctor.store", f"store {name}", LoginRequired(f"store `{name}` needs the login of {login}"))
        for name, login in logins.items()
    ]

    found = list(attributed(checks))

    assert found == [checks[0], Check("doctor.store", "store b", "skipped", "needs the login of corp"), checks[2]]


def test_a_check_with_further_problems_stays() -> None:
    """A check that also has other problems is not skipped, because they would be lost."""
    lost = Unreachable("could not reach sts")
    both = Check("doctor.store", "store a", "failed", "", errors=(lost, VariableInvalid("HTTPS_PROXY is wrong")))
    assert list(attributed([failed("doctor.endpoint", "endpoint", lost), both]))[1] == both


def test_every_code_is_known_and_documented() -> None:
    """The source and CODES have the same check codes, and the page lists all of them."""
    files = [*SOURCES.glob("doctor/*.py"), SOURCES / "cli" / "look" / "doctor.py"]
    text = "\n".join(file.read_text() for file in files)
    used = set(re.findall(r'(?:Check|failed)\(\s*"([a-z.-]+)"', text))
    used |= set(re.findall(r'^CODE = "(.+)"', text, re.MULTILINE))
    assert used == set(CODES)
    documented = dict(re.findall(r"^\| `([a-z.-]+)` \| (.+?) \|$", PAGE.read_text(), re.MULTILINE))
    assert documented == dict(CODES)
