"""The pytest plugin in another project's test suite, which runs in its own folder and process."""

from __future__ import annotations

import signal
import time

import pytest

from tests.groups import IN_CI

pytest_plugins = ["pytester"]
pytestmark = IN_CI  # each suite is a pytest of its own with a sandbox: 1.3 s of processor time


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return an empty suite with strict markers that runs in a separate process."""
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    return pytester


def passes(suite: pytest.Pytester, text: str, tests: int = 1) -> None:
    """Run the file; exactly that many tests must pass."""
    suite.makepyfile(text)
    suite.runpytest_subprocess().assert_outcomes(passed=tests)


def test_an_unused_plugin_imports_one_file(suite: pytest.Pytester) -> None:
    """A suite that does not use the plugin imports one file of dsops, and neither moto nor botocore."""
    passes(
        suite,
        """
        import sys

        def test_nothing_is_loaded():
            ours = {name for name in sys.modules if name.partition(".")[0] == "dsops"}
            assert ours == {"dsops", "dsops.testing", "dsops.testing.plugin"}
            assert not {"moto", "botocore", "boto3", "waitress", "pycurl", "yaml"} & set(sys.modules)
        """,
    )


def test_each_test_has_a_sandbox_of_its_own(suite: pytest.Pytester) -> None:
    """Each test has its own sandbox, which listens during the test and is removed afterwards."""
    passes(
        suite,
        """
        import socket
        import pytest
        from urllib.parse import urlsplit

        seen = []

        @pytest.mark.parametrize("number", [1, 2])
        def test_each(sandbox, sandbox_account, number):
            address = urlsplit(sandbox.url)
            assert address.hostname == "127.0.0.1"
            socket.create_connection((address.hostname, address.port), 5).close()
            assert sandbox.events() == []
            sandbox_account.add_user("alice")
            assert sandbox.user("alice").arn == "arn:aws:iam::123456789012:user/alice"
            seen.append(address)

        def test_both_are_gone():
            assert len(seen) == 2
            for address in seen:
                with pytest.raises(OSError):
                    socket.create_connection((address.hostname, address.port), 5)
        """,
        3,
    )


SEEDS = """
    import pathlib
    import pytest

    def seed(account):
        return {"accounts": {account: {"users": {"alice": {}}}}}

    @pytest.fixture
    def sandbox_seed():
        return seed("111111111111")

    def test_the_fixture_counts(sandbox):
        assert sandbox.user("alice").arn == "arn:aws:iam::111111111111:user/alice"

    @pytest.mark.sandbox_seed(seed("222222222222"))
    def test_a_mark_goes_before_it(sandbox):
        assert sandbox.account().id == "222222222222"

    @pytest.mark.sandbox_seed('accounts: {"333333333333": {}}')
    def test_a_text_is_yaml(sandbox):
        assert sandbox.account().id == "333333333333"

    @pytest.mark.sandbox_seed(pathlib.Path("seed.yaml"))
    def test_a_path_is_beside_the_test(sandbox):
        assert sandbox.account().id == "444444444444"

    @pytest.mark.parametrize("sandbox_seed", [None, seed("555555555555")])
    def test_a_parameter_replaces_the_fixture(sandbox, sandbox_seed):
        assert sandbox.account().id == ("555555555555" if sandbox_seed else "123456789012")
"""


def test_a_seed_is_given_in_every_way(suite: pytest.Pytester) -> None:
    """A seed can be given by fixture, mark or parameter, as a mapping, YAML text or file."""
    suite.makefile(".yaml", seed='accounts: {"444444444444": {}}')

    passes(suite, SEEDS, 6)


FILES = """
    import pathlib
    import pytest

    TEXT = 'accounts: {"111111111111": {roles: {R: {trust: trust-policy.json}}}}'
    MAPPING = {"accounts": {"111111111111": {"roles": {"R": {"trust": "trust-policy.json"}}}}}

    @pytest.mark.parametrize("sandbox_seed", [TEXT, MAPPING, pathlib.Path("seed.yaml")])
    def test_the_file_is_what_is_tried(sandbox, assume):
        role = "arn:aws:iam::111111111111:role/R"
        assert assume(role, by=sandbox.user("admin")).arn.endswith(":assumed-role/R/test")
"""


def test_policies_of_a_seed_are_files_beside_the_test(suite: pytest.Pytester) -> None:
    """Paths of policies in a seed are resolved against the test's folder, wherever pytest was started."""
    policy = (
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, '
        '"Action": "sts:AssumeRole"}}'
    )
    suite.makefile(".json", **{"below/trust-policy": policy})
    suite.makefile(".yaml", **{"below/seed": 'accounts: {"111111111111": {roles: {R: {trust: trust-policy.json}}}}'})
    suite.makepyfile(**{"below/test_it": FILES})

    suite.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_wrong_seed_is_an_error_with_its_line(suite: pytest.Pytester) -> None:
    """An invalid seed is an error of the test that requested it, and the error has the seed's line."""
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.sandbox_seed("accounts:\\n  '111111111111':\\n    usres: {}\\n")
        def test_it(sandbox):
            pass
        """
    )

    result = suite.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*SeedInvalid*"])
    result.stdout.fnmatch_lines(["E*:3: *`usres`*", "E*hint: did you mean `users`?"])


ROLES = """
    import pytest
    from datetime import timedelta
    from dsops.errors import AssumeRoleDenied, CredentialsError
    from dsops.testing import allow, trust

    @pytest.fixture
    def alice(sandbox_account):
        return sandbox_account.add_user("alice", policies=[allow("sts:AssumeRole")])

    def test_a_role_is_assumed_by_an_allowed_caller(sandbox, sandbox_account, alice, assume):
        target = sandbox.account("222222222222")
        role = target.add_role("Target", trust=trust(sandbox_account.root_arn, external_id="an-id"))

        assert assume(role, by=alice, external_id="an-id", session_name="s1").arn == (
            "arn:aws:sts::222222222222:assumed-role/Target/s1"
        )
        with pytest.raises(AssumeRoleDenied) as refused:
            assume(role, by=alice, external_id="another")
        assert "the sandbox knows the reason: `sandbox.decisions()[-1]`" in refused.value.__notes__
        with pytest.raises(AssumeRoleDenied):
            assume(role, by=sandbox_account.add_user("bob"), external_id="an-id")
        assert [one["is_allowed"] for one in sandbox.decisions()] == [True, False, False]

    def test_a_session_ends_by_the_frozen_clock(sandbox_clock, sandbox_account, alice, assume):
        session = assume(sandbox_account.add_role("R", trust=trust(sandbox_account.root_arn)), by=alice)
        before = sandbox_clock.now()

        assert session.arn.endswith("assumed-role/R/test")
        assert sandbox_clock.now() == before
        assert sandbox_clock.advance(3599) == before + timedelta(seconds=3599)
        assert session.arn.endswith("assumed-role/R/test")
        sandbox_clock.advance(timedelta(seconds=1))
        with pytest.raises(CredentialsError):
            session.arn

    def test_mfa(sandbox, sandbox_account, alice, assume):
        serial = sandbox_account.add_mfa_device("alice")
        only = trust(sandbox_account.root_arn, when={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
        role = sandbox_account.add_role("R", trust=only)

        with pytest.raises(AssumeRoleDenied):
            assume(role, by=alice)
        assert assume(role, by=alice, serial_number=serial, token_code=sandbox.totp(serial)).arn
        with pytest.raises(CredentialsError):
            assume(role, by=alice, serial_number=serial, token_code=sandbox.totp(serial))

    def test_what_aws_would_not_take_is_refused(sandbox, sandbox_account):
        from dsops.errors import PolicyInvalid

        with pytest.raises(ValueError, match="`12345678901` is not an account id"):
            sandbox.account("12345678901")
        with pytest.raises(PolicyInvalid):
            sandbox_account.add_role("R", trust=allow("sts:AssumeRole"))
        with pytest.raises(PolicyInvalid):
            sandbox_account.add_user("u", policies=[trust(sandbox_account.root_arn)])
"""


def test_roles_are_assumed_as_their_policies_say(suite: pytest.Pytester) -> None:
    """Role assumption respects trust policies, external IDs, MFA and time, without boto3."""
    passes(suite, ROLES, 4)


CLIENTS = """
    import os
    import subprocess
    import sys
    import pytest
    from dsops.testing import allow, deny

    READ = allow("secretsmanager:GetSecretValue", "ssm:GetParameter")
    PROGRAM = '''
    import boto3
    print(boto3.client("secretsmanager").get_secret_value(SecretId="db")["SecretString"])
    '''

    def run(environment):
        return subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("    ", "")], env=environment, capture_output=True, text=True
        )

    def test_a_programs_identity_comes_from_its_environment(sandbox_account, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "somebody-elses")
        monkeypatch.setenv("MY_OWN", "kept")
        sandbox_account.add_secret("db", {"password": "invented"})
        reader = sandbox_account.add_user("reader", policies=[READ])
        nobody = sandbox_account.add_user("nobody")

        assert reader.environment()["MY_OWN"] == "kept"
        assert "AWS_PROFILE" not in reader.environment()
        assert "invented" in run(reader.environment()).stdout
        assert "AccessDenied" in run(nobody.environment()).stderr

    def test_boto3_without_an_environment(sandbox_account):
        from botocore.exceptions import ClientError

        sandbox_account.add_parameter("/level", "info")
        parameters = sandbox_account.add_user("reader", policies=[READ]).boto3_session().client("ssm")
        assert parameters.get_parameter(Name="/level", WithDecryption=True)["Parameter"]["Value"] == "info"
        forbidden = sandbox_account.add_user("u", policies=[READ, deny("ssm:*")]).boto3_session().client("ssm")
        with pytest.raises(ClientError, match="explicit deny"):
            forbidden.get_parameter(Name="/level")

    def test_this_process_can_be_the_default_user(sandbox_environment, sandbox):
        import boto3

        assert boto3.client("sts").get_caller_identity()["Arn"] == sandbox.user().arn

    def test_and_is_itself_again_afterwards():
        assert "AWS_ENDPOINT_URL" not in os.environ
"""


def test_programs_and_boto3_talk_to_it(suite: pytest.Pytester) -> None:
    """Programs and boto3 reach the sandbox by a child's environment, a boto3 session or this process's environment."""
    passes(suite, CLIENTS, 4)


MOTO = """
    import os
    import sys

    import boto3
    import pytest

    def test_without_moto_of_its_own_the_suite_has_none(sandbox, sandbox_account):
        sandbox_account.add_user("alice")
        assert sandbox.user("alice").arn and sandbox.events()
        assert not {"moto", "waitress", "dsops.sandbox.control.server"} & set(sys.modules)

    @pytest.fixture
    def own_moto(monkeypatch):
        monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
        from moto import mock_aws
        with mock_aws():
            yield boto3.client("iam", region_name="us-east-1")

    def test_a_suites_own_moto_is_untouched(own_moto, request):
        import moto.iam.models
        user = moto.iam.models.User
        own_moto.create_user(UserName="mine")

        sandbox = request.getfixturevalue("sandbox")
        sandbox.account().add_user("ours")

        assert sandbox.user("ours").arn == "arn:aws:iam::123456789012:user/ours"
        theirs = sandbox.user().boto3_session().client("iam").list_users()["Users"]
        assert sorted(one["UserName"] for one in theirs) == ["admin", "ours"]
        mine = own_moto.list_users()["Users"]
        assert [one["Arn"] for one in mine] == ["arn:aws:iam::999999999999:user/mine"]
        assert moto.iam.models.User is user
        assert os.environ["MOTO_ACCOUNT_ID"] == "999999999999"
"""


def test_a_suite_may_use_moto_itself(suite: pytest.Pytester) -> None:
    """A test may use moto itself: its users, variables and classes are unchanged, and dsops does not import it."""
    passes(suite, MOTO, 2)


WORKERS = """
    import os
    import pytest

    @pytest.mark.parametrize("number", range(6))
    def test_each(sandbox, sandbox_account, number):
        name = f"user-{number}"
        sandbox_account.add_user(name)
        users = sandbox.user().boto3_session().client("iam").list_users()["Users"]
        assert sorted(one["UserName"] for one in users) == ["admin", name]
"""


def test_each_worker_of_xdist_has_its_own(suite: pytest.Pytester) -> None:
    """Tests in different xdist workers have separate sandboxes."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    suite.makepyfile(WORKERS)
    suite.runpytest_subprocess("-n", "2").assert_outcomes(passed=6)


KILLED = """
    import os
    import signal

    def test_it_is_killed(sandbox, _sandbox_process):
        with open("pid", "w") as file:
            file.write(str(_sandbox_process._child.pid))
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_sandbox_ends_with_a_suite_that_is_killed(suite: pytest.Pytester) -> None:
    """If the suite is killed, its sandbox ends, because the sandbox reads from a pipe that the suite holds open."""
    suite.makepyfile(KILLED)

    assert suite.runpytest_subprocess().ret == -signal.SIGKILL

    pid, end = int((suite.path / "pid").read_text()), time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < end, "the sandbox outlives its suite"
        time.sleep(0.01)


GONE = """
    import os
    import signal
    import pytest
    from dsops.errors import SandboxUnavailable

    def test_its_process_is_gone(sandbox, _sandbox_process):
        os.kill(_sandbox_process._child.pid, signal.SIGKILL)
        with pytest.raises(SandboxUnavailable, match="has ended"):
            sandbox.user()

    def test_the_next_one_has_another(sandbox):
        assert sandbox.user().arn
"""


def test_a_sandbox_whose_process_is_gone_says_so(suite: pytest.Pytester) -> None:
    """If the sandbox's process ends, the test fails with the reason, and the next test gets a new sandbox."""
    passes(suite, GONE, 2)


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended (an ended one exists until it is waited for)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(") ")[2][0] not in "ZX"
    except FileNotFoundError:
        return False


CONTRACT = """
    import pytest
    from dsops.errors import SecretNotFound
    from dsops.schema import StoreType
    from dsops.secret import Secret
    from dsops.stores import secret_store
    from dsops.testing import SecretStoreContract, SecretSubject

    class Broken:
        store_type = secret_store("literal").store_type

    VALUES = {"a": '{"user": "u-value"}', "b": "b-value"}

    class TestMine(SecretStoreContract):
        @pytest.fixture
        def subject(self):
            return SecretSubject(Broken(), lambda references: {}, VALUES, "a", "missing")
"""


def test_a_broken_contract_is_shown_in_detail(suite: pytest.Pytester) -> None:
    """A failed contract assertion shows its details in a plugin author's suite, too."""
    suite.makepyfile(CONTRACT)

    result = suite.runpytest_subprocess()

    outcomes = result.parseoutcomes()
    assert outcomes["failed"] >= 4
    assert outcomes["passed"] >= 1
    result.stdout.fnmatch_lines(["*assert {} == {*"])
