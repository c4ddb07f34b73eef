"""Which callers a Principal element names, and how specifically."""

from __future__ import annotations

import pytest

from dsops.policy import Principal
from dsops.policy.language.principals import ACCOUNT as BY_ACCOUNT
from dsops.policy.language.principals import DIRECT, ISSUER, UNNAMED, Reach, Type, check_principal, compile_principals
from tests.unit.policy.policies import ACCOUNT, ALICE, ANYBODY, APP, BOB, GITHUB, LAMBDA, OTHER, ROOT, WORKFLOW


def reach(kind: Type, *texts: str, of: Principal, negated: bool = False, deny: bool = False) -> Reach:
    """Return how specifically an element with these texts names this principal."""
    written = [(kind, text) for text in texts]
    return compile_principals(written, is_negated=negated, is_deny=deny).reach(of)


@pytest.mark.parametrize("caller", [ALICE, APP, BOB, ROOT, ANYBODY, WORKFLOW, LAMBDA])
def test_a_star_names_everyone(caller: Principal) -> None:
    """`*` names every caller, including anonymous ones."""
    assert reach("AWS", "*", of=caller) == DIRECT


@pytest.mark.parametrize("caller", [ALICE, APP, BOB, ROOT])
@pytest.mark.parametrize("text", [ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"])
def test_an_account_names_all_that_belong_to_it(caller: Principal, text: str) -> None:
    """An account ID or root ARN names all principals of the account, and none of another account."""
    assert reach("AWS", text, of=caller) == BY_ACCOUNT
    assert reach("AWS", text.replace(ACCOUNT, OTHER), of=caller) == UNNAMED


def test_the_root_arn_of_another_partition_names_no_principal() -> None:
    """A root ARN of another partition names no principal, because each partition has its own accounts."""
    assert reach("AWS", f"arn:aws-cn:iam::{ACCOUNT}:root", of=ALICE) == UNNAMED


def test_a_user_is_named_by_arn_or_id() -> None:
    """A user is named by the ARN with its path, or by its ID; a user that is created again has a new ID."""
    assert reach("AWS", ALICE.arn, of=ALICE) == DIRECT
    assert reach("AWS", ALICE.unique_id, of=ALICE) == DIRECT
    assert reach("AWS", f"arn:aws:iam::{ACCOUNT}:user/alice", of=ALICE) == UNNAMED
    assert reach("AWS", "AIDAEXAMPLEALICE00002", of=ALICE) == UNNAMED


def test_a_session_is_named_itself_or_by_its_role() -> None:
    """A session is named by its own ARN, by the role's ARN (with path), or by the role's ID."""
    assert reach("AWS", APP.arn, of=APP) == DIRECT
    assert reach("AWS", APP.issuer_arn, of=APP) == ISSUER
    assert reach("AWS", APP.unique_id, of=APP) == ISSUER
    assert reach("AWS", APP.arn.replace("run-1", "run-2"), of=APP) == UNNAMED
    assert reach("AWS", APP.issuer_arn.replace("service/", ""), of=APP) == UNNAMED


def test_a_federated_session_is_named_itself_or_by_its_user() -> None:
    """A federated session is named by its own ARN, by the user's ARN, or by the user's ID."""
    assert reach("AWS", BOB.arn, of=BOB) == DIRECT
    assert reach("AWS", BOB.issuer_arn, of=BOB) == ISSUER
    assert reach("AWS", BOB.unique_id, of=BOB) == ISSUER


def test_the_closest_of_several_names_counts() -> None:
    """If several entries name the caller, the most specific one decides."""
    assert reach("AWS", ACCOUNT, APP.issuer_arn, APP.arn, of=APP) == DIRECT
    assert reach("AWS", ACCOUNT, APP.issuer_arn, of=APP) == ISSUER


def test_providers_and_services_are_named_by_their_own_type() -> None:
    """A provider is named only under Federated and a service only under Service; neither is named under AWS."""
    assert reach("Federated", GITHUB, of=WORKFLOW) == DIRECT
    assert reach("Service", "lambda.amazonaws.com", of=LAMBDA) == DIRECT
    assert reach("AWS", GITHUB, of=WORKFLOW) == UNNAMED
    assert reach("Federated", "lambda.amazonaws.com", of=LAMBDA) == UNNAMED
    assert reach("Service", GITHUB, of=WORKFLOW) == UNNAMED
    assert reach("Federated", GITHUB, of=ALICE) == UNNAMED
    assert reach("Service", "ec2.amazonaws.com", of=LAMBDA) == UNNAMED
    assert reach("AWS", ACCOUNT, of=ANYBODY) == UNNAMED


@pytest.mark.parametrize(
    ("caller", "names"),
    [
        (ALICE, [ACCOUNT, ALICE.arn]),
        (APP, [ACCOUNT, APP.issuer_arn, APP.arn]),
        (BOB, [ACCOUNT, BOB.issuer_arn, BOB.arn]),
        (ROOT, [ACCOUNT]),
    ],
)
def test_a_deny_with_not_principal_spares_only_callers_named_in_every_way(caller: Principal, names: list[str]) -> None:
    """A Deny with NotPrincipal exempts a caller only if the policy lists every name of the caller."""
    assert reach("AWS", *names, of=caller, negated=True, deny=True) == UNNAMED
    for index in range(len(names)):
        fewer = names[:index] + names[index + 1 :]
        assert reach("AWS", *fewer, of=caller, negated=True, deny=True) == DIRECT


@pytest.mark.parametrize("name", [ACCOUNT, APP.issuer_arn, APP.arn, APP.unique_id])
def test_an_allow_with_not_principal_leaves_out_callers_named_in_any_way(name: str) -> None:
    """An Allow with NotPrincipal excludes a caller if any of the caller's names is listed.

    The statement admits all other callers.
    """
    assert reach("AWS", name, of=APP, negated=True) == UNNAMED
    assert reach("AWS", name, of=ANYBODY, negated=True) == DIRECT
    assert reach("AWS", name, of=LAMBDA, negated=True) == DIRECT


def test_not_principal_spares_the_service_or_provider_it_names() -> None:
    """NotPrincipal exempts the service or provider that it lists, and no other."""
    assert reach("Service", "lambda.amazonaws.com", of=LAMBDA, negated=True, deny=True) == UNNAMED
    assert reach("Service", "ec2.amazonaws.com", of=LAMBDA, negated=True, deny=True) == DIRECT
    assert reach("AWS", "*", of=ALICE, negated=True, deny=True) == UNNAMED


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("AWS", "*"),
        ("AWS", "111122223333"),
        ("AWS", "arn:aws:iam::111122223333:root"),
        ("AWS", "arn:aws-us-gov:iam::111122223333:user/a/b"),
        ("AWS", "arn:aws:iam::111122223333:role/x"),
        ("AWS", "arn:aws:sts::111122223333:assumed-role/R/S"),
        ("AWS", "arn:aws:sts::111122223333:federated-user/bob"),
        ("AWS", "AIDAI23HXD3MBVD4EFPWX"),
        ("AWS", "AROAI23HXD3MBVD4EFPWX"),
        ("Federated", GITHUB),
        ("Federated", "arn:aws:iam::111122223333:saml-provider/Okta"),
        ("Federated", "cognito-identity.amazonaws.com"),
        ("Service", "ec2.amazonaws.com"),
        ("CanonicalUser", "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"),
    ],
)
def test_principals_in_all_their_forms_are_accepted(kind: Type, text: str) -> None:
    """Every documented form of principal is accepted."""
    check_principal(kind, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("AWS", ""),
        ("AWS", "alice"),
        ("AWS", "11112222333"),
        ("AWS", "arn:aws:iam::111122223333:user/*"),
        ("AWS", "arn:aws:iam::111122223333:group/devs"),
        ("AWS", "arn:aws:iam::111122223333:role/"),
        ("AWS", "arn:aws:iam::*:root"),
        ("AWS", "arn:aws:s3:::bucket"),
        ("AWS", "arn:aws:s3::111122223333:federated-user/bob"),
        ("AWS", "arn:aws:sts::111122223333:assumed-role/R"),
        ("AWS", "arn:aws:iam:us-east-1:111122223333:user/a"),
        ("AWS", "arn:aws:sts::111122223333:assumed-role/R/*"),
        ("AWS", "AKIAI23HXD3MBVD4EFPWX"),
        ("AWS", "AIDAI23HXD3MBVD"),
        ("AWS", "ec2.amazonaws.com"),
        ("Federated", "*"),
        ("Federated", "example.com"),
        ("Federated", "arn:aws:iam::111122223333:role/x"),
        ("Service", "*"),
        ("Service", "ec2"),
        ("CanonicalUser", "not hex"),
        ("AWS", "arn:aws:iam::111122223333:user/${aws:username}"),
    ],
)
def test_what_is_no_principal_is_refused(kind: Type, text: str) -> None:
    """Groups, partial wildcards, malformed ARNs and texts of the wrong type are refused."""
    with pytest.raises(ValueError, match=r"wildcard|principal"):
        check_principal(kind, text)
