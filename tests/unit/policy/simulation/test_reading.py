"""Parse a case file into cases, or report all its problems with lines."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from dsops.document import parse_json, parse_yaml
from dsops.policy.simulation import Case, CaseTable, Expected, read_cases

ROLE = "arn:aws:iam::111122223333:role/Deploy"
LEAST = f"""\
defaults:
  principal: arn:aws:iam::111122223333:user/alice
  action: sts:AssumeRole
  resource: {ROLE}
  trust: trust.json
cases:
  - name: alice deploys
    expect: allow
"""
NOBODY = "`nobody` is neither an ARN, nor a service such as ec2.amazonaws.com, nor `anonymous`"
NO_SAY = "a trust policy has no say in s3:GetObject: the resource's own policy is another one"


def table(text: str) -> CaseTable:
    """Return the parsed case file."""
    return read_cases(parse_yaml(dedent(text), "cases.yaml"), "cases.yaml")


def case(keys: str, *, before: str = "") -> Case:
    """Return the only case of a minimal file with these additional keys."""
    cases = table(f"{before}{LEAST}" + "".join(f"    {line}\n" for line in dedent(keys).splitlines()))
    assert cases.problems == ()
    (only,) = cases.cases
    return only


def problems(text: str) -> list[tuple[int, str, str]]:
    """Return the line, path and message of each problem."""
    return [(problem.where.line, problem.path, problem.message) for problem in table(text).problems]


class TestQuestion:
    """The question of a case: caller, action, resource, context."""

    def test_a_case_has_its_own_values_over_the_defaults(self) -> None:
        """A case's values override the defaults, and the case has its line number."""
        read_case = case("action: sts:TagSession\nprincipal: arn:aws:iam::444455556666:user/bob")

        assert (read_case.name, read_case.line) == ("alice deploys", 7)
        assert read_case.asked.principal.arn == "arn:aws:iam::444455556666:user/bob"
        assert (read_case.asked.action, read_case.asked.resource) == ("sts:TagSession", ROLE)
        assert read_case.expected == Expected("allow")

    def test_json_is_read_just_so(self) -> None:
        """A JSON file is read like YAML."""
        content = {
            "cases": [
                {
                    "name": "a",
                    "principal": "ec2.amazonaws.com",
                    "action": "sts:AssumeRole",
                    "resource": ROLE,
                    "trust": "trust.json",
                    "expect": "deny",
                }
            ]
        }
        case_file = read_cases(parse_json(json.dumps(content), "cases.json"), "cases.json")

        assert (len(case_file.cases), case_file.problems) == (1, ())

    def test_the_account_of_a_resource_is_in_its_arn_or_said(self) -> None:
        """A resource's account comes from its ARN, from the case, or else (a bucket's ARN has none) from the caller."""
        bucket = "action: s3:GetObject\nresource: arn:aws:s3:::bucket/key\n"

        assert case("").asked.resource_account == "111122223333"
        assert case(bucket).asked.resource_account == "111122223333"
        assert case(bucket + "resource_account: '000011112222'").asked.resource_account == "000011112222"

    def test_a_role_has_a_path_and_an_id(self) -> None:
        """A case can give the path and unique ID of a role caller, which the ARN of its session lacks."""
        read_case = case(
            """\
            principal:
              arn: arn:aws:sts::111122223333:assumed-role/App/run
              role: arn:aws:iam::111122223333:role/ci/App
              id: AROAEXAMPLE0000000001
            """
        ).asked.principal

        assert read_case.issuer_arn == "arn:aws:iam::111122223333:role/ci/App"
        assert read_case.unique_id == "AROAEXAMPLE0000000001"

    def test_context_keys_add_up_and_the_cases_own_win(self) -> None:
        """Context keys of defaults and case are merged ignoring case; the case's keys take precedence.

        null removes a key, a list means several values, and numbers keep their text.
        """
        before = "x-common: &common {a:A: one, b:B: 007}\n"
        text = f"{before}{LEAST}".replace("defaults:", "defaults:\n  context: *common")
        cases = table(f"{text}    context: {{A:a: [x, y], c:C: null}}\n")

        assert cases.problems == ()
        assert cases.cases[0].asked.context == {"b:B": ("007",), "A:a": ("x", "y"), "c:C": ()}


class TestPolicies:
    """The policies of a case."""

    def test_files_documents_and_names_are_told_apart(self) -> None:
        """A policy is given as a file, as an inline document, or as a name under `policies` that refers to either."""
        before = "policies:\n  all: {Version: '2012-10-17'}\n  other: elsewhere.json\n"
        read_case = case("identity: [all, other, file.json, {Version: x}]", before=before).policies["identity"]

        assert [(source.file, source.node is not None) for source in read_case[0]] == [
            ("cases.yaml", True),
            ("elsewhere.json", False),
            ("file.json", False),
            ("cases.yaml", True),
        ]
        assert len(read_case) == 1

    def test_levels_and_layers(self) -> None:
        """A list of SCPs is a list of levels; a list of session policies is one layer.

        A nested list of session policies is several layers.
        """
        levels = case("scp: [FullAWSAccess, [FullAWSAccess, deny.json]]").policies["scp"]
        layer = case("session: [a.json, b.json]").policies["session"]
        layers = case("session: [[a.json], [b.json, c.json]]").policies["session"]

        assert [len(level) for level in levels] == [1, 2]
        assert [source.file for source in levels[1]] == ["", "deny.json"]
        assert [len(policies) for policies in layer] == [2]
        assert [len(policies) for policies in layers] == [1, 2]

    def test_null_says_that_there_is_none(self) -> None:
        """null for a policy type means that no such policy exists; an omitted type may be read from another source."""
        read_case = case("identity: null").policies

        assert read_case["identity"] == ()
        assert "boundary" not in read_case

    def test_a_resources_policy_stands_in_for_the_trust_policy_of_the_defaults(self) -> None:
        """A case's resource policy replaces the default trust policy if the resource is not a role."""
        question = "action: s3:GetObject\nresource: arn:aws:s3:::b/k\n"
        both = LEAST.replace("defaults:", "defaults:\n  resource_policy: any.json")

        assert set(case(f"{question}resource_policy: bucket.json").policies) == {"resource"}
        assert set(case(question).policies) == set()
        assert set(table(both).cases[0].policies) == {"trust"}


class TestExpectation:
    """The expected answer."""

    def test_the_type_may_be_named_as_aws_does(self) -> None:
        """`decided_by` accepts the case's key for a policy type, or AWS's name for the type."""
        by_key = case("decided_by: trust\nsid: Team\nline: 7").expected
        by_words = case("decided_by: role trust policy").expected

        assert by_key == Expected("allow", "role trust policy", "Team", 7)
        assert by_words == Expected("allow", "role trust policy")


class TestProblems:
    """The parser reports all problems at once, in the order of the file."""

    def test_every_problem_is_told_with_its_line_and_path(self) -> None:
        """Problems in defaults, policies and cases are reported with line and path."""
        text = f"""\
            defaults:
              princpal: alice
              resource: {ROLE}
            policies: {{odd: [1]}}
            cases:
              - name: a
                principal: nobody
                action: sts:*
                expect: alow
              - name: a
                principal: arn:aws:iam::111122223333:user/alice
                action: s3:GetObject
                resource: bucket
                trust: trust.json
                scp: FullAWSAccess
                boundary: [a, b]
                context: {{k: {{a: b}}}}
                decided_by: luck
                line: third
                colour: red
              - {{}}
            """
        assert problems(text) == [
            (2, "defaults.princpal", "unknown key `princpal`"),
            (4, "policies.odd", "a policy is a mapping, or the name of a file"),
            (7, "cases[0].principal", NOBODY),
            (8, "cases[0].action", "`sts:*` is a pattern: a request is for one action"),
            (9, "cases[0].expect", "`alow` is no answer"),
            (10, "cases[1].name", "the case of line 6 has the same name"),
            (10, "cases[1].expect", "`expect` is missing"),
            (13, "cases[1].resource", "`bucket` is neither an ARN nor `*`"),
            (14, "cases[1].trust", NO_SAY),
            (16, "cases[1].boundary", "there can be only one policy here"),
            (17, "cases[1].context.k", "a condition key has a text or a list of texts"),
            (20, "cases[1].colour", "unknown key `colour`"),
            (21, "cases[2].name", "a case needs a `name`"),
            (21, "cases[2].principal", "`principal` is missing"),
            (21, "cases[2].action", "`action` is missing"),
            (21, "cases[2].expect", "`expect` is missing"),
        ]

    def test_an_expectation_is_looked_at_when_it_is_there(self) -> None:
        """An unknown policy type in `decided_by` is a problem, and so is a `line` that is not a number."""
        assert problems(f"{LEAST}    decided_by: luck\n    line: third\n") == [
            (9, "cases[0].decided_by", "`luck` is not a type of policy"),
            (10, "cases[0].line", "`third` is not the number of a line"),
        ]

    @pytest.mark.parametrize(
        ("keys", "path", "message"),
        [
            ("resource: '*'", "resource", "sts:AssumeRole is about a role: `*` is not the ARN of one"),
            ("resource: arn:aws:iam::111122223333:user/bob", "resource", "sts:AssumeRole is about a role"),
            ("action: sts:AssumeRoleWithSAML", "principal", "sts:AssumeRoleWithSAML is called by no principal of AWS"),
            ("action: sts:AssumeRoleWithWebIdentity", "principal", "is called by no principal of AWS: name an OIDC"),
            ("principal: accounts.google.com", "principal", "an OIDC provider assumes roles and does nothing else"),
            ("resource_policy: a.json\ntrust: b.json", "resource_policy", "`trust` and `resource_policy` are both"),
            ("resource_policy: a.json", "resource_policy", "the resource of sts:AssumeRole is a role, which has a"),
            ("identity: '{\"Version\": 1}'", "identity", "this is a policy's text"),
            ("identity: [[a.json]]", "identity", "this must be a policy, or a list of policies"),
            ("resource_account: 1234", "resource_account", "`1234` is not an account id"),
            ("principal: {arn: [], role: x}", "principal.arn", "this must be a text"),
            ("context: text", "context", "this must be a mapping"),
            ("context: {k: [[]]}", "context.k[0]", "this must be a text"),
        ],
    )
    def test_what_can_not_be_asked_is_refused(self, keys: str, path: str, message: str) -> None:
        """A question that cannot be evaluated is one problem, which has the question's line."""
        lines = "".join(f"    {line}\n" for line in keys.splitlines())
        problem_list = problems(f"{LEAST}{lines}")

        assert any(
            where == f"cases[0].{path}" and message in text and line in (7, 9, 10) for line, where, text in problem_list
        ), problem_list

    @pytest.mark.parametrize("text", ["", "cases: []", "cases: {a: b}", "defaults: {}", "[]", "x", "cases: [1]"])
    def test_a_file_without_cases_is_no_table(self, text: str) -> None:
        """A file without cases has problems and no cases."""
        cases = table(text)

        assert cases.cases == ()
        assert cases.problems

    def test_what_is_no_yaml_is_told(self) -> None:
        """Invalid YAML is a problem with its line."""
        assert problems("cases: [\n  {") == [(3, "", problems("cases: [\n  {")[0][2])]

    def test_keys_of_ones_own_are_left_alone(self) -> None:
        """Keys that begin with `x-` are ignored, so that they can contain YAML anchors."""
        assert problems(f"x-mine: {{a: 1}}\n{LEAST}") == []

    def test_a_problem_in_the_defaults_is_told_once(self) -> None:
        """A problem in the defaults is reported once, however many cases there are."""
        text = LEAST.replace("sts:AssumeRole", "sts:*") + "  - {name: b, expect: deny}\n"

        assert [line for line, _, _ in problems(text)] == [3]
