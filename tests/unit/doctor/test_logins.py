"""Doctor's report on the remaining time of an IAM Identity Center login."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from dsops.aws.identity.sso_cache import token_path
from dsops.aws.identity.sso_session import SsoSession
from dsops.doctor.logins import check_logins
from dsops.plan import Login, Proof, Step
from dsops.stores.login_groups import login_without_store
from tests.fakes import NOON, make_runtime
from tests.plans import plan_of

URL = "https://d-1234567890.awsapps.com/start"
STORE = f"""
secretStores:
  dev:
    type: aws.sso
    start_url: {URL}
    sso_region: us-east-1
    account_id: "012345678901"
    role_name: Developer
"""
HOUR = timedelta(hours=1)


def written(home: Path, ends: timedelta, renewable: timedelta | None = None) -> None:
    """Write a token file as the AWS CLI does; `renewable` is the remaining time of the client registration."""
    members = {"accessToken": "hush", "region": "us-east-1", "startUrl": URL, "expiresAt": _time(ends)}
    if renewable is not None:
        members |= {"refreshToken": "hush", "clientId": "c", "clientSecret": "hush"}
        members["registrationExpiresAt"] = _time(renewable)
    path = Path(token_path(SsoSession("", URL, "us-east-1"), {"HOME": str(home)}))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(members))


def _time(ends: timedelta) -> str:
    return (NOON + ends).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("ends", "renewable", "status", "detail"),
    [
        (8 * HOUR, None, "ok", "until 2026-11-24T20:00:00Z"),
        (HOUR / 2, None, "warning", "ends at 2026-11-24T12:30:00Z"),
        (HOUR / 2, 24 * HOUR, "ok", "until 2026-11-24T12:30:00Z, and renewed by itself after that"),
        (-HOUR, 24 * HOUR, "ok", "until 2026-11-24T11:00:00Z, and renewed by itself after that"),
        (HOUR / 2, -HOUR, "warning", "ends at 2026-11-24T12:30:00Z"),
    ],
)
def test_a_login_that_ends_soon_is_a_warning(
    tmp_path: Path, ends: timedelta, renewable: timedelta | None, status: str, detail: str
) -> None:
    """A login that ends soon is a warning unless it can be renewed without the user."""
    written(tmp_path, ends, renewable)
    runtime = make_runtime({"HOME": str(tmp_path)})
    [check] = check_logins(_steps(), runtime)
    assert (check.code, check.name) == ("doctor.login", f"the login at {URL}")
    assert (check.status, check.detail) == (status, detail)
    assert check.hint == ("dsops login dev" if status == "warning" else "")


def test_a_missing_login_is_reported_by_its_store(tmp_path: Path) -> None:
    """If there is no login, only the store's check reports it, with the command to type."""
    runtime = make_runtime({"HOME": str(tmp_path)})
    assert list(check_logins(_steps(), runtime)) == []
    written(tmp_path, -HOUR)
    assert list(check_logins(_steps(), runtime)) == []


def test_a_login_without_a_store_has_its_own_check(tmp_path: Path) -> None:
    """A login that no store uses is skipped without a token, with the command that logs in, and ok with one."""
    runtime = make_runtime({"HOME": str(tmp_path)})
    alone = login_without_store(SsoSession("", URL, "us-east-1")).step
    [check] = check_logins([alone], runtime)
    assert (check.status, check.detail) == ("skipped", f"not logged in: `dsops login --start-url {URL}`")
    assert list(check_logins([*_steps(), alone], runtime)) == []

    written(tmp_path, 8 * HOUR)
    [check] = check_logins([alone], runtime)
    assert check.status == "ok"


def _steps() -> list[Step]:
    proof = Proof("the login", "digest", login=Login("", "mark", "us-east-1"))
    plan = plan_of(STORE, store="dev", proof=lambda *_: proof)
    return [*plan.steps.values(), *plan.steps.values()]
