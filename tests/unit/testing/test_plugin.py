"""The pytest plugin in somebody else's suite: a folder of its own that knows nothing of this one."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """An empty suite, run in a process of its own with strict markers."""
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    return pytester


def passes(suite: pytest.Pytester, text: str, tests: int = 1) -> None:
    """Runs the file, in which that many tests have to pass and none may fail."""
    suite.makepyfile(text)
    suite.runpytest_subprocess().assert_outcomes(passed=tests)


def test_unused_it_costs_one_file(suite: pytest.Pytester) -> None:
    """No moto, no botocore, nothing else of dsops: who doesn't ask for a sandbox pays nothing for it."""
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
    """It listens while the test runs, and is gone after it with all that was in it."""
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
    """A fixture of that name, a mark, a parameter; a mapping, YAML text, a file."""
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
    """Whether the seed is a text, a mapping or a file itself, and wherever pytest was started."""
    policy = (
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, '
        '"Action": "sts:AssumeRole"}}'
    )
    suite.makefile(".json", **{"below/trust-policy": policy})
    suite.makefile(
        ".yaml", **{"below/seed": 'accounts: {"111111111111": {roles: {R: {trust: trust-policy.json}}}}'}
    )
    suite.makepyfile(**{"below/test_it": FILES})

    suite.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_wrong_seed_is_told_with_its_line(suite: pytest.Pytester) -> None:
    """As an error of the test that asked for it."""
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

    def test_a_role_is_assumed_by_whoever_may(sandbox, sandbox_account, alice, assume):
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
    """Accounts, trust, external IDs, MFA and time, without boto3."""
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

    def test_a_program_is_whoever_its_environment_says(sandbox_account, monkeypatch):
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
    """By an environment for a child, a session of boto3's, or this process's own environment."""
    passes(suite, CLIENTS, 4)


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


def test_a_store_that_breaks_the_contract_is_told_how(suite: pytest.Pytester) -> None:
    """The contract's assertions explain themselves in a plugin author's suite too."""
    suite.makepyfile(CONTRACT)

    result = suite.runpytest_subprocess()

    outcomes = result.parseoutcomes()
    assert outcomes["failed"] >= 4
    assert outcomes["passed"] >= 1
    result.stdout.fnmatch_lines(["*assert {} == {*"])
