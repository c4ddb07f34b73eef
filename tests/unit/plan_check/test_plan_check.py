"""`dsops plan --check` beyond the golden scripts: JSON, sessions of users, and incomplete policy files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dsops.cli.policy.files import read_policy_file
from dsops.errors import PolicyInvalid, UsageError
from dsops.plan import Proof
from dsops.plan_check.hops import HopResult, hops_of
from dsops.policy.sources.declared import DeclaredPolicies
from tests.fakes import make_runtime
from tests.plans import LONG_TERM, TEMPORARY, plan_of
from tests.unit.stores.test_saml import response_of

if TYPE_CHECKING:
    from pathlib import Path

    from dsops.plan import Ambient

HOME = "111111111111"
ADA = f"arn:aws:iam::{HOME}:user/ada"
ROLE = f"arn:aws:iam::{HOME}:role/R"


def document(**statement: Any) -> dict[str, Any]:
    """Return a policy with one statement."""
    return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}}


MAY = document(Action="*", Resource="*")
TRUST = document(Action="sts:AssumeRole", Principal={"AWS": HOME})


def seed(**user: Any) -> dict[str, Any]:
    """Return a seed with one account, a role that trusts the account, and a user with full permissions."""
    return {"accounts": {HOME: {"users": {"ada": {"policies": [MAY], **user}}, "roles": {"R": {"trust": TRUST}}}}}


READER = "  secrets: {type: aws.secretsmanager, credentials_from: last}\n"


def checked(
    folder: Path, content: dict[str, Any], stores: str, *, caller: str = ADA, ambient: Ambient = LONG_TERM
) -> list[HopResult]:
    """Return the result for a plan with these stores, in which `last` reads the secrets."""
    (folder / "given.json").write_text(json.dumps(content))
    text = f"secretStores:\n{stores}{READER}envs:\n  e: {{A: {{from: {{store: secrets, key: a}}}}}}\n"
    plan = plan_of(text, ambient=ambient)
    world = make_runtime(folder=str(folder))
    given = DeclaredPolicies([read_policy_file("given.json", world)], {}, {})
    return hops_of(plan, given, given.complete, caller, world)


PLAIN = f'  last: {{type: aws.sts, role_arn: "{ROLE}"}}\n'


def verdicts(hops: list[HopResult]) -> list[str]:
    """Return the verdict of each hop."""
    return [hop.verdict for hop in hops]


def test_a_group_member_has_its_policies(tmp_path: Path) -> None:
    """The policies of a group apply to its members, and to no other user."""
    content = seed(policies=[])
    account = content["accounts"][HOME]
    account["groups"] = {"dev": {"policies": [MAY]}}
    assert ["denied"] == verdicts(checked(tmp_path, content, PLAIN))
    account["users"]["ada"]["groups"] = ["dev"]
    assert ["allowed"] == verdicts(checked(tmp_path, content, PLAIN))


def test_a_boundary_takes_away_what_it_does_not_have(tmp_path: Path) -> None:
    """A permissions boundary limits the user; if the boundary's policy is not in the file, the verdict is unknown."""
    arn = f"arn:aws:iam::{HOME}:policy/Limit"
    content = seed(boundary=arn)
    (hop,) = checked(tmp_path, content, PLAIN)
    assert hop.verdict == "unknown"
    assert [each.why for each in hop.rows[0].outcome.unread] == [f"{arn} is not in given.json"]
    content["accounts"][HOME]["policies"] = {"Limit": document(Action="s3:*", Resource="*")}
    assert ["denied"] == verdicts(checked(tmp_path, content, PLAIN))


def test_a_managed_policy_that_is_not_in_the_file_leaves_it_open(tmp_path: Path) -> None:
    """If a managed policy is not in the file, the verdict is unknown, unless the policy is AdministratorAccess."""
    assert ["unknown"] == verdicts(checked(tmp_path, seed(policies=["arn:aws:iam::aws:policy/PowerUserAccess"]), PLAIN))
    content = seed(policies=["arn:aws:iam::aws:policy/AdministratorAccess"])
    assert ["allowed"] == verdicts(checked(tmp_path, content, PLAIN))


def test_mfa_of_a_session_counts_for_the_next_hop(tmp_path: Path) -> None:
    """A GetSessionToken session with MFA may assume a role that requires MFA; a session without MFA may not."""
    content = seed()
    content["accounts"][HOME]["roles"]["R"]["trust"] = document(
        Action="sts:AssumeRole", Principal={"AWS": ADA}, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    )
    session = "  s: {{type: aws.sts{}}}\n" + f'  last: {{{{type: aws.sts, role_arn: "{ROLE}", credentials_from: s}}}}\n'
    device = f', serial_number: "arn:aws:iam::{HOME}:mfa/ada"'
    assert ["allowed", "allowed"] == verdicts(checked(tmp_path, content, session.format(device)))
    assert ["allowed", "denied"] == verdicts(checked(tmp_path, content, session.format("")))
    assert ["denied"] == verdicts(checked(tmp_path, content, PLAIN))
    assert ["allowed"] == verdicts(checked(tmp_path, content, PLAIN.replace("sts,", f"sts{device},")))
    # Whether the environment's session was issued with MFA is unknown.
    assert ["unknown"] == verdicts(checked(tmp_path, content, PLAIN, ambient=TEMPORARY))


def test_a_guest_is_let_in_by_the_users_policies(tmp_path: Path) -> None:
    """GetFederationToken is allowed only if the user has a permission for it."""
    guest = "  last: {type: aws.sts, federated_user_name: guest}\n"
    assert ["allowed"] == verdicts(checked(tmp_path, seed(), guest))
    assert ["denied"] == verdicts(checked(tmp_path, seed(policies=[]), guest))


def test_a_role_that_is_not_there_is_told_with_the_one_that_is(tmp_path: Path) -> None:
    """If the role does not exist, the hop is denied.

    The message has the ARN of the existing role that has the same name and another path.
    """
    content = seed()
    content["accounts"][HOME]["roles"]["R"]["path"] = "/team/"
    (hop,) = checked(tmp_path, content, PLAIN)
    assert (hop.verdict, hop.why) == (
        "denied",
        f"there is no {ROLE}: the ARN in given.json is arn:aws:iam::{HOME}:role/team/R",
    )
    content["accounts"] = {"222222222222": content["accounts"][HOME]}
    assert ["unknown"] == verdicts(checked(tmp_path, content, PLAIN))


def test_unknown_values_leave_a_condition_open(tmp_path: Path) -> None:
    """If a condition checks the source address, which only AWS sees, the verdict is unknown.

    If the trust policy does not name the caller, the verdict is denied, whatever the address is.
    """
    content = seed()
    condition = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    role = content["accounts"][HOME]["roles"]["R"]
    role["trust"] = document(Action="sts:AssumeRole", Principal={"AWS": HOME}, Condition=condition)
    (hop,) = checked(tmp_path, content, PLAIN)
    assert hop.verdict == "unknown"
    assert "only AWS sees from which address" in hop.rows[0].outcome.unread[0].why
    role["trust"]["Statement"]["Principal"] = {"AWS": "222222222222"}
    assert ["denied"] == verdicts(checked(tmp_path, content, PLAIN))


@pytest.mark.parametrize(
    "trust",
    [{"Version": "2012-10-17"}, document(Action="sts:AssumeRole", Principal={"AWS": {"Ref": "Caller"}})],
    ids=["half of it", "a template's"],
)
def test_a_policy_that_can_not_be_read_leaves_it_open(tmp_path: Path, trust: dict[str, Any]) -> None:
    """If a policy cannot be read, the verdict is unknown and the message names the policy with its line."""
    content = seed()
    content["accounts"][HOME]["roles"]["R"]["trust"] = trust
    (hop,) = checked(tmp_path, content, PLAIN)
    assert hop.verdict == "unknown"
    assert hop.rows[0].outcome.unread[0].why.startswith("given.json:1: ")


def test_a_missing_provider_admits_no_caller(tmp_path: Path) -> None:
    """If the role's SAML provider is not in the file, the hop is denied, whatever the trust policy allows."""
    provider = f"arn:aws:iam::{HOME}:saml-provider/Corp"
    content = seed()
    content["accounts"][HOME]["roles"]["R"]["trust"] = document(
        Action="sts:AssumeRoleWithSAML", Principal={"Federated": provider}
    )
    world = make_runtime(folder=str(tmp_path))
    keys = f'type: aws.sts, role_arn: "{ROLE}", principal_arn: "{provider}", saml_assertion_file: r'
    text = f"secretStores: {{last: {{{keys}}}}}"

    def told() -> list[HopResult]:
        (tmp_path / "given.json").write_text(json.dumps(content))
        given = DeclaredPolicies([read_policy_file("given.json", world)], {}, {})
        plan = plan_of(text, store="last", proof=lambda *_: Proof("a file", ""))
        return hops_of(plan, given, given.complete, "", world)

    (hop,) = told()
    assert (hop.verdict, hop.why) == (
        "denied",
        f"there is no {provider}: given.json has no such provider in that account",
    )
    content["accounts"][HOME]["saml_providers"] = [{"name": "Corp", "issued_by_sandbox": True}]
    assert ["allowed"] == verdicts(told())


def reads(folder: Path, policy: dict[str, Any], *, key: str = "a", secrets: tuple[str, ...] = ("a",)) -> HopResult:
    """Return the result of a read by a user with this policy, in an account with these secrets."""
    content = seed(policies=[policy])
    content["accounts"][HOME]["secrets"] = dict.fromkeys(secrets, "hush")
    (folder / "given.json").write_text(json.dumps(content))
    text = f"secretStores: {{s: {{type: aws.secretsmanager}}}}\nenvs: {{e: {{A: {{from: {{store: s, key: {key}}}}}}}}}"
    world = make_runtime(folder=str(folder))
    given = DeclaredPolicies([read_policy_file("given.json", world)], {}, {})
    (hop,) = hops_of(plan_of(text), given, given.complete, ADA, world)
    return hop


SECRET = f"arn:aws:secretsmanager:us-east-1:{HOME}:secret:"


def with_assertion(folder: Path, actions: list[str], file: str, **roles: Any) -> list[HopResult]:
    """Return the results of a hop with a SAML response that has a tag, and of a second hop if a role for it exists."""
    provider = f"arn:aws:iam::{HOME}:saml-provider/Corp"
    response = response_of(ROLE, values=(f"{ROLE},{provider}",))
    attribute = '<a:Attribute Name="https://aws.amazon.com/SAML/Attributes/PrincipalTag:team">'
    tag = f"{attribute}<a:AttributeValue>blue</a:AttributeValue></a:Attribute>"
    written = response.replace("<a:AttributeStatement>", f"<a:AttributeStatement>{tag}", 1)
    (folder / "response.xml").write_text(written)
    content = seed()
    content["accounts"][HOME]["saml_providers"] = [{"name": "Corp", "issued_by_sandbox": True}]
    trust = document(Action=actions, Principal={"Federated": provider})
    content["accounts"][HOME]["roles"] = {"R": {"trust": trust, "policies": [MAY]}, **roles}
    keys = f'type: aws.sts, role_arn: "{ROLE}", principal_arn: "{provider}", saml_assertion_file: "{folder / file}"'
    stores = f"first: {{{keys}}}"
    if roles:
        stores += f', last: {{type: aws.sts, role_arn: "arn:aws:iam::{HOME}:role/T", credentials_from: first}}'
    (folder / "given.json").write_text(json.dumps(content))
    world = make_runtime(folder=str(folder))
    given = DeclaredPolicies([read_policy_file("given.json", world)], {}, {})
    store = "last" if roles else "first"
    plan = plan_of(f"secretStores: {{{stores}}}", store=store, proof=lambda *_: Proof("a file", ""))
    return list(hops_of(plan, given, given.complete, "", world))


@pytest.mark.parametrize(
    ("actions", "verdict"),
    [(["sts:AssumeRoleWithSAML"], "denied"), (["sts:AssumeRoleWithSAML", "sts:TagSession"], "allowed")],
)
def test_tags_that_an_assertion_brings_have_to_be_allowed(tmp_path: Path, actions: list[str], verdict: str) -> None:
    """If the SAML response in the file has session tags, the trust policy must allow sts:TagSession."""
    [hop] = with_assertion(tmp_path, actions, "response.xml")

    assert hop.verdict == verdict


@pytest.mark.parametrize(
    ("file", "team", "verdict"),
    [("response.xml", "blue", "allowed"), ("response.xml", "red", "denied"), ("gone.xml", "blue", "unknown")],
    ids=["the same", "another", "not at hand"],
)
def test_the_session_that_an_assertion_opened_has_its_tags(tmp_path: Path, file: str, team: str, verdict: str) -> None:
    """A session has the tags of its SAML response; if that response is not in a file, the tags are unknown."""
    condition = {"StringEquals": {"aws:PrincipalTag/team": team}}
    trust = document(Action="sts:AssumeRole", Principal={"AWS": ROLE}, Condition=condition)

    hops = with_assertion(tmp_path, ["sts:AssumeRoleWithSAML", "sts:TagSession"], file, T={"trust": trust})

    assert hops[1].verdict == verdict


@pytest.mark.parametrize(
    ("resource", "verdict"),
    [
        ("*", "allowed"),
        (f"{SECRET}a-??????", "allowed"),
        (f"{SECRET}a-*", "allowed"),
        (f"{SECRET}a-x1Y2z3", "unknown"),
        (f"{SECRET}b-??????", "denied"),
        (f"{SECRET}a", "denied"),
    ],
)
def test_a_read_is_looked_at_where_the_secret_is_known(tmp_path: Path, resource: str, verdict: str) -> None:
    """The random suffix of a secret's ARN is unknown, so a policy that names a suffix gives the verdict unknown."""
    hop = reads(tmp_path, document(Action="secretsmanager:GetSecretValue", Resource=resource))
    assert (hop.verdict, hop.number) == (verdict, 0)


def test_a_secret_is_the_same_by_its_arn(tmp_path: Path) -> None:
    """A secret is found by its ARN, with or without the random suffix."""
    assert "allowed" == reads(tmp_path, MAY, key=f'"{SECRET}a"').verdict
    assert "allowed" == reads(tmp_path, MAY, key=f'"{SECRET}a-x1Y2z3"').verdict


def test_a_secret_that_is_not_there_can_not_be_read(tmp_path: Path) -> None:
    """A read of a missing secret is denied; the message names the secret and the region."""
    hop = reads(tmp_path, MAY, secrets=("b",))
    assert (hop.verdict, hop.why) == (
        "denied",
        "there is no secret a: given.json has no secret of that name in us-east-1",
    )


def test_the_caller_must_be_one_that_signs(tmp_path: Path) -> None:
    """`caller` must be a principal that signs requests; a service, a bucket's ARN and a plain word are usage errors."""
    for caller in ("ec2.amazonaws.com", "arn:aws:s3:::bucket", "nobody"):
        with pytest.raises(UsageError):
            checked(tmp_path, seed(), PLAIN, caller=caller)


def test_one_caller_is_not_two(tmp_path: Path) -> None:
    """If the plan has two base profiles, all verdicts are unknown: one `caller` cannot replace both."""
    stores = PLAIN.replace("last:", "other:").replace("sts,", "sts, profile: other,") + PLAIN
    stores += "  also: {type: aws.secretsmanager, credentials_from: other}\n"
    text = f"secretStores:\n{stores}{READER}envs:\n  e:\n    A: {{from: {{store: secrets, key: a}}}}\n"
    plan = plan_of(f"{text}    B: {{from: {{store: also, key: a}}}}\n")
    (tmp_path / "given.json").write_text(json.dumps(seed()))
    world = make_runtime(folder=str(tmp_path))
    given = DeclaredPolicies([read_policy_file("given.json", world)], {}, {})
    hops = hops_of(plan, given, given.complete, ADA, world)
    assert ["unknown", "unknown"] == verdicts(hops)
    assert all("there are 2 base credentials here" in hop.why for hop in hops)


def test_a_role_may_be_the_caller(tmp_path: Path) -> None:
    """`caller` may be a role, such as a CI job's."""
    content = seed()
    content["accounts"][HOME]["roles"]["Job"] = {"trust": TRUST, "policies": [MAY]}
    assert ["allowed"] == verdicts(checked(tmp_path, content, PLAIN, caller=f"arn:aws:iam::{HOME}:role/Job"))


def test_a_file_of_neither_form_is_refused(tmp_path: Path) -> None:
    """A file that is neither a seed nor a template is refused, and the message says which files are accepted."""
    (tmp_path / "x.json").write_text('{"Statement": []}')
    with pytest.raises(PolicyInvalid, match=r"x\.json contains no policies of users and roles"):
        read_policy_file("x.json", make_runtime(folder=str(tmp_path)))
