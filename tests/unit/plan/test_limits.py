"""Values beyond AWS's limits are refused with the limit and its source; dsops never changes them silently."""

from __future__ import annotations

import json

import pytest

from dsops.errors import ConfigError, LimitExceeded, PolicyInvalid
from tests.plans import LONG_TERM, TEMPORARY, UNKNOWN, plan_of

ROLE = "arn:aws:iam::222222222222:role/R"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}'


def store(*fields: str, role: str = ROLE) -> str:
    """Return a configuration of one role with these fields, one per line from line 4 on."""
    lines = ["secretStores:", "  r:", f'    {{type: aws.sts, role_arn: "{role}"' + ("," if fields else "}")]
    return "\n".join([*lines, ",\n".join(f"    {field}" for field in fields) + ("}" if fields else "")])


def refusal(text: str, **options: object) -> list[tuple[int, str]]:
    """Return the line and message of each problem of the role."""
    with pytest.raises(ConfigError) as caught:
        plan_of(text, store="r", **options)  # type: ignore[arg-type]
    return [(problem.where.line, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize("seconds", [900, 3600, 43200])
def test_durations_within_the_limits_are_planned(seconds: int) -> None:
    """Durations from 900 seconds to 12 hours inclusive are accepted."""
    step = plan_of(store(f"duration_seconds: {seconds}"), store="r").steps["r"]
    assert step.settings["duration_seconds"] == seconds


@pytest.mark.parametrize(("seconds", "limit"), [(899, "900"), (43201, "43200"), (86400, "43200"), (-900, "900")])
def test_a_duration_beyond_the_limits_is_refused(seconds: int, limit: str) -> None:
    """A duration beyond the limits is refused; the error has the limit, its source and the line."""
    ((line, message),) = refusal(store(f"duration_seconds: {seconds}"))
    assert line == 4
    assert str(seconds) in message
    assert limit in message
    assert "the AssumeRole API reference" in message


def test_a_chained_role_gets_one_hour() -> None:
    """A chained role may last at most one hour; the plan refuses a longer duration before any call."""
    chain = f"""
secretStores:
  jump: {{type: aws.sts, role_arn: "{ROLE}", duration_seconds: 43200}}
  r: {{type: aws.sts, role_arn: "{ROLE}", credentials_from: jump, duration_seconds: SECONDS}}
"""
    assert plan_of(chain.replace("SECONDS", "3600"), store="r").steps["r"].is_chained
    ((line, message),) = refusal(chain.replace("SECONDS", "3601"))
    assert line == 4
    assert message == (
        "3601 is over 3600 seconds (1 hour), the most that a chained role gets, whatever maximum the role has "
        "(the AssumeRole API reference); its credentials come from `jump`"
    )


def test_temporary_base_credentials_limit_the_first_hop_to_one_hour() -> None:
    """Temporary base credentials limit the first hop to one hour, which is checked as soon as they are known."""
    text = store("duration_seconds: 7200")
    assert plan_of(text, store="r", ambient=LONG_TERM).steps
    assert plan_of(text, store="r", ambient=UNKNOWN).steps["r"].is_chained is None
    ((_, message),) = refusal(text, ambient=TEMPORARY)
    assert message.endswith("the base credentials are temporary (environment)")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("DOMAIN\\\\ada", "`\\` stands at position 7"),
        ("ada lovelace", "white space stands at position 4"),
        ("a/b", "`/` stands at position 2"),
        ("ada:1", "`:` stands at position 4"),
        ("añó", "`ñ` stands at position 2"),
        ("x", "the least is 2"),
        ("x" * 65, "the most is 64"),
    ],
)
def test_a_session_name_that_the_user_wrote_is_never_changed(name: str, shown: str) -> None:
    """A session name with an invalid character is refused.

    The error names the character, even if a variable supplied it.
    """
    ((_, message),) = refusal(store(f'role_session_name: "{name}"'))
    assert shown in message
    ((_, message),) = refusal(store('role_session_name: "${N}"'), environ={"N": name.replace("\\\\", "\\")})
    assert shown in message


def test_a_session_name_of_allowed_characters_is_kept() -> None:
    """A session name keeps every character that AWS allows."""
    step = plan_of(store('role_session_name: "a_+=,.@-Z9"'), store="r").steps["r"]
    assert step.settings["role_session_name"] == "a_+=,.@-Z9"


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "\uff11\uff12\uff13\uff14\uff15\uff16"])
def test_a_code_that_is_not_six_digits_is_refused_without_being_shown(code: str) -> None:
    """An MFA code that is not six digits is refused; the error does not show the code."""
    fields = ("serial_number: arn:aws:iam::222222222222:mfa/ada", 'token_code: "${C}"')
    ((line, message),) = refusal(store(*fields), environ={"C": code})
    assert (line, message) == (5, "`token_code` takes six digits")


def test_leading_zeros_of_a_code_stay() -> None:
    """An MFA code keeps its leading zeros, even if it is not quoted in YAML."""
    step = plan_of(store("serial_number: arn:aws:iam::222222222222:mfa/ada", "token_code: 001234"), store="r").steps[
        "r"
    ]
    code = step.settings["token_code"]
    assert getattr(code, "reveal", str)() == "001234"


def test_an_unset_code_is_asked_for_later() -> None:
    """If the variable of an MFA code is unset or empty, the plan keeps the variable's name for a later prompt."""
    text = store("serial_number: arn:aws:iam::222222222222:mfa/ada", "token_code: '${MFA_TOKEN}'")
    for environ in ({}, {"MFA_TOKEN": ""}):
        settings = plan_of(text, store="r", environ=environ).steps["r"].settings
        assert "token_code" not in settings
        assert settings["token_code_variable"] == "MFA_TOKEN"
    demanded = text.replace("${MFA_TOKEN}", "${MFA_TOKEN:?run ykman}")
    ((_, message),) = refusal(demanded, environ={})
    assert "run ykman" in message


@pytest.mark.parametrize(("length", "is_good"), [(1, False), (2, True), (1224, True), (1225, False)])
def test_external_ids_have_2_to_1224_characters(length: int, *, is_good: bool) -> None:
    """An external ID must have 2 to 1224 characters; no error message shows it."""
    text = store("external_id: '${E}'")
    if is_good:
        assert plan_of(text, store="r", environ={"E": "x" * length}).steps
    else:
        ((_, message),) = refusal(text, environ={"E": "x" * length})
        assert "xx" not in message


def test_a_role_and_a_region_of_two_partitions_never_meet() -> None:
    """A role and a region of different partitions are refused.

    Without a region, the role's ARN decides the partition.
    """
    ((_, message),) = refusal(store("region: us-east-1", role=ROLE.replace("arn:aws:", "arn:aws-us-gov:")))
    assert message == "the role is in the partition aws-us-gov, and the region us-east-1 in aws"
    assert plan_of(store("region: us-gov-west-1", role=ROLE.replace("arn:aws:", "arn:aws-us-gov:")), store="r").steps


@pytest.mark.parametrize(
    "role",
    [
        "arn:aws:iam::22222222222:role/R",
        "arn:aws:iam::222222222222:user/ada",
        "arn:aws:sts::222222222222:assumed-role/R/session",
        "arn:aws:iam:us-east-1:222222222222:role/R",
        "R",
        "arn:aws:iam::222222222222:role/",
    ],
)
def test_what_is_not_the_arn_of_a_role_is_refused(role: str) -> None:
    """A value that is not a role ARN is refused."""
    assert any("role" in message for _, message in refusal(store(role=role)))


# --- session policies ---------------------------------------------------------------------------------------


def test_a_session_policy_is_checked_as_a_policy() -> None:
    """A session policy, as text or mapping, is checked as a policy with line numbers."""
    assert plan_of(store(f"session_policy: '{POLICY}'"), store="r").steps
    for wrong in (f"'{POLICY.replace('Deny', 'Forbid')}'", POLICY.replace("Deny", "Forbid")):
        with pytest.raises(PolicyInvalid, match="store `r`") as caught:
            plan_of(store(f"session_policy: {wrong}"), store="r")
        (problem,) = caught.value.problems
        assert problem.where.line == 4
        assert "`Forbid` is neither `Allow` nor `Deny`" in problem.message


@pytest.mark.parametrize("text", ["not json", "{", "[]", '{"a": 1,}'])
def test_a_session_policy_that_is_not_a_json_object_is_refused(text: str) -> None:
    """A session policy that is not a JSON object is refused; the error names its line."""
    assert all(line == 4 for line, _ in refusal(store(f"session_policy: '{text}'")))


def sized_policy(size: int) -> str:
    """Return a valid policy of this many characters as compact JSON."""
    statement = {"Sid": "", "Effect": "Deny", "Action": "iam:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    statement["Sid"] = "x" * (size - len(json.dumps(policy, separators=(",", ":"))))
    return json.dumps(policy, separators=(",", ":"))


def test_session_policies_have_2048_characters_together() -> None:
    """Inline and managed session policies may have 2048 characters together, not counting white space."""
    arn = "arn:aws:iam::222222222222:policy/" + "p" * 17
    assert plan_of(store(f"session_policy: '{sized_policy(2048)}   '"), store="r").steps
    assert "2048" in refusal(store(f"session_policy: '{sized_policy(2049)}'"))[0][1]
    assert plan_of(store(f"session_policy: '{sized_policy(1998)}'", f"policy_arns: ['{arn}']"), store="r").steps
    ((_, message),) = refusal(store(f"session_policy: '{sized_policy(1999)}'", f"policy_arns: ['{arn}']"))
    assert "2049 characters together" in message


def test_managed_policies_are_of_the_roles_account() -> None:
    """Managed session policies must belong to the role's account or to AWS; at most ten are allowed."""
    good = ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::222222222222:policy/P"]
    assert plan_of(store(f"policy_arns: {good}"), store="r").steps
    ((_, message),) = refusal(store("policy_arns: ['arn:aws:iam::333333333333:policy/P']"))
    assert "of another account than the role, 222222222222" in message
    assert "the most is 10" in refusal(store(f"policy_arns: {[good[0]] * 11}"))[0][1]


# --- tags ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("{" + ", ".join(f"k{n}: v" for n in range(51)) + "}", "the most is 50"),
        ("{" + "k" * 129 + ": v}", "the most is 128"),
        ("{k: " + "v" * 257 + "}", "the most is 256"),
        ("{'aws:k': v}", "begins with `aws:`"),
        ("{'AWS:k': v}", "begins with `aws:`"),
        ("{Team: a, team: b}", "ignores case"),
        ("{'k!': v}", "`!`"),
    ],
)
def test_tags_that_aws_would_refuse_are_refused(tags: str, expected: str) -> None:
    """Tags beyond AWS's limits (number, length, characters, reserved or repeated keys) are refused."""
    assert expected in refusal(store(f"tags: {tags}"))[0][1]


def test_tags_within_the_limits_are_planned() -> None:
    """Fifty tags of full length are accepted, and so are tags with empty values."""
    tags = "{" + ", ".join(f"{'k' * 126}{n:02}: {'v' * 256}" for n in range(49)) + ", empty: ''}"
    assert len(plan_of(store(f"tags: {tags}"), store="r").steps["r"].settings["tags"]) == 50  # type: ignore[arg-type]


def test_transitive_keys_are_among_the_tags() -> None:
    """Transitive tag keys must be among the tags, ignoring case as AWS does."""
    assert plan_of(store("tags: {Team: a}", "transitive_tag_keys: [team]"), store="r").steps
    ((_, message),) = refusal(store("tags: {Team: a}", "transitive_tag_keys: [project]"))
    assert "`project`" in message


@pytest.mark.parametrize(
    ("value", "is_good"), [("ab", True), ("x" * 256, True), ("x" * 257, False), ("a", False), ("a:b", False)]
)
def test_a_source_identity_has_2_to_256_characters(value: str, *, is_good: bool) -> None:
    """A source identity has 2 to 256 characters and no colon (so it cannot begin with `aws:`)."""
    text = store(f"source_identity: '{value}'")
    if is_good:
        assert plan_of(text, store="r").steps
    else:
        with pytest.raises(LimitExceeded):
            plan_of(text, store="r")


def test_a_session_policy_that_only_denies_is_noted() -> None:
    """For a session policy with only Deny statements the plan notes that the session may do nothing."""
    both = POLICY.replace("[{", '[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {')

    (note,) = plan_of(store(f"session_policy: '{POLICY}'"), store="r").notes
    assert "only denies" in note
    assert plan_of(store(f"session_policy: '{both}'"), store="r").notes == ()


TWO = """
secretStores:
  one: {{type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/R", role_session_name: ada{first}}}
  two: {{type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/R", role_session_name: {name}{second}}}
envs:
  production:
    A: {{from: {{store: one, key: access_key_id}}}}
    B: {{from: {{store: two, key: access_key_id}}}}
"""


def two_stores(first: str = "", second: str = "", name: str = "ada") -> tuple[str, ...]:
    """Return the plan's notes on two stores of one role."""
    return plan_of(TWO.format(first=first, second=second, name=name)).notes


@pytest.mark.parametrize(
    ("second", "differing"),
    [
        (", tags: {team: red}", "`tags`"),
        (f", session_policy: '{POLICY.replace('Deny', 'Allow')}'", "`session_policy`"),
        (", policy_arns: ['arn:aws:iam::aws:policy/ReadOnlyAccess'], tags: {a: b}", "`policy_arns` and `tags`"),
    ],
)
def test_sessions_that_cant_be_told_apart_are_noted(second: str, differing: str) -> None:
    """The plan has a note if two stores share role and session name but not rights.

    AWS's logs can't tell the two sessions apart.
    """
    (note,) = two_stores(second=second)
    assert note.startswith(f"`one` and `two` (dsops.yaml:4) differ in {differing}, and both are ada of {ROLE}: ")


def test_sessions_that_may_share_a_name_are_not_noted() -> None:
    """Two equal sessions, or sessions that differ in name or only in duration, get no note."""
    assert two_stores() == ()
    assert two_stores(first=", tags: {a: b, c: d}", second=", tags: {c: d, a: b}") == ()
    assert two_stores(second=", tags: {team: red}", name="bob") == ()
    assert two_stores(second=", duration_seconds: 900") == ()
