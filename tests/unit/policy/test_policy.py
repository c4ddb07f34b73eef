"""Parse policy documents: what each policy kind may contain, and which problems are reported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dsops.document import parse_yaml
from dsops.errors import PolicyInvalid
from dsops.policy import check_policy, parse_policy
from tests.unit.policy.policies import ALICE, Json, allow, deny, text

if TYPE_CHECKING:
    from dsops.policy import PolicyKind

KINDS: tuple[PolicyKind, ...] = ("identity", "trust", "session", "resource", "boundary", "scp", "rcp")
RCP = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
VALID: dict[PolicyKind, dict[str, Json]] = {
    "identity": allow("s3:*"),
    "session": allow("s3:*"),
    "boundary": allow("s3:*"),
    "scp": allow("s3:*"),
    "trust": allow("sts:AssumeRole", None, Principal={"AWS": ALICE.arn}),
    "resource": allow("s3:*", Principal="*"),
    "rcp": RCP,
}


def problems(kind: PolicyKind, document: str) -> list[tuple[int, str, str]]:
    """Return the line, path and message of each problem; fail if there is none."""
    with pytest.raises(PolicyInvalid) as refused:
        parse_policy(document, kind, file="p.json")
    assert all(problem.where.file == "p.json" for problem in refused.value.problems)
    return [(problem.where.line, problem.path, problem.message) for problem in refused.value.problems]


def refusal(kind: PolicyKind, *statements: Json, version: str = "2012-10-17") -> str:
    """Return all messages for a document of these statements."""
    return "\n".join(message for _, _, message in problems(kind, text(*statements, version=version)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_policy_of_each_kind_is_read(kind: PolicyKind) -> None:
    """A minimal policy of each kind is read with kind, name and version."""
    policy = parse_policy(text(VALID[kind]), kind, name="mine")
    assert (kind, "mine", "2012-10-17", 1) == (policy.kind, policy.name, policy.version, len(policy.statements))


def test_statements_know_their_lines() -> None:
    """A statement's line is that of its opening brace; a condition's line is that of its key."""
    document = """{
      "Version": "2012-10-17",
      "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {
          "Sid": "Second", "Effect": "Deny", "Action": "s3:*", "Resource": "*",
          "Condition": {
            "StringEquals": {
              "aws:userid": "x"
            }
          }
        }
      ]
    }"""
    first, second = parse_policy(document, "identity").statements
    assert (4, 5, 9) == (first.line, second.line, second.conditions[0].line)
    assert ("", "Second") == (first.sid, second.sid)


def test_one_statement_and_one_value_need_no_list() -> None:
    """`Statement`, `Action`, `Resource`, principals and condition values may be single values instead of lists."""
    document = json.dumps({"Statement": allow("s3:*", "*", Condition={"Bool": {"aws:SecureTransport": True}})})
    policy = parse_policy(document, "identity")
    assert "2008-10-17" == policy.version
    assert ("true",) == policy.statements[0].conditions[0].values
    assert ("s3:*",) == policy.statements[0].actions.written


@pytest.mark.parametrize("kind", ["identity", "session", "boundary", "scp"])
@pytest.mark.parametrize("element", ["Principal", "NotPrincipal"])
def test_a_policy_that_is_attached_to_its_principal_names_none(kind: PolicyKind, element: str) -> None:
    """A policy that is attached to its principal has no Principal (IAM: Has prohibited field Principal)."""
    statement = allow("s3:*", **{element: "*"})
    assert f"`{element}` does not belong in a" in refusal(kind, statement)


@pytest.mark.parametrize("element", ["Resource", "NotResource", "NotPrincipal"])
def test_a_trust_policy_has_a_principal_and_no_resource(element: str) -> None:
    """A trust policy has a Principal and no Resource: its resource is the role."""
    value = {"AWS": ALICE.arn} if element == "NotPrincipal" else "*"
    assert f"`{element}` does not belong in a role trust policy" in refusal("trust", VALID["trust"] | {element: value})
    assert "`Principal` is missing" in refusal("trust", allow("sts:AssumeRole", None))


def test_a_trust_policy_speaks_of_sts_only() -> None:
    """A trust policy may contain only STS actions, `sts:*` or `*`, as in IAM."""
    assert "no action of STS" in refusal("trust", VALID["trust"] | {"Action": ["sts:AssumeRole", "s3:GetObject"]})
    for action in ("*", "sts:*", "STS:tagsession"):
        parse_policy(text(VALID["trust"] | {"Action": action}), "trust")


@pytest.mark.parametrize("kind", ["identity", "session", "boundary", "scp", "rcp"])
def test_permission_policies_need_a_resource(kind: PolicyKind) -> None:
    """Permission policies need a Resource; only a resource policy may omit it."""
    statement = {key: value for key, value in VALID[kind].items() if key != "Resource"}
    assert "`Resource` is missing" in refusal(kind, statement)
    assert parse_policy(text(allow("ecr:*", None, Principal="*")), "resource").statements[0].resources is None


def test_a_resource_policy_needs_a_principal() -> None:
    """A resource policy needs `Principal` or `NotPrincipal`."""
    assert "`Principal` is missing" in refusal("resource", allow())
    parse_policy(text(deny(NotPrincipal={"AWS": ALICE.arn})), "resource")


def test_service_control_policies_use_the_whole_language() -> None:
    """SCPs may use NotAction, NotResource and Allow with conditions (since September 2025)."""
    condition = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    parse_policy(text(allow(None, None, NotAction="iam:*", NotResource="*", Condition=condition)), "scp")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Effect": "Allow"}, "only denies"),
        ({"Principal": {"AWS": "111122223333"}}, 'is "\\*"'),
        ({"Action": "*"}, "names the services"),
        ({"NotPrincipal": {"AWS": "111122223333"}}, "`NotPrincipal` does not belong"),
        ({"NotAction": "s3:*"}, "`NotAction` does not belong"),
    ],
)
def test_a_resource_control_policy_denies_everybody_something(change: dict[str, Json], message: str) -> None:
    """An RCP must have Principal "*", Effect Deny and named services, unless it is AWS's RCPFullAWSAccess."""
    import re

    assert re.search(message, refusal("rcp", RCP | change))
    full_access = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    parse_policy(text(full_access), "rcp")


@pytest.mark.parametrize("kind", ["scp", "rcp"])
def test_organisation_policies_need_version_2012(kind: PolicyKind) -> None:
    """Organization policies need version 2012-10-17; other policies have version 2008-10-17 if it is missing."""
    assert "must be 2012-10-17" in refusal(kind, VALID[kind], version="2008-10-17")
    document = json.dumps({"Statement": [VALID[kind]]})
    assert [(1, "Version", "`Version` is missing")] == problems(kind, document)


def test_only_resource_based_policies_have_an_id() -> None:
    """Only resource policies (a trust policy is one) may have an Id."""
    for kind in KINDS:
        document = json.dumps({"Version": "2012-10-17", "Id": "x", "Statement": VALID[kind]})
        if kind in ("resource", "trust"):
            parse_policy(document, kind)
        else:
            assert "Id" == problems(kind, document)[0][1]


def test_sids_are_letters_and_digits_and_stand_once() -> None:
    """In IAM policies a Sid has only letters and digits, and is unique unless it is empty.

    In resource policies a Sid may be any text.
    """
    assert "other than letters and digits" in refusal("identity", allow(Sid="no spaces"))
    assert "also that of line 1" in refusal("identity", allow(Sid="A"), allow(Sid="A"))
    parse_policy(text(allow(Sid=""), allow(Sid="")), "identity")
    parse_policy(text(allow(Sid="any text", Principal="*"), allow(Sid="any text", Principal="*")), "resource")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"Effect": "allow"}, "neither `Allow` nor `Deny`"),
        ({"Effect": None}, "text in quotes"),
        ({"effect": "Allow"}, "`effect` is not an element"),
        ({"Conditions": {}}, "`Conditions` is not an element"),
        ({"Action": []}, "the list is empty"),
        ({"Action": 7}, "text in quotes"),
        ({"Action": ["s3:*", None]}, "text in quotes"),
        ({"Action": "GetObject"}, "names no service"),
        ({"Action": "s3:"}, "is not an action"),
        ({"Action": "s3:Get Object"}, "is not an action"),
        ({"Action": "s3:a:b"}, "is not an action"),
        ({"NotAction": "s3:*"}, "either `Action` or `NotAction`"),
        ({"NotResource": "*"}, "either `Resource` or `NotResource`"),
        ({"Resource": "bucket"}, "neither an ARN nor"),
        ({"Resource": ""}, "neither an ARN nor"),
        ({"Resource": "arn:aws"}, "2 of six parts"),
        ({"Resource": "arn:aws:"}, "3 of six parts"),
        ({"Resource": "arn:aws:s*:::bucket"}, "in the place of the service"),
        ({"Resource": "arn:aws:s3*"}, "of six parts"),
        ({"Resource": "arn:aws:s3:::b/${aws:username"}, "no closing"),
        ({"Resource": {"AWS": "*"}}, "text in quotes"),
        ({"Condition": []}, "is an object"),
        ({"Condition": {"StringEquals": "x"}}, "holds an object"),
        ({"Condition": {"StringIs": {"aws:userid": "x"}}}, "not a condition operator"),
        ({"Condition": {"StringEquals": {"aws:userid": None}}}, "values are texts"),
        ({"Condition": {"StringEquals": {"aws:userid": {"a": 1}}}}, "values are texts"),
        ({"Condition": {"StringEquals": {"aws:userid": [["x"]]}}}, "values are texts"),
        ({"Condition": {"StringEquals": {" aws:userid": "x"}}}, "not a condition key"),
        ({"Condition": {"NumericEquals": {"aws:MultiFactorAuthAge": "x"}}}, "is not a number"),
        ({"Sid": 3}, "text in quotes"),
    ],
)
def test_each_departure_from_the_grammar_is_refused(statement: dict[str, Json], message: str) -> None:
    """Every departure from the grammar in a statement is refused."""
    import re

    assert re.search(message, refusal("identity", allow("s3:*") | statement))


@pytest.mark.parametrize(
    ("principal", "message"),
    [
        ({}, "no principal is named"),
        ("arn:aws:iam::111122223333:root", "says no type of principal"),
        ({"aws": "*"}, "is not a type of principal"),
        ({"AWS": []}, "the list is empty"),
        ({"AWS": "arn:aws:iam::111122223333:user/*"}, "has a wildcard"),
        ({"AWS": ["111122223333", "bob"]}, "`bob` is not a principal"),
        (["*"], "text in quotes"),
    ],
)
def test_principals_are_checked(principal: Json, message: str) -> None:
    """A principal must have a type, and a form that is valid for the type."""
    assert message in refusal("trust", allow("sts:AssumeRole", None, Principal=principal))


@pytest.mark.parametrize(
    ("document", "line", "message"),
    [
        ("", 1, "the document is empty"),
        ("[]", 1, "a policy is a JSON object"),
        ("{}", 1, "`Statement` is missing"),
        ('{"Statement": []}', 1, "the list of statements is empty"),
        ('{"Statement":\n "x"}', 2, "a statement is an object, or a list of objects"),
        ('{"Statement":\n ["x"]}', 2, "a statement is an object"),
        ('{"Version": "2012-10-17",\n "Statements": []}', 1, "`Statement` is missing"),
        ('{"Version":\n "2020-01-01", "Statement": {}}', 2, "`2020-01-01` is not a version of the policy language"),
    ],
)
def test_a_document_that_is_no_policy_is_refused(document: str, line: int, message: str) -> None:
    """A document that is empty, is no policy or has an unknown version is refused."""
    assert (line, message) in [(problem[0], problem[2]) for problem in problems("identity", document)]


def test_comments_and_repeated_keys_are_refused_with_their_lines() -> None:
    """Comments and repeated keys are refused in line order together with the policy's other problems."""
    document = """{
      "Version": "2012-10-17",
      "Statement": [{
        "Effect": "allow",
        "Principal": {
          // Wrong: specific user
          "AWS": "arn:aws:iam::098765432109:user/alice",
          "AWS": "arn:aws:iam::098765432109:root"
        },
        "Action": "sts:AssumeRole"
      }]
    }"""
    assert [4, 6, 8] == [line for line, _, _ in problems("trust", document)]


def test_every_problem_is_reported_at_once() -> None:
    """The error reports all problems at once with their paths, and its location is the first problem's location."""
    document = text(allow("x", "y"), deny("s3:*", Condition={"Bool": {"a:b": "maybe"}}), "z")
    paths = [path for _, path, _ in problems("identity", document)]
    assert ["Statement[0].Action", "Statement[0].Resource", "Statement[1].Condition.Bool.a:b", "Statement[2]"] == paths


@pytest.mark.parametrize(
    ("kind", "statement", "words"),
    [
        ("identity", allow(Principal="*"), "Has prohibited field Principal"),
        ("trust", allow("sts:AssumeRole", Principal="*"), "Has prohibited field Resource"),
        (
            "trust",
            VALID["trust"] | {"Action": "s3:GetObject"},
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        ("identity", allow(Resource="bucket"), 'Resource bucket must be in ARN format or "*".'),
        (
            "identity",
            allow(Resource="arn:aws:*:::x"),
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        ("trust", allow("sts:AssumeRole", None, Principal={"AWS": "bob"}), 'Invalid principal in policy: "AWS":"bob"'),
        ("identity", allow(Condition={"X": {}}), "Syntax errors in policy."),
    ],
)
def test_iams_own_words_are_kept_for_the_sandbox(kind: PolicyKind, statement: Json, words: str) -> None:
    """The error has IAM's MalformedPolicyDocument message for the first problem; the sandbox returns it."""
    with pytest.raises(PolicyInvalid, match="is not a valid") as refused:
        parse_policy(text(statement), kind, name="mine")
    assert f"AWS would answer MalformedPolicyDocument: {words}" == refused.value.why
    assert refused.value.message.startswith("mine is not a valid ")


def test_what_is_no_json_has_iams_words_too() -> None:
    """For invalid JSON the error contains IAM's message, and the problem is the JSON error."""
    with pytest.raises(PolicyInvalid) as refused:
        parse_policy("{", "identity")
    assert refused.value.why.endswith("This policy contains invalid Json")
    assert 1 == len(refused.value.problems)


def test_an_external_id_is_in_no_message() -> None:
    """No message shows an external ID, even a malformed one; messages may quote the values of other keys."""
    bad = "${hush"
    condition = {"StringEquals": {"sts:externalID": bad, "aws:userid": "${other"}}
    messages = refusal("trust", VALID["trust"] | {"Condition": condition})
    assert "hush" not in messages
    assert "the value of `sts:externalID` can't be used with StringEquals" in messages


def test_a_near_miss_is_offered() -> None:
    """The messages for misspelt elements and operators suggest the nearest name."""
    statement = {"effect": "Allow", "Action": "s3:*", "Resources": "*", "Condition": {"StringLik": {"a:b": "c"}}}
    with pytest.raises(PolicyInvalid) as refused:
        parse_policy(text(statement), "identity")
    hints = {problem.hint for problem in refused.value.problems}
    assert {"did you mean `Effect`?", "did you mean `Resource`?", "did you mean `StringLike`?"} <= hints


def test_a_policy_written_as_yaml_is_checked_by_the_same_rules() -> None:
    """`check_policy` takes a parsed YAML or JSON document and returns the problems instead of raising an error."""
    good = "Version: '2012-10-17'\nStatement:\n- {Effect: Deny, Action: 's3:*', Resource: '*'}\n"
    checked = check_policy(parse_yaml(good, "p.yaml"), "session")
    assert checked.policy is not None
    assert 3 == checked.policy.statements[0].line
    bad = check_policy(parse_yaml(good.replace("Deny", "deny"), "p.yaml"), "session", file="p.yaml")
    assert bad.policy is None
    assert [("p.yaml", 3)] == [(problem.where.file, problem.where.line) for problem in bad.problems]
    assert "Syntax errors in policy." == bad.aws_message


@pytest.mark.parametrize("resource", ["arn:aws:sqs", "arn:aws:sqs:us-east-1", "arn:aws:sqs:us-east-1:111122223333"])
def test_an_arn_without_its_last_parts_is_for_identity_policies(resource: str) -> None:
    """An ARN with fewer than six parts is valid only in identity policies, where AWS completes it."""
    assert parse_policy(text(allow("sqs:*", resource)), "identity").statements
    assert parse_policy(text(allow("sqs:*", resource)), "boundary").statements
    for refusing in (refusal("session", allow("sqs:*", resource)), refusal("scp", allow("sqs:*", resource))):
        assert "of six parts" in refusing
    assert "of six parts" in refusal("resource", allow("sqs:*", resource, Principal="*"))
    assert "of six parts" in refusal("rcp", RCP | {"Resource": resource})


def test_an_origin_access_identity_is_a_principal_of_resource_policies() -> None:
    """CloudFront's origin access identity is a valid principal in resource policies, but not in trust policies."""
    name = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E127EXAMPLE51Z"
    assert parse_policy(text(allow("s3:GetObject", Principal={"AWS": name})), "resource").statements
    for wrong in (name.replace(" E1", " 1"), name.replace("E127", "E12*"), "arn:aws:iam::cloudfront:user/Bob"):
        assert "principal" in refusal("resource", allow("s3:GetObject", Principal={"AWS": wrong}))
    assert "is not a principal" in refusal("trust", allow("sts:AssumeRole", None, Principal={"AWS": name}))
