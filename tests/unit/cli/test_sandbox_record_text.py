"""Authorization decisions of a sandbox, printed as text."""

from __future__ import annotations

from typing import Any

from dsops.cli.sandbox.record_text import decision_lines, event_line

TRUST = "the trust policy of role Deploy"


def denied(*near: dict[str, Any], note: str = "") -> list[str]:
    """The lines about a refused role, without the lines about the request."""
    reason = {
        "policy_type": "role trust policy",
        "level": 0,
        "effect": "ImplicitDeny",
        "note": note,
        "matched": [],
        "near": near,
    }
    return decision_lines(
        {
            "time": "2026-07-13T10:00:00Z",
            "request_id": "r",
            "caller": "c",
            "is_allowed": False,
            "action": "a",
            "resource": "*",
            "decided_by": "role trust policy",
            "policy": None,
            "statement": None,
            "reasons": [reason],
        }
    )[3:]


def told(line: int, **failure: Any) -> list[str]:
    """The lines about a trust policy statement that did not match because of the given failure."""
    near = {
        "policy": TRUST,
        "statement": 1,
        "sid": "",
        "line": line,
        "effect": "Allow",
        "failures": [
            {"element": "Condition", "operator": "", "key": "", "actual": None, "hint": "", "line": line} | failure
        ],
    }
    return denied(near)[2:]


def test_what_a_condition_wants_stands_beside_what_the_request_has() -> None:
    """A failed condition shows the expected and the actual value, with the line in the policy document."""
    assert told(4, operator="StringLike", key="sts:RoleSessionName", wanted=["a*", "b*"], actual=["x"]) == [
        f"    {TRUST}, statement 1, line 4, Allow, does not apply:",
        "      line 4: Condition StringLike sts:RoleSessionName wants a* or b*; the request has x",
    ]


def test_a_document_without_line_breaks_has_no_lines_to_tell() -> None:
    """No line numbers are shown for a document without line breaks."""
    assert told(1, operator="Bool", key="aws:MultiFactorAuthPresent", wanted=["true"]) == [
        f"    {TRUST}, statement 1, Allow, does not apply:",
        "      Condition Bool aws:MultiFactorAuthPresent wants true; the request has none",
    ]


def test_a_negated_operator_wants_anything_but_its_values() -> None:
    """For a negated operator the text shows `anything but` before the operator's values."""
    key = "aws:PrincipalOrgID"
    assert told(1, operator="StringNotEqualsIfExists", key=key, wanted=["o-1"], actual=["o-1"])[1] == (
        "      Condition StringNotEqualsIfExists aws:PrincipalOrgID wants anything but o-1; the request has o-1"
    )


def test_an_element_that_a_statement_lacks_is_missing() -> None:
    """An element that a statement lacks is shown as missing."""
    assert told(1, element="Principal", wanted=[], actual=["c"])[1] == "      Principal is missing; the request has c"


def test_where_there_is_nothing_that_could_allow_the_first_line_says_so() -> None:
    """If no statement could allow the request, the first line says so, before the organization's policies."""
    assert denied(note="no role has this ARN") == [
        "  because no role trust policy allows it: no role has this ARN",
        "  role trust policy does not allow it (no role has this ARN)",
    ]
    near = {"policy": TRUST, "statement": 1, "sid": "", "line": 1, "effect": "Allow", "failures": []}
    assert denied(near, note="of something else")[0] == "  because no role trust policy allows it"


def test_an_event_of_identity_center_names_its_user_and_the_role() -> None:
    """The text of an Identity Center event names the user by id and the role from the event's details."""
    record = {
        "eventTime": "2026-07-13T10:00:00Z",
        "recipientAccountId": "111111111111",
        "eventSource": "sso.amazonaws.com",
        "eventName": "GetRoleCredentials",
        "requestParameters": None,
        "userIdentity": {"type": "IdentityCenterUser", "onBehalfOf": {"userId": "1234567890-a"}},
        "serviceEventDetails": {"role_name": "Reader", "account_id": "222222222222"},
    }
    assert event_line(record) == "2026-07-13T10:00:00Z  111111111111  1234567890-a  sso:GetRoleCredentials Reader"
