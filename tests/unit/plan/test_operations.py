"""A store's keys determine its STS operation, and each operation accepts certain keys only."""

from __future__ import annotations

import pytest

from dsops.errors import ConfigError, LimitExceeded
from dsops.plan import Plan, Proof
from dsops.secret import Secret
from tests.plans import LONG_TERM, TEMPORARY, UNKNOWN, plan_of

ROLE = "arn:aws:iam::111111111111:role/R"
PROVIDER = "arn:aws:iam::111111111111:saml-provider/Company"
TASK = "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"
DEVICE = "arn:aws:iam::111111111111:mfa/ada"
ASSERTED = Proof("the assertion of `saml_process`", "digest", is_fetched=True)


def planned(fields: str, **options: object) -> Plan:
    """Return the plan of one store with these fields."""
    text = f"secretStores: {{s: {{type: aws.sts, region: us-east-1{', ' if fields else ''}{fields}}}}}"
    return plan_of(text, store="s", proof=lambda *_: ASSERTED, **options)  # type: ignore[arg-type]


def problems_of(fields: str, **options: object) -> list[str]:
    """Return the path and message of each problem."""
    with pytest.raises(ConfigError) as caught:
        planned(fields, **options)
    return [f"{problem.path.removeprefix('secretStores.s.')}: {problem.message}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("fields", "operation", "seconds"),
    [
        ("", "GetSessionToken", 43200),
        (f"serial_number: '{DEVICE}'", "GetSessionToken", 43200),
        (f"role_arn: '{ROLE}'", "AssumeRole", 3600),
        (f"role_arn: '{ROLE}', web_identity: github", "AssumeRoleWithWebIdentity", 3600),
        (f"role_arn: '{ROLE}', saml_process: p", "AssumeRoleWithSAML", 3600),
        ("saml_process: p", "AssumeRoleWithSAML", 3600),
        ("federated_user_name: ada, session_policy: '{}'", "GetFederationToken", 43200),
        (f"target_principal: '111111111111', task_policy_arn: '{TASK}'", "AssumeRoot", 900),
    ],
)
def test_the_operation_follows_from_the_keys(fields: str, operation: str, seconds: int) -> None:
    """The store's keys or its `operation` determine the STS operation; the default duration is AWS's."""
    fields = fields.replace("'{}'", '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}')
    step = planned(fields).steps["s"]
    assert (step.operation, step.settings["duration_seconds"]) == (operation, seconds)
    written = planned(f"operation: {operation}, {fields}".rstrip(", ")).steps["s"]
    assert (written.operation, written.fingerprint) == (operation, step.fingerprint)
    assert "operation" not in written.settings


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("external_id: abcd", ": `role_arn` is missing"),
        ("role_session_name: abcd", ": `role_arn` is missing"),
        ("session_policy: '{}'", ": `role_arn` is missing"),
        ("web_identity: github", ": `role_arn` is missing"),
        ("operation: AssumeRole", ": `role_arn` is missing"),
        ("operation: GetFederationToken", ": `federated_user_name` is missing"),
        ("target_principal: '111111111111'", ": `task_policy_arn` is missing"),
        (f"task_policy_arn: '{TASK}'", ": `target_principal` is missing"),
        (f"operation: GetSessionToken, role_arn: '{ROLE}'", "role_arn: `role_arn` does not go with GetSessionToken"),
        (
            "operation: GetSessionToken, external_id: abcd",
            "external_id: `external_id` does not go with GetSessionToken: without `role_arn` it is the user's own",
        ),
        ("operation: GetSessionToken, saml_process: p", "operation: GetSessionToken takes no assertion"),
        ("federated_user_name: ada, external_id: abcd", "external_id: `external_id` does not go with"),
        (f"federated_user_name: ada, serial_number: '{DEVICE}'", "serial_number: `serial_number` does not go with"),
        (
            f"target_principal: '111111111111', task_policy_arn: '{TASK}', tags: {{a: b}}",
            "tags: `tags` does not go with AssumeRoot: AssumeRoot takes none",
        ),
        (
            f"role_arn: '{ROLE}', saml_process: p, role_session_name: ada",
            "role_session_name: `role_session_name` does not go with `saml_process`: it comes from the assertion",
        ),
        (
            f"role_arn: '{ROLE}', saml_process: p, profile: ada",
            "profile: `profile` does not go with `saml_process`: the call is not signed",
        ),
        (
            f"role_arn: '{ROLE}', saml_process: p, saml_assertion_file: f",
            "saml_process: `saml_assertion_file` and `saml_process` name two assertions",
        ),
        (
            f"role_arn: '{ROLE}', saml_process: p, web_identity: github",
            "saml_process: `web_identity` is a token and `saml_process` an assertion",
        ),
        (f"role_arn: '{ROLE}', principal_arn: '{PROVIDER}'", "principal_arn: `principal_arn` does not go with"),
        ("saml_login_url: https://idp.example.com/", "saml_login_url: `saml_login_url` needs `role_arn`"),
        (
            f"role_arn: '{ROLE}', saml_process: p, saml_login_port: 35001",
            "saml_login_port: `saml_login_port` goes with `saml_login_url`",
        ),
        (
            f"role_arn: '{ROLE}', saml_login_url: 'http://idp.example.com/'",
            "saml_login_url: `saml_login_url` takes an https address",
        ),
        (f"role_arn: '{ROLE}', operation: AssumeRol", "operation: `operation` is one of AssumeRoleWithWebIdentity"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: str, problem: str) -> None:
    """Keys that cannot be combined are refused before any call; one error names the key."""
    fields = fields.replace("'{}'", '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}')
    if "missing" in problem:
        problem = f"secretStores.s{problem}"
    assert [True] == [found.startswith(problem) for found in problems_of(fields)]


@pytest.mark.parametrize(
    ("fields", "good", "bad", "limit"),
    [
        (f"role_arn: '{ROLE}'", 43200, 43201, "the most is 43200 (the AssumeRole API reference)"),
        (f"role_arn: '{ROLE}'", 900, 899, "the least is 900 (the AssumeRole API reference)"),
        ("", 129600, 129601, "the most is 129600 (the GetSessionToken API reference)"),
        ("", 900, 899, "the least is 900 (the GetSessionToken API reference)"),
        ("federated_user_name: ada", 129600, 129601, "the most is 129600 (the GetFederationToken API reference)"),
        (
            f"target_principal: '111111111111', task_policy_arn: '{TASK}'",
            900,
            901,
            "the most is 900 (the AssumeRoot API reference)",
        ),
        ("saml_process: p", 43200, 43201, "the most is 43200 (the AssumeRoleWithSAML API reference)"),
    ],
)
def test_each_operation_has_its_own_limits(fields: str, good: int, bad: int, limit: str) -> None:
    """A role's session lasts at most 12 hours; a session of GetSessionToken lasts at most 36 hours."""
    together = f"{fields}, duration_seconds: " if fields else "duration_seconds: "
    assert planned(f"{together}{good}").steps["s"].settings["duration_seconds"] == good
    (problem,) = problems_of(f"{together}{bad}")
    assert limit in problem


@pytest.mark.parametrize("fields", ["", "federated_user_name: ada"])
def test_a_users_session_is_not_had_with_a_session(fields: str) -> None:
    """GetSessionToken with temporary base credentials is refused as soon as the credentials are known."""
    with pytest.raises(LimitExceeded) as caught:
        planned(fields, ambient=TEMPORARY)
    assert "takes a user's long-term key and no session" in caught.value.problems[0].message
    assert planned(fields, ambient=UNKNOWN).steps["s"]
    assert planned(fields, ambient=LONG_TERM).steps["s"]


def test_a_role_behind_any_session_is_a_chained_one() -> None:
    """A role assumed with any session (user, federated user, assertion) is chained: one hour at most."""
    for first in (f"serial_number: '{DEVICE}'", "saml_process: p"):
        text = (
            f"secretStores:\n  s: {{type: aws.sts, region: us-east-1, {first}}}\n"
            f"  next: {{type: aws.sts, role_arn: '{ROLE}', credentials_from: s, duration_seconds: 7200}}\n"
        )
        with pytest.raises(LimitExceeded, match="next") as caught:
            plan_of(text, store="next", proof=lambda *_: ASSERTED)
        assert "chained" in caught.value.problems[0].message
        shorter = plan_of(text.replace("7200", "3600"), store="next", proof=lambda *_: ASSERTED)
        assert shorter.steps["next"].is_chained is True


def test_a_federated_user_without_a_policy_may_do_nothing_and_the_plan_says_so() -> None:
    """For a federated user without a policy the plan notes that the session may do nothing."""
    assert "may do nothing" in planned("federated_user_name: ada").notes[0]
    policy = '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}'
    assert planned(f"federated_user_name: ada, session_policy: {policy}").notes == ()


def test_a_partition_that_does_not_fit_is_refused() -> None:
    """An ARN of another partition is refused, in any field that STS receives."""
    gov = TASK.replace("arn:aws:", "arn:aws-us-gov:")
    assert (
        "`task_policy_arn` is in the partition aws-us-gov"
        in problems_of(f"target_principal: '111111111111', task_policy_arn: '{gov}'")[0]
    )


def test_assertions_of_context_providers_are_secrets() -> None:
    """Context assertions are Secrets, because anyone who has one can act for its user."""
    provider = "arn:aws:iam::aws:contextProvider/IdentityCenter"
    step = planned(f"role_arn: '{ROLE}', provided_contexts: {{'{provider}': signed}}").steps["s"]
    assert step.settings["provided_contexts"] == ((provider, Secret("signed")),)
    other = planned(f"role_arn: '{ROLE}', provided_contexts: {{'{provider}': another}}").steps["s"]
    assert other.fingerprint != step.fingerprint
