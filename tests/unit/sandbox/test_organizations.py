"""Organizations: which accounts control policies apply to, and the organization's condition keys."""

from __future__ import annotations

from typing import Any

import pytest

from dsops.errors import SandboxUnavailable, SeedInvalid
from dsops.policy.evaluation.control import has_resource_control
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.state.iam_builder import IamBuilder
from dsops.sandbox.state.organization_builder import _taught_models, organization_models
from tests.sandboxes import ACCOUNT, OTHER, Lab
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_control import ask
from tests.unit.sandbox.test_seedfile import problems

OWNER = "999999999999"
STRANGER = "333333333333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
DENY = '{Version: "2012-10-17", Statement: [{Effect: Deny, Action: "secretsmanager:*", Resource: "*"%s}]}'
FULL = '{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}'


def seed(organization: str, *, trust: str = f'["{OTHER}", "{OWNER}", "{STRANGER}"]') -> str:
    """Return a seed with a management account, two members and an outside account, each with a secret."""
    return f"""
organization:
  id: o-exampleorg1
  management_account: "{OWNER}"
{organization}
accounts:
  "{ACCOUNT}":
    root: {{access_key_id: AKIAROOTROOTROOTROOT, secret_access_key: root}}
    users: {{alice: {{policies: [{FULL}]}}}}
    roles:
      Deploy:
        trust: {{Version: "2012-10-17", Statement: [{{Effect: Allow, Principal: {{AWS: {trust}}},
          Action: "sts:AssumeRole"}}]}}
        policies: [{FULL}]
    secrets: {{db: x}}
  "{OTHER}": {{secrets: {{db: x}}}}
  "{OWNER}": {{secrets: {{db: x}}}}
  "{STRANGER}": {{secrets: {{db: x}}}}
"""


def workloads(policies: str) -> str:
    """Return the organizational unit with both members and these policies."""
    return f"""
  organizational_units:
    Workloads:
      accounts: ["{ACCOUNT}", "{OTHER}"]
      {policies}
"""


def read(lab: Lab, account: str = ACCOUNT, name: str = "admin") -> str:
    """Read the account's secret; return `ok` or the error."""
    answer = lab.user(name, account).answer("secretsmanager", "GetSecretValue", SecretId="db")
    return "ok" if answer.status == 200 else answer.body.decode()


# --- service control policies ------------------------------------------------------------------------------------


def test_an_scp_applies_to_members_below_it_only(make_lab: LabFactory) -> None:
    """An SCP applies to all users of the accounts below it, but not to the management account or outside accounts."""
    lab = make_lab(seed(workloads(f"service_control_policies: [{DENY % ''}]")))

    for account in (ACCOUNT, OTHER):
        assert "with an explicit deny in a service control policy" in read(lab, account)
    assert (read(lab, OWNER), read(lab, STRANGER)) == ("ok", "ok")


def test_an_scp_does_not_apply_to_the_management_account(make_lab: LabFactory) -> None:
    """An SCP on the root does not apply to the management account."""
    lab = make_lab(seed(f"  service_control_policies: [{DENY % ''}]{workloads('')}"))

    assert "service control policy" in read(lab)
    assert read(lab, OWNER) == "ok"


def test_an_scp_does_not_apply_to_other_accounts(make_lab: LabFactory) -> None:
    """An SCP attached to one account does not apply to another account."""
    accounts = f'{{"{ACCOUNT}": {{service_control_policies: [{DENY % ""}]}}, "{OTHER}": {{}}}}'
    lab = make_lab(seed(f"  accounts: {accounts}"))

    assert "service control policy" in read(lab)
    assert read(lab, OTHER) == "ok"


def test_an_scp_applies_to_root_users_and_sessions(make_lab: LabFactory) -> None:
    """An SCP applies to a member account's root user and to role sessions."""
    from tests.sandboxes import Keys

    lab = make_lab(seed(workloads(f"service_control_policies: [{DENY % ''}]")))
    root = lab.with_keys(Keys(access_key_id="AKIAROOTROOTROOTROOT", secret_access_key="root"))

    for person in (root, lab.user("admin", OWNER).assume(ROLE)):
        refused = person.refused("secretsmanager", "GetSecretValue", SecretId="db")
        assert "with an explicit deny in a service control policy: arn:aws:organizations::" in refused.message
        assert person.call("iam", "ListRoles")["Roles"]


def test_an_scp_does_not_apply_to_service_linked_roles(make_lab: LabFactory) -> None:
    """An SCP does not apply to service-linked roles."""
    lab = make_lab(seed(workloads(f"service_control_policies: [{DENY % ''}]")))
    trust = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}}'
    allow = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}}'
    admin = lab.user("admin")
    for path in ("/aws-service-role/x.amazonaws.com/", "/"):
        name = f"Linked{len(path)}"
        # The test adds these roles to moto directly, because only AWS can create them.
        role = IamBuilder(lab.sandbox.world).add_role(ACCOUNT, name, trust % ACCOUNT, path)
        lab.sandbox.world.backend(ACCOUNT).roles[role.unique_id].put_policy("p", allow)
        session = admin.assume(f"arn:aws:iam::{ACCOUNT}:role{path}{name}")
        answer = session.answer("secretsmanager", "GetSecretValue", SecretId="db")
        assert answer.status == (400 if path == "/" else 200)


def test_every_level_has_to_allow(make_lab: LabFactory) -> None:
    """Without FullAWSAccess each level must allow the request; the denial is worded like an explicit deny."""
    only = '{Version: "2012-10-17", Statement: [{Effect: Allow, Action: [%s], Resource: "*"}]}'
    for actions, expected in (
        ('"secretsmanager:*", "kms:Decrypt"', "ok"),
        ('"secretsmanager:*"', "Access to KMS is not allowed"),
        ('"s3:*"', "with an explicit deny in a service control policy"),
    ):
        policies = f"full_aws_access: false\n      service_control_policies: [{only % actions}]"
        assert expected in read(make_lab(seed(workloads(policies))))


def test_conditions_of_an_scp_are_evaluated(make_lab: LabFactory) -> None:
    """A condition in an SCP can restrict requests to certain regions."""
    condition = ', Condition: {StringNotEquals: {"aws:RequestedRegion": us-east-1}}'
    lab = make_lab(seed(workloads(f"service_control_policies: [{DENY % condition}]")))
    alice = lab.user("alice")

    assert read(lab, name="alice") == "ok"
    alice.region = "eu-west-1"
    assert "service control policy" in alice.refused("secretsmanager", "ListSecrets").message


def test_a_refusal_names_the_policy(make_lab: LabFactory) -> None:
    """A denial names the ARN of the SCP, even of an inherited one (since January 2026).

    The ARN of one of AWS's own SCPs contains no account.
    """
    named = f"[{{name: NoSecrets, document: {DENY % ''}}}]"
    lab = make_lab(seed(workloads(f"service_control_policies: {named}")))

    said = read(lab)
    prefix = f"service control policy: arn:aws:organizations::{OWNER}:policy/o-exampleorg1/service_control_policy/p-"
    assert prefix in said
    reasons = lab.sandbox.judge.decisions[-1].decision.reasons
    names = {found.policy.name for reason in reasons for found in reason.matched}
    assert "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess" in names


def test_consolidated_billing_has_no_policies(make_lab: LabFactory) -> None:
    """An organization with consolidated billing only has no policies; a seed that attaches a policy is refused."""
    text = seed(f"  feature_set: CONSOLIDATED_BILLING{workloads('')}")
    lab = make_lab(text)

    assert lab.sandbox.world.organizations.membership(ACCOUNT) is not None
    assert lab.sandbox.world.organizations.service_control(ACCOUNT) == ()
    attached = seed(f"  feature_set: CONSOLIDATED_BILLING{workloads(f'service_control_policies: [{DENY % str()}]')}")
    assert any("ALL features" in problem for problem in problems(attached))


def test_a_policy_counts_only_while_its_type_is_enabled(make_lab: LabFactory) -> None:
    """An SCP does not apply while its policy type is disabled."""
    lab = make_lab(seed(workloads(f"service_control_policies: [{DENY % ''}]")))
    backend = _taught_models().organizations_backends[OWNER]["aws"]

    backend.disable_policy_type(RootId=backend.org.root_id, PolicyType="SERVICE_CONTROL_POLICY")
    assert read(lab) == "ok"
    backend.enable_policy_type(RootId=backend.org.root_id, PolicyType="SERVICE_CONTROL_POLICY")
    assert "service control policy" in read(lab)


def test_an_invalid_policy_denies(make_lab: LabFactory) -> None:
    """A control policy that can't be parsed denies everything."""
    for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        lab = make_lab(seed(workloads("")))
        backend = _taught_models().organizations_backends[OWNER]["aws"]
        created = backend.create_policy(Name="broken", Description="", Type=kind, Content="{}")
        assert read(lab) == "ok"
        backend.attach_policy(PolicyId=created["Policy"]["PolicySummary"]["Id"], TargetId=ACCOUNT)
        assert "explicit deny" in read(lab)


# --- resource control policies -----------------------------------------------------------------------------------

PERIMETER = (
    'resource_control_policies: [{Version: "2012-10-17", Statement: [{Effect: Deny, Principal: "*", '
    'Action: ["sts:AssumeRole", "secretsmanager:*"], Resource: "*", '
    'Condition: {StringNotEqualsIfExists: {"aws:PrincipalOrgID": o-exampleorg1}}}]}]'
)


def test_an_rcp_applies_to_all_callers_of_member_resources(make_lab: LabFactory) -> None:
    """An RCP denies callers outside the organization, even if the role trusts them."""
    lab = make_lab(seed(workloads(PERIMETER)))

    assert lab.user("admin", OWNER).assume(ROLE).arn.endswith("assumed-role/Deploy/session")
    assert lab.user("admin", OTHER).assume(ROLE).arn.endswith("assumed-role/Deploy/session")
    assert lab.user("admin", STRANGER).refused_role(ROLE).code == "AccessDenied"
    assert lab.sandbox.judge.decisions[-1].decision.decided_by == "resource control policy"


def test_an_rcp_does_not_apply_to_the_management_account(make_lab: LabFactory) -> None:
    """An RCP applies neither to the management account's resources nor to other organizations' resources."""
    everybody = PERIMETER.replace("o-exampleorg1", "o-another00000")
    lab = make_lab(seed(f"  {everybody}{workloads('')}"))

    assert "resource control policy" in read(lab)
    assert (read(lab, OWNER), read(lab, STRANGER)) == ("ok", "ok")


def test_an_rcp_applies_to_supported_services_only(make_lab: LabFactory) -> None:
    """An RCP has no effect on services that AWS does not list for RCPs, such as IAM and Parameter Store."""
    policy = PERIMETER.replace('"secretsmanager:*"', '"iam:*", "ssm:*"').replace("o-exampleorg1", "o-another00000")
    lab = make_lab(seed(workloads(policy)))

    assert lab.user("admin").call("iam", "ListRoles")["Roles"]
    assert lab.user("admin", OWNER).refused_role(ROLE).code == "AccessDenied"
    services = ("s3", "sts", "sqs", "kms", "secretsmanager", "dynamodb", "ecr")
    assert all(has_resource_control(f"{service}:Anything") for service in services)
    assert not any(has_resource_control(f"{service}:Anything") for service in ("iam", "ssm", "organizations"))


def test_an_rcp_applies_to_federated_callers(make_lab: LabFactory) -> None:
    """An RCP also applies to web identity tokens; AWS's recommended RCP admits only the user's own repositories."""
    issuer = "token.actions.githubusercontent.com"
    policy = (
        'resource_control_policies: [{Version: "2012-10-17", Statement: [{Effect: Deny, Principal: "*", '
        'Action: "sts:AssumeRoleWithWebIdentity", Resource: "*", Condition: '
        f'{{StringNotLikeIfExists: {{"{issuer}:sub": "repo:our-org/*"}}}}}}]}}]'
    )
    trust = f'{{Federated: "arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"}}, Action: "sts:AssumeRoleWithWebIdentity"'
    lab = make_lab(
        f"organization: {{management_account: '{OWNER}', accounts: ['{ACCOUNT}'], {policy}}}\n"
        f"accounts: {{'{OWNER}': {{}}, '{ACCOUNT}': {{roles: {{CI: {{trust: {{Version: '2012-10-17', "
        f"Statement: {{Effect: Allow, Principal: {trust}}}}}}}}}, "
        f"oidc_providers: [{{url: 'https://{issuer}', client_ids: [sts.amazonaws.com], issued_by_sandbox: true}}]}}}}"
    )
    for repository, status in (("our-org/app", 200), ("their-org/app", 403)):
        parameters = {"sub": f"repo:{repository}:ref:refs/heads/main", "aud": "sts.amazonaws.com"}
        token = ask(Control(lab.sandbox), "token", "POST", parameters)[1]["token"]
        answer = lab.user("admin").answer(
            "sts",
            "AssumeRoleWithWebIdentity",
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/CI",
            RoleSessionName="s1",
            WebIdentityToken=token,
        )
        assert answer.status == status


# --- condition keys ----------------------------------------------------------------------------------------------


def test_organization_condition_keys_of_the_caller(make_lab: LabFactory) -> None:
    """Condition keys name the organizations of principal and resource; outside an organization they are absent."""
    lab = make_lab(seed(workloads("")))
    lab.user("admin", OTHER).assume(ROLE)
    context = lab.sandbox.judge.decisions[-1].decision.request.context
    path = context["aws:PrincipalOrgPaths"][0]

    assert context["aws:PrincipalOrgID"] == context["aws:ResourceOrgID"] == ("o-exampleorg1",)
    assert context["aws:ResourceOrgPaths"] == (path,)
    assert [part[:2] for part in path.split("/")] == ["o-", "r-", "ou", ""]
    lab.user("admin", STRANGER).assume(ROLE)
    context = lab.sandbox.judge.decisions[-1].decision.request.context
    assert "aws:PrincipalOrgID" not in context
    assert context["aws:ResourceOrgID"] == ("o-exampleorg1",)


def test_a_trust_policy_can_require_the_organization(make_lab: LabFactory) -> None:
    """aws:PrincipalOrgID can restrict a trust policy with the principal `*`, as AWS recommends."""
    text = seed(workloads("")).replace(
        'Action: "sts:AssumeRole"}]}',
        'Action: "sts:AssumeRole", Condition: {StringEquals: {"aws:PrincipalOrgID": o-exampleorg1}}}]}',
    )
    lab = make_lab(text)

    assert lab.user("admin", OTHER).assume(ROLE).arn
    assert lab.user("admin", STRANGER).refused_role(ROLE).code == "AccessDenied"


def test_without_an_organization_the_keys_are_absent(make_lab: LabFactory) -> None:
    """Without an organization requests have no organization keys, and no control policies apply."""
    lab = make_lab('accounts: {"111111111111": {}}')
    lab.user("admin").call("iam", "ListRoles")
    decision = lab.sandbox.judge.decisions[-1].decision

    assert not [key for key in decision.request.context if "Org" in key]
    assert decision.policies.service_control == decision.policies.resource_control == ()


def test_within_the_organization_a_denial_has_its_reason(make_lab: LabFactory) -> None:
    """A cross-account denial names its policy to callers in the organization, and not to outside callers."""
    policy = (
        'resource_control_policies: [{Version: "2012-10-17", Statement: [{Effect: Deny, Principal: "*", '
        'Action: "sts:AssumeRole", Resource: "*"}]}]'
    )
    lab = make_lab(seed(workloads(policy)))

    refused = lab.user("admin", OTHER).refused_role(ROLE)
    assert "with an explicit deny in a resource control policy: arn:aws:organizations::" in refused.message
    assert lab.user("admin", STRANGER).refused_role(ROLE).message.endswith(f"on resource: {ROLE}")


# --- seed and moto -------------------------------------------------------------------------------------------------


def test_problems_of_an_organization_are_reported_with_line() -> None:
    """All problems of an organization are reported at once, with their lines."""
    text = """accounts: {"111111111111": {}, "222222222222": {}}
organization:
  id: exampleorg
  feature_set: SOME
  root_access: yes please
  accounts: ["444444444444", "222222222222"]
  service_control_policies: [{Version: "2012-10-17", Statement: {Effect: Deny, Principal: "*", Action: "*"}}]
  organizational_units:
    A: {accounts: ["222222222222"], full_aws_access: false, unit: x}
  delegated_administrators: {"111111111111": [iam.amazonaws.com], "222222222222": [ec2.amazonaws.com]}
  management_account: "111111111111"
"""
    reported = problems(text)

    for expected in (
        "3 organization.id: `id` must be like o-exampleorg1",
        "4 organization.feature_set: `feature_set` must be ALL or CONSOLIDATED_BILLING",
        "5 organization.root_access: this must be true, false or a list of RootCredentialsManagement, RootSessions",
        "6 organization.accounts.444444444444: there is no account `444444444444` in `accounts`",
        "9 organization.organizational_units.A: unknown key `unit`",
        "9 organization.organizational_units.A.accounts.222222222222: the account is in organization.accounts already",
        "10 organization.delegated_administrators.111111111111: `111111111111` is not a member account",
        "10 organization.delegated_administrators.222222222222: `ec2.amazonaws.com` has no effect here",
    ):
        assert any(problem.startswith(expected) or expected.split(": ", 1)[1] in problem for problem in reported), (
            expected
        )
    assert any("service_control_policies[0]" in problem and "7 " in problem for problem in reported)
    assert any("no policy would be left" in problem for problem in reported)


def test_policy_names_are_unique() -> None:
    """A policy name may be repeated only with the same document."""
    text = seed(
        f"  service_control_policies: [{{name: A, document: {DENY % ''}}}]"
        + workloads(f"service_control_policies: [{{name: A, document: {FULL}}}]")
    )
    assert any("there is another policy named `A`" in problem for problem in problems(text))
    same = seed(
        f"  service_control_policies: [{{name: A, document: {DENY % ''}}}]"
        + workloads(f"service_control_policies: [{{name: A, document: {DENY % ''}}}]")
    )
    assert read_seed(same, "seed.yaml").organization is not None


def test_units_are_at_most_five_deep() -> None:
    """Organizational units are at most five levels deep, AWS's quota."""
    unit = "{}"
    for _ in range(6):
        unit = f"{{organizational_units: {{U: {unit}}}}}"
    text = seed(f"  organizational_units: {{U: {unit}}}")

    assert any("at most 5 levels deep" in problem for problem in problems(text))


def test_organizations_end_with_their_sandbox(make_lab: LabFactory) -> None:
    """A new sandbox has no organization, although moto stores members outside its backends."""
    make_lab(seed(workloads("")))
    world = Sandbox().world

    assert world.organizations.membership(ACCOUNT) is None
    assert list(world.organizations.accounts()) == []


def test_a_moto_that_drops_a_policy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moto version that drops a policy is refused when the first organization is created."""
    models = _taught_models()
    organization_models.cache_clear()

    def forget(*_: Any, **__: Any) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(models.OrganizationsBackend, "attach_policy", forget)
        with pytest.raises(SandboxUnavailable) as caught:
            organization_models()
    assert "service control policies" in caught.value.why
    assert organization_models() is models


def test_values_that_moto_refuses_are_seed_errors(make_lab: LabFactory) -> None:
    """A policy that moto refuses is reported as an error of the seed."""
    with pytest.raises(SeedInvalid) as caught:
        make_lab(seed(f"  service_control_policies: [{{name: FullAWSAccess, document: {DENY % ''}}}]"))
    assert caught.value.message == "the organization of the seed can't be created"
