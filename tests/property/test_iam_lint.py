"""Runs the linter on any document, and compares its pattern overlap with an exhaustive search."""

from __future__ import annotations

import json
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from dsops.document import parse_json
from dsops.policy.linting import RULES, lint
from dsops.policy.linting.patterns import glob, overlap
from tests.unit.policy.linting.reference import FewServices

_TEXTS = ["".join(letters) for length in range(9) for letters in product("ab", repeat=length)]


@given(st.text("ab*?", max_size=4), st.text("ab*?", max_size=4))
def test_two_patterns_overlap_when_a_text_matches_both(left: str, right: str) -> None:
    """Two patterns overlap if and only if both match a text no longer than all their characters except `*`."""
    is_left, is_right = glob(left), glob(right)
    longest = sum(character != "*" for character in left + right)
    found = any(is_left(text) and is_right(text) for text in _TEXTS if len(text) <= longest)

    assert overlap(left, right) is found
    assert overlap(right, left) is found


_WORDS = st.sampled_from(
    [
        "Version",
        "2012-10-17",
        "2008-10-17",
        "Statement",
        "Sid",
        "Effect",
        "Allow",
        "Deny",
        "Principal",
        "NotPrincipal",
        "AWS",
        "Service",
        "Federated",
        "*",
        "arn:aws:iam::111122223333:root",
        "AIDAI23HXD3MBVD4EFPWX",
        "sns.amazonaws.com",
        "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com",
        "Action",
        "NotAction",
        "sts:AssumeRole",
        "sts:AssumeRoleWithWebIdentity",
        "s3:Get*",
        "s3:GetObject",
        "Resource",
        "NotResource",
        "arn:aws:s3:::b/${aws:x}",
        "arn:aws:s3:::b",
        "Condition",
        "StringEquals",
        "ForAllValues:StringLikeIfExists",
        "Null",
        "Bool",
        "IpAddress",
        "aws:SourceIp",
        "10.0.0.0/8",
        "::/0",
        "aws:userid",
        "aws:PrincipalArn",
        "aws:MultiFactorAuthPresent",
        "true",
        "token.actions.githubusercontent.com:sub",
        "repo:*",
        "repo:a/b:*",
        "sts:ExternalId",
        "aws:TagKeys",
        "",
        "a.b:c",
    ]
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), _WORDS, st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_WORDS, inner, max_size=4)),
    max_leaves=30,
)
_STATEMENT = st.fixed_dictionaries(
    {},
    optional={
        "Sid": _WORDS,
        "Effect": st.sampled_from(["Allow", "Deny", "allow"]),
        "Principal": _JSON,
        "NotPrincipal": _JSON,
        "Action": _JSON,
        "NotAction": _JSON,
        "Resource": _JSON,
        "NotResource": _JSON,
        "Condition": st.dictionaries(_WORDS, st.one_of(_JSON, st.dictionaries(_WORDS, _JSON, max_size=3)), max_size=3),
    },
)
_POLICY = st.one_of(
    _JSON,
    st.fixed_dictionaries(
        {"Version": st.sampled_from(["2012-10-17", "2008-10-17", ""]), "Statement": st.lists(_STATEMENT, max_size=3)}
    ),
)
_KINDS = st.sampled_from([None, "identity", "trust", "session", "resource", "boundary", "scp", "rcp"])


@given(_POLICY, _KINDS, st.booleans())
def test_anything_gets_an_answer(document: object, kind: str | None, has_reference: bool) -> None:  # noqa: FBT001
    """For any document, the linter returns findings in line order, with existing lines, known rules and hints."""
    text = json.dumps(document, indent=1)
    found = lint(
        parse_json(text, "p.json"),
        len(text),
        kind,  # type: ignore[arg-type]  # sampled from the kinds
        reference=FewServices() if has_reference else None,
    )

    lines = [finding.line for finding in found.findings]
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)
    assert all(finding.rule in RULES and finding.message and finding.hint for finding in found.findings)
    assert sum(found.counts.values()) == len(found.findings) + sum(found.left_out.values())


@given(st.lists(_STATEMENT, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_statements_is_nothing(statements: list[object], random: object) -> None:
    """The order of statements does not change the findings, except which of two equal Sids is reported."""
    shuffled = list(statements)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def codes(items: list[object]) -> list[str]:
        text = json.dumps({"Version": "2012-10-17", "Statement": items})
        return sorted(finding.rule.code for finding in lint(parse_json(text, "p"), 1, "resource").findings)

    assert codes(statements) == codes(shuffled)
