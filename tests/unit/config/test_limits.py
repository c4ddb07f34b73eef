"""Checks of AWS's limits that need no environment variables."""

from __future__ import annotations

from dsops.config.limits import check_limits
from dsops.schema import BUILTIN_TYPES
from tests.unit.config.conftest import Configured

ROLE = "arn:aws:iam::123456789012:role/App"


def told(configured: Configured, text: str) -> list[tuple[int, str]]:
    """Return the line and path of each exceeded limit."""
    return [(check_limit.where.line, check_limit.path) for check_limit in check_limits(configured(text), BUILTIN_TYPES)]


def test_an_inherited_field_is_told_once(configured: Configured) -> None:
    """An inherited value is reported once, however many stores inherit it."""
    text = (
        "defaults: {aws.sts: {duration_seconds: 1}}\n"
        "secretStores:\n"
        f"  a: {{type: aws.sts, role_arn: '{ROLE}'}}\n"
        f"  b: {{type: aws.sts, role_arn: '{ROLE}'}}\n"
    )
    assert told(configured, text) == [(1, "secretStores.a.duration_seconds")]


def test_what_depends_on_a_variable_is_not_judged(configured: Configured) -> None:
    """The limit of a value is not checked if the value, or one that it must agree with, contains a variable."""
    good = f"secretStores:\n  a: {{type: aws.sts, role_arn: '{ROLE}', serial_number: '${{S}}', token_code: '123456'}}\n"
    assert told(configured, good) == []
    bad = good.replace("serial_number: '${S}'", "region: us-east-1")
    assert told(configured, bad) == [(2, "secretStores.a.token_code")]


def test_escapes_are_read_as_what_they_stand_for(configured: Configured) -> None:
    """`$${` is checked as `${`, which is its value after interpolation."""
    text = f"secretStores:\n  a: {{type: aws.sts, role_arn: '{ROLE}', role_session_name: '$${{A}}'}}\n"
    limits = check_limits(configured(text), BUILTIN_TYPES)
    assert ["`$` stands at position 1" in limit.message for limit in limits] == [True]


def test_stores_of_unknown_types_have_none(configured: Configured) -> None:
    """The fields of stores of unknown types are not checked against limits."""
    assert told(configured, "secretStores: {v: {type: vault, duration_seconds: 1}}") == []


def test_a_session_policy_is_read_as_a_policy(configured: Configured) -> None:
    """A session policy is checked as a policy.

    Problems have the line of the element, or the line within the policy's text.
    """
    head = f"secretStores:\n  a:\n    type: aws.sts\n    role_arn: {ROLE}\n"
    good = "{Effect: Allow, Action: 's3:*', Resource: '*'}"
    policy = f"    session_policy:\n      Version: '2012-10-17'\n      Statement: {good}\n"
    assert told(configured, head + policy) == []
    bad = check_limits(configured(head + policy.replace("Action", "Aktion")), BUILTIN_TYPES)
    assert (bad[0].where.line, bad[0].path) == (7, "secretStores.a.session_policy")
    assert bad[0].hint == "did you mean `Action`?"
    text = '    session_policy: \'{"Version": "2012-10-17"}\'\n'
    (missing,) = check_limits(configured(head + text), BUILTIN_TYPES)
    assert (missing.where.line, missing.message) == (5, "`Statement` is missing (line 1 of the policy)")
    assert told(configured, head + text.replace("2012-10-17", "${VERSION}")) == []


def test_a_chain_is_judged_as_far_as_it_is_written(configured: Configured) -> None:
    """A chained role's limit of one hour is checked if the configuration contains the chain.

    Keyring keys are long-term keys, so a role assumed with them is not chained.
    """
    jump = f"secretStores:\n  jump: {{type: aws.sts, role_arn: '{ROLE}'}}\n  key: {{type: aws.keys, key_name: k}}\n"
    role = f"  t: {{type: aws.sts, role_arn: '{ROLE}', credentials_from: {{}}, duration_seconds: {{}}}}\n"
    assert told(configured, jump + role.replace("{}", "jump", 1).replace("{}", "3601")) == [
        (4, "secretStores.t.duration_seconds")
    ]
    own = "  t: {type: aws.sts, credentials_from: jump, duration_seconds: 900}\n"
    assert told(configured, jump + own) == [(4, "secretStores.t")]
    for source, seconds in (("jump", "3600"), ("jump", "${SECONDS}"), ("key", "43200")):
        text = role.replace("{}", source, 1).replace("{}", f"'{seconds}'")
        assert told(configured, jump + text) == [], source


def test_tags_and_policies_are_judged_together(configured: Configured) -> None:
    """The limits of tags and the account of managed policies are checked without a plan."""
    store = f"secretStores:\n  a: {{type: aws.sts, role_arn: '{ROLE}', "
    other = "arn:aws:iam::111111111111:policy/P"
    assert told(configured, store + "tags: {'AWS:x': y}}\n") == [(2, "secretStores.a.tags")]
    assert told(configured, store + f"policy_arns: ['{other}']}}\n") == [(2, "secretStores.a.policy_arns")]
    assert told(configured, store + f"policy_arns: ['{other.replace('111111111111', 'aws')}']}}\n") == []
