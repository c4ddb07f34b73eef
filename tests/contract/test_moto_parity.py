"""The sandbox passes every test of moto's that moto's own server passes, except where AWS differs.

moto is the state behind the sandbox's other services, and its tests show what users rely on. The tests run twice
through boto3: against moto's server, and against the sandbox as an administrator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contract.moto_parity.differences import DIFFERENCES
from tests.contract.moto_parity.front import front, sandbox_of_admin, sandbox_of_root
from tests.contract.moto_parity.suite import Suite, moto_server, moto_suite
from tests.installed import OUTSIDE, ToolMissingError
from tests.sandboxes import Lab
from tests.stubs.server import StubServer

# The first run installs moto's tests; a run of one service takes 5 to 30 s on two cores.
pytestmark = pytest.mark.timeout(600)

SERVICES: Mapping[str, Sequence[str]] = {
    "iam": (
        "test_iam",
        "test_iam_account_aliases",
        "test_iam_groups",
        "test_iam_oidc",
        "test_iam_password_last_used",
        "test_iam_policies",
        "test_iam_response_attributes",
        "test_iam_server_certificates",
        "test_iam_signing_certificates",
    ),
    "secretsmanager": ("test_list_secrets", "test_policy", "test_secretsmanager", "test_secrets_duplication"),
    "ssm": (
        "test_ssm",
        "test_ssm_defaults",
        "test_ssm_doc_permissions",
        "test_ssm_docs",
        "test_ssm_maintenance_windows",
        "test_ssm_parameterstore",
        "test_ssm_patch_baseline",
        "test_ssm_patch_group",
        "test_ssm_secretsmanager",
    ),
    "sts": ("test_sts", "test_sts_integration"),
}
"""Service -> moto's test files for the service; files not listed need CloudFormation, EC2 or moto's own process."""
CALLERS: Mapping[str, Callable[[], Lab]] = {"sts": sandbox_of_admin}
MOST_DIFFERENT = 0.25
"""The maximum share of a service's tests that may be listed as different; none for STS, which is dsops' own.
"""


@pytest.fixture(scope="module")
def suite() -> Suite:
    """moto's tests; skipped if they cannot be installed."""
    try:
        return moto_suite(OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.nightly
def test_what_motos_server_passes_the_sandbox_passes(
    suite: Suite, service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sandbox passes the tests that moto's server passes, except exactly those listed in differences.py."""
    files = [f"test_{service}/{name}.py" for name in SERVICES[service]]
    sandbox = front(CALLERS.get(service, sandbox_of_root))
    folders = [tmp_path / "theirs", tmp_path / "ours"]
    for folder in folders:
        folder.mkdir()
    with moto_server(suite, tmp_path) as url, StubServer(sandbox) as server, ThreadPoolExecutor(2) as both:
        theirs, ours = both.map(lambda at: suite.run(at[0], files, at[1]), zip((url, server.url), folders, strict=True))

    passed = {name for name, outcome in theirs.items() if outcome == "passed"}
    lost = {name: ours.get(name, "did not run") for name in passed if ours.get(name) != "passed"}
    foretold = {name for names in DIFFERENCES.values() for name in names if name.startswith(f"test_{service}/")}
    with capsys.disabled():
        print(f"\n{service}: moto's server passes {len(passed)} tests, of which {len(foretold)} go against AWS")
    assert {} == {name: why for name, why in lost.items() if name not in foretold}
    assert set() == foretold - lost.keys()
    assert service == "sts" or len(foretold) <= MOST_DIFFERENT * len(passed)


def test_each_difference_has_one_rule() -> None:
    """No test is listed under two rules of differences.py, and every rule has tests."""
    names = [name for listed in DIFFERENCES.values() for name in listed]

    assert sorted(names) == sorted(set(names))
    assert all(DIFFERENCES.values())
