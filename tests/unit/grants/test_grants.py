"""What each hop of a plan needs in AWS: a trust policy, the caller's permissions, and the first caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dsops.arn import parse_arn
from dsops.document import parse_json
from dsops.errors import PolicyIncomplete, UsageError
from dsops.grants import GrantInputs, Grants, Placeholder, blanks_in, filled, grants_of
from dsops.grants.cloudformation import template
from dsops.grants.selection import Selection, by_account, of_store
from dsops.grants.trust import trust_in_tokens
from dsops.plan import Login, Proof
from dsops.plan.statements import compact, policy
from dsops.policy import Policies, PolicyKind, Principal, Request, check_policy, evaluate
from dsops.policy.linting import lint
from tests.plans import plan_of

if TYPE_CHECKING:
    from dsops.schema import Settings

ADA = "arn:aws:iam::111111111111:user/ada"
ROLE = "role_arn: 'arn:aws:iam::222222222222:role/Target'"


def made(stores: str, variables: str = "", *, written: GrantInputs | None = None, **options: Any) -> Grants:
    """Return the grants of an environment that reads one secret through the store `secrets`."""
    variables = variables or "    A: {from: {store: secrets, key: prod/a}}\n"
    plan = plan_of(f"secretStores:\n{stores}envs:\n  e:\n{variables}", **options)
    return grants_of(plan, written or GrantInputs(ADA))


def target(more: str = "", source: str = "target") -> str:
    """Return a role, and the store that reads with it."""
    return (
        f"  target: {{type: aws.sts, {ROLE}{more}}}\n"
        f"  secrets: {{type: aws.secretsmanager, region: us-east-1, credentials_from: {source}}}\n"
    )


def trust(grants: Grants, role: int = 0) -> list[dict[str, Any]]:
    """Return the statements of a role's trust policy, with blanks in their displayed form."""
    found: list[dict[str, Any]] = filled(list(grants.roles[role].trust))  # type: ignore[assignment]
    return found


def test_a_role_trusts_the_caller_and_the_caller_may_assume_it() -> None:
    """The role trusts the caller that the user names, and the caller gets permission to assume the role.

    The configuration does not contain the caller.
    """
    grants = made(target())

    assert trust(grants) == [{"Effect": "Allow", "Principal": {"AWS": ADA}, "Action": "sts:AssumeRole"}]
    [base] = grants.bases
    assert (base.who, base.arn, base.account) == ("base", ADA, "111111111111")
    assert list(base.permissions) == [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::222222222222:role/Target"}
    ]
    assert [statement["Action"] for statement in grants.roles[0].permissions] == [
        "secretsmanager:GetSecretValue",
        "kms:Decrypt",
    ]
    assert grants.notes == ()


def test_an_unknown_caller_and_an_external_id_are_left_open() -> None:
    """Blanks replace an unknown caller and an external ID, which is secret.

    In JSON, a blank is a placeholder that matches no request.
    """
    grants = made(target(", external_id: an-id"), written=GrantInputs())

    assert trust(grants)[0]["Principal"] == {"AWS": "<arn of base caller>"}
    assert trust(grants)[0]["Condition"] == {"StringEquals": {"sts:ExternalId": "<external id of target>"}}
    blanks = list(blanks_in(list(grants.roles[0].trust)))
    assert [(blank.name, blank.is_secret) for blank in blanks] == [
        ("arn_of_base_caller", False),
        ("external_id_of_target", True),
    ]
    assert "an-id" not in repr(grants)


def test_external_ids_of_stores_that_are_named_alike_stay_two() -> None:
    """Stores with similar names (`a-b`, `a_b`) keep separate external ID variables in Terraform.

    Otherwise one vendor's ID would open the other's role.
    """
    stores = "".join(
        f"  {name}: {{type: aws.sts, role_arn: 'arn:aws:iam::222222222222:role/R{n}', external_id: id-{n}}}\n"
        f"  s{n}: {{type: aws.ssm, region: us-east-1, credentials_from: {name}}}\n"
        for n, name in enumerate(("a-b", "a_b", "a_b_2"))
    )
    grants = made(stores, "".join(f"    V{n}: {{from: {{store: s{n}, key: /a}}}}\n" for n in range(3)))

    roles = [entry for role in grants.roles for entry in blanks_in(list(role.trust))]
    assert len({entry.name for entry in roles}) == 3
    resources: Any = template(grants, Selection("trust"), "")["Resources"]
    ids = [
        role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"][
            "Ref"
        ]
        for role in resources.values()
    ]
    assert len(set(ids)) == 3


def test_mfa_is_asked_for_in_a_way_that_long_term_keys_dont_slip_through() -> None:
    """The MFA condition uses Bool, so that requests with long-term keys do not match.

    The MFA device's account is the caller's account.
    """
    grants = made(target(", serial_number: 'arn:aws:iam::111111111111:mfa/ada'"), written=GrantInputs())

    [statement] = trust(grants)
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
    assert statement["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def test_roles_behind_a_shared_mfa_session_ask_for_mfa_too() -> None:
    """A role behind a shared MFA session requires MFA.

    Its trust policy names the user, who also needs permission.
    """
    device = "serial_number: 'arn:aws:iam::111111111111:mfa/ada'"
    stores = (
        target(f", {device}")
        + f"  other: {{type: aws.sts, role_arn: 'arn:aws:iam::333333333333:role/Other', {device}}}\n"
        + "  more: {type: aws.ssm, region: us-east-1, credentials_from: other}\n"
    )
    reads = "    A: {from: {store: secrets, key: a}}\n    B: {from: {store: more, key: /b}}\n"
    grants = made(stores, reads)

    for role in (0, 1):
        assert trust(grants, role)[0]["Principal"] == {"AWS": ADA}
        assert trust(grants, role)[0]["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    assert grants.bases[0].permissions[0]["Resource"] == [
        "arn:aws:iam::222222222222:role/Target",
        "arn:aws:iam::333333333333:role/Other",
    ]


JUMP = (
    "  jump: {type: aws.sts, role_arn: 'arn:aws:iam::222222222222:role/hops/Jump', tags: {team: a}, "
    "transitive_tag_keys: [team], source_identity: ada}\n"
)


def test_tags_and_source_identity_have_statements_of_their_own() -> None:
    """Tags and source identity have their own statements with exactly the keys that are sent.

    Inherited tags are allowed without a list of keys.
    """
    grants = made(JUMP + target(", credentials_from: jump"), written=GrantInputs(ADA, "", {"jump": "dev-*"}))

    entry, tags, identity = trust(grants)
    assert entry["Condition"] == {"StringLike": {"sts:SourceIdentity": "dev-*"}}
    assert tags["Action"] == "sts:TagSession"
    assert tags["Condition"] == {"ForAllValues:StringEquals": {"aws:TagKeys": "team"}, "Null": {"aws:TagKeys": "false"}}
    assert identity["Action"] == "sts:SetSourceIdentity"
    assert identity["Condition"] == {"StringLike": {"sts:SourceIdentity": "dev-*"}}
    assert [(each["Action"], "Condition" in each) for each in trust(grants, 1)] == [
        ("sts:AssumeRole", False),
        ("sts:TagSession", False),
        ("sts:SetSourceIdentity", False),
    ]


def test_a_hop_within_an_account_needs_no_permission() -> None:
    """Within an account a hop needs no permission if the trust policy names the role; across accounts it needs one."""
    grants = made(JUMP + target(", credentials_from: jump"))

    jump = grants.roles[0]
    assert jump.permissions == ()
    assert jump.path == "/hops/"
    [note] = grants.notes
    assert note == (
        "arn:aws:iam::222222222222:role/hops/Jump needs no permission to assume "
        "arn:aws:iam::222222222222:role/Target: a trust policy of its own account names it"
    )
    # A session policy still limits the session.
    assert grants.sessions[0].policy["Statement"][0]["Action"] == [  # type: ignore[index]
        "sts:AssumeRole",
        "sts:TagSession",
        "sts:SetSourceIdentity",
    ]


def test_two_stores_of_one_role_make_one_role() -> None:
    """Two stores of one role generate one role with both stores' permissions and the longer duration.

    The two sessions stay separate.
    """
    stores = (
        target(", duration_seconds: 7200")
        + f"  other: {{type: aws.sts, {ROLE}}}\n"
        + "  more: {type: aws.secretsmanager, region: eu-west-1, credentials_from: other}\n"
    )
    reads = "    A: {from: {store: secrets, key: a}}\n    B: {from: {store: more, key: b}}\n"
    grants = made(stores, reads)

    [role] = grants.roles
    assert (role.stores, role.max_session_duration, len(role.trust)) == (("target", "other"), 7200, 1)
    assert role.permissions[0]["Resource"] == [
        "arn:aws:secretsmanager:eu-west-1:222222222222:secret:b-??????",
        "arn:aws:secretsmanager:us-east-1:222222222222:secret:a-??????",
    ]
    assert [session.store for session in grants.sessions] == ["target", "other"]
    assert not grants.sessions[0].is_sent


def test_what_base_credentials_read_themselves_is_of_their_own_account() -> None:
    """If base credentials read secrets directly, a condition limits the reads to the credentials' own account."""
    stores = "  secrets: {type: aws.secretsmanager, region: us-east-1}\n"
    secret = made(stores, written=GrantInputs()).bases[0].permissions[0]
    assert secret["Resource"] == "arn:aws:secretsmanager:us-east-1:*:secret:prod/a-??????"
    conditions: Any = secret["Condition"]
    assert conditions["StringEquals"] == {"aws:ResourceAccount": "${aws:PrincipalAccount}"}

    secret = made(stores).bases[0].permissions[0]
    assert secret["Resource"] == "arn:aws:secretsmanager:us-east-1:111111111111:secret:prod/a-??????"
    assert "StringEquals" not in secret["Condition"]  # type: ignore[operator]


def test_each_profile_is_a_caller_of_its_own() -> None:
    """Each profile is a separate caller.

    One --caller cannot be the ARN of two profiles, so each caller is a blank that is named after its profile.
    """
    stores = target(", profile: work") + "  own: {type: aws.ssm, region: us-east-1}\n"
    reads = "    A: {from: {store: secrets, key: a}}\n    B: {from: {store: own, key: /b}}\n"
    grants = made(stores, reads)
    assert {base.who: base.permissions[0]["Action"] for base in grants.bases} == {
        "work": "sts:AssumeRole",
        "base": "ssm:GetParameters",
    }
    assert trust(grants)[0]["Principal"] == {"AWS": "<arn of work caller>"}


def test_a_secret_of_another_account_is_noted() -> None:
    """If a secret is in another account, a note says that its account must also allow the role's account."""
    key = "arn:aws:secretsmanager:us-east-1:999999999999:secret:theirs-AbCdEf"
    grants = made(target(), f"    A: {{from: {{store: secrets, key: '{key}'}}}}\n")
    assert grants.notes == (
        f"{key} is another account's: its resource policy and its key's have to let account 222222222222 in as well",
    )


@pytest.mark.parametrize(
    ("caller", "hint"),
    [
        ("ada", "dsops whoami"),
        ("arn:aws:iam::111111111111:group/x", "dsops whoami"),
        ("arn:aws:iam::1:user/x", "dsops whoami"),
        ("arn:aws:sts::111111111111:assumed-role/Admin/ada", "arn:aws:iam::111111111111:role/Admin"),
    ],
)
def test_a_caller_that_no_trust_policy_could_name_is_refused(caller: str, hint: str) -> None:
    """A caller that no trust policy can name is refused; the hint says what to write."""
    with pytest.raises(UsageError) as caught:
        made(target(), written=GrantInputs(caller))
    assert hint in caught.value.hint


def test_a_permission_set_is_trusted_by_its_roles_name() -> None:
    """A permission set is trusted by a condition on its role's name, because its ARN has random characters."""
    login = "{type: aws.sso, start_url: 'https://acme.awsapps.com/start', sso_region: us-east-1, "
    stores = f"  login: {login}account_id: '111111111111', role_name: Dev}}\n" + target(", credentials_from: login")
    proof = Proof("a login", "x", is_fetched=True, login=Login("", "", ""))
    grants = made(stores, proof=lambda _type, _settings: proof)

    [statement] = trust(grants)
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
    assert statement["Condition"] == {
        "ArnLike": {
            "aws:PrincipalArn": (
                "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_Dev_????????????????"
            )
        }
    }
    assert grants.bases[0].permissions[0]["Action"] == "sts:AssumeRole"

    path, suffix = "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com", "0123456789abcdef"
    assert lets_in(statement, f"{path}/AWSReservedSSO_Dev_{suffix}")
    assert lets_in(statement, f"{path}/eu-west-1/AWSReservedSSO_Dev_{suffix}")
    assert not lets_in(statement, f"{path}/AWSReservedSSO_Dev_Ops_{suffix}")
    assert not lets_in(statement, f"{path}/AWSReservedSSO_Admin_{suffix}")
    assert not lets_in(statement, f"arn:aws:iam::111111111111:role/AWSReservedSSO_Dev_{suffix}")


def lets_in(statement: dict[str, Any], role_arn: str) -> bool:
    """Whether a trust policy with that statement admits a session of the role, which may assume any role."""
    name = role_arn.rpartition("/")[2]
    caller = Principal("role-session", "111111111111", f"arn:aws:sts::111111111111:assumed-role/{name}/ada", role_arn)
    documents = [{"Effect": "Allow", "Action": "*", "Resource": "*"}, statement]
    kinds: tuple[PolicyKind, PolicyKind] = ("identity", "trust")
    identity, found = [
        check_policy(parse_json(compact(policy([document])), "x"), kind, name="x").policy
        for document, kind in zip(documents, kinds, strict=True)
    ]
    assert identity is not None
    context = {"aws:PrincipalArn": (role_arn,)}
    target_arn = "arn:aws:iam::222222222222:role/Target"
    request = Request(caller, "sts:AssumeRole", target_arn, "222222222222", context)
    return evaluate(request, Policies(identity=(identity,), resource=found, must_resource_allow=True)).is_allowed


def test_a_key_of_the_keyring_is_named_like_a_caller() -> None:
    """If the keyring's key is the only caller, --caller names its user, as for base credentials."""
    stores = "  key: {type: aws.keys, key_name: work}\n" + target(", credentials_from: key")
    proof = Proof("a key", "x", is_fetched=True)
    grants = made(stores, proof=lambda _type, _settings: proof)
    assert trust(grants)[0]["Principal"] == {"AWS": ADA}
    assert [(base.who, base.arn) for base in grants.bases] == [("key", ADA)]

    grants = made(stores, written=GrantInputs(), proof=lambda _type, _settings: proof)
    assert trust(grants)[0]["Principal"] == {"AWS": "<arn of key>"}


def test_a_user_who_vouches_for_a_session_has_to_be_allowed_what_it_does() -> None:
    """A user who requests a federated session needs all permissions of that session.

    The session's rights are the intersection of its policy and the user's permissions.
    """
    stores = (
        "  vouched: {type: aws.sts, region: us-east-1, federated_user_name: ci, tags: {a: b}}\n"
        "  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: vouched}\n"
    )
    grants = made(stores)
    assert grants.roles == ()
    allowed = {str(permission["Action"]): permission["Resource"] for permission in grants.bases[0].permissions}
    assert allowed == {
        "secretsmanager:GetSecretValue": "arn:aws:secretsmanager:us-east-1:111111111111:secret:prod/a-??????",
        "kms:Decrypt": "*",
        "['sts:GetFederationToken', 'sts:TagSession']": "arn:aws:sts::111111111111:federated-user/ci",
    }
    [session] = grants.sessions
    assert (session.store, session.role, session.account) == ("vouched", "", "111111111111")


def test_a_root_task_is_allowed_for_its_account_and_its_policy() -> None:
    """AssumeRoot is allowed for the member account and the task policy; the member account itself needs no grant."""
    task = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
    stores = f"  root: {{type: aws.sts, target_principal: '222222222222', task_policy_arn: '{task}'}}\n"
    grants = made(stores, "    A: {from: {store: root, key: access_key_id}}\n")
    assert list(grants.bases[0].permissions) == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRoot",
            "Resource": "arn:aws:iam::222222222222:root",
            "Condition": {"StringEquals": {"sts:TaskPolicyArn": task}},
        }
    ]


def test_contexts_that_are_provided_take_an_action_of_their_own() -> None:
    """Provided contexts require their own action, sts:SetContext, on both sides."""
    grants = made(target(", provided_contexts: {'arn:aws:iam::aws:contextProvider/x': an-assertion}"))
    assert [entry["Action"] for entry in trust(grants)] == ["sts:AssumeRole", "sts:SetContext"]
    assert grants.bases[0].permissions[0]["Action"] == ["sts:AssumeRole", "sts:SetContext"]
    assert "an-assertion" not in repr(grants)


@pytest.mark.parametrize(("partition", "host"), [("aws", "signin.aws.amazon.com"), ("aws-cn", "signin.amazonaws.cn")])
def test_a_saml_provider_is_trusted_for_aws(partition: str, host: str) -> None:
    """A SAML provider is trusted with the partition's sign-in URL as audience.

    The provider's ARN comes from the configuration.
    """
    provider = f"arn:{partition}:iam::222222222222:saml-provider/Idp"
    region = "us-east-1" if partition == "aws" else "cn-north-1"
    stores = target(f", saml_assertion_file: x, principal_arn: '{provider}', region: {region}")
    stores = stores.replace("arn:aws:iam", f"arn:{partition}:iam").replace("us-east-1", region)
    grants = made(stores, proof=lambda _type, _settings: Proof("a file", "x"))
    assert trust(grants) == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithSAML",
            "Condition": {"StringEquals": {"SAML:aud": f"https://{host}/saml"}},
        }
    ]


def test_a_role_that_only_an_assertion_names_is_noted() -> None:
    """If only the assertion names the role, the grants have a note instead of a policy.

    A provider that the configuration does not name is a blank.
    """
    proof = Proof("a file", "x")
    stores = target(", saml_assertion_file: x")
    grants = made(stores, proof=lambda _type, _settings: proof)
    assert trust(grants)[0]["Principal"] == {"Federated": "<saml provider of target>"}

    grants = made(stores.replace(f"{ROLE}, ", ""), proof=lambda _type, _settings: proof)
    assert grants.roles == ()
    assert "name it in `role_arn`" in grants.notes[0]


# --- web identity -----------------------------------------------------------------------------------------------


def tokens(more: str, proof: Proof, *, issuer: str = "") -> Grants:
    """Return the grants of a role that is assumed with a token."""

    def found(_type: str, _settings: Settings) -> Proof:
        return proof

    return made(target(more), written=GrantInputs("", issuer), proof=found)


def test_githubs_tokens_are_trusted_for_whom_is_left_open() -> None:
    """A role for GitHub's tokens has a blank for the subject: `*` would admit workflows of every repository."""
    grants = tokens(", web_identity: github", Proof("GitHub", "x", is_fetched=True))

    host = "token.actions.githubusercontent.com"
    assert trust(grants) == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::222222222222:oidc-provider/{host}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": "<subject of target>"}},
        }
    ]
    assert grants.bases == ()
    assert grants.notes == (f"account 222222222222 needs the OpenID Connect provider https://{host}",)


def test_a_token_at_hand_says_whose_it_is() -> None:
    """If the token can be read, the trust policy requires exactly its issuer, audience and subject.

    A `*` in the subject is literal.
    """
    proof = Proof("a file", "x", ("https://idp.example.com/a", "repo:*", "dsops"))
    [statement] = trust(tokens(", web_identity_token_file: token", proof))
    assert statement["Condition"] == {
        "StringEquals": {"idp.example.com/a:aud": "dsops", "idp.example.com/a:sub": "repo:*"}
    }


@pytest.mark.parametrize("issuer", ["", "http://idp.example.com"])
def test_an_unknown_issuer_is_an_error_with_what_to_type(issuer: str) -> None:
    """If the issuer is unknown, the error suggests `--issuer`, because the condition keys contain the issuer."""
    with pytest.raises(PolicyIncomplete) as caught:
        tokens(", web_identity: kubernetes", Proof("EKS", "x", is_fetched=True), issuer=issuer)
    assert "--issuer https://" in caught.value.hint

    grants = tokens(", web_identity: kubernetes", Proof("EKS", "x", is_fetched=True), issuer="https://oidc.example/1")
    assert trust(grants)[0]["Condition"]["StringEquals"]["oidc.example/1:aud"] == "sts.amazonaws.com"


def test_an_unknown_audience_is_left_open() -> None:
    """If the audience is unknown, the condition has a blank; only some platforms have a default audience."""
    grants = tokens(", web_identity: gitlab", Proof("GitLab", "x", is_fetched=True))
    assert trust(grants)[0]["Condition"]["StringEquals"]["gitlab.com:aud"] == "<audience of target>"


def test_a_pattern_of_subjects_is_compared_as_one() -> None:
    """A subject with wildcards is compared as a pattern, so that the trust policy covers several tokens."""
    role = parse_arn("arn:aws:iam::222222222222:role/Target")
    assert role is not None
    statement = trust_in_tokens(role, "https://gitlab.com", "x", "project_path:a/*", is_pattern=True)
    assert statement["Condition"] == {
        "StringEquals": {"gitlab.com:aud": "x"},
        "StringLike": {"gitlab.com:sub": "project_path:a/*"},
    }


# --- parts ------------------------------------------------------------------------------------------------------


def test_parts_of_it_can_be_had() -> None:
    """The grants can be limited to one store, one kind of policy or one account."""
    grants = made(JUMP.replace("222222222222", "444444444444") + target(", credentials_from: jump"))

    assert [role.arn.resource_name for role in of_store(grants, "jump").roles] == ["Jump"]
    assert list(by_account(grants)) == ["444444444444", "222222222222", "111111111111"]
    assert Selection("session").only(grants).roles == ()
    assert Selection("trust").only(grants).bases == ()
    assert Selection("permissions").only(grants).sessions == ()
    assert Selection("all").only(grants) == grants
    assert list(by_account(made(target(), written=GrantInputs()))) == ["222222222222", "callers"]


def test_the_linter_accepts_every_generated_policy() -> None:
    """The linter of `dsops policy check` reports no errors and no warnings for any generated policy."""
    jump = JUMP.replace("222222222222", "444444444444")
    grants = made(jump + target(", credentials_from: jump, external_id: some-id"))
    for role in grants.roles:
        for kind, statements in (("trust", role.trust), ("identity", role.permissions)):
            text = compact(filled(policy(list(statements))))  # type: ignore[arg-type]
            report = lint(parse_json(text, "x"), len(text), kind)  # type: ignore[arg-type]
            assert report.is_clean, report.findings


def test_a_blank_has_a_name_for_every_language() -> None:
    """The name of a blank has only letters, digits and `_`, which every format accepts."""
    assert Placeholder("external_id_of_a_b", "What it is.").shown == "<external id of a b>"
