"""AWS's sentence of a refusal -> what it says; another form or language says nothing."""

from __future__ import annotations

import pytest

from dsops.explain.said import Said, read_refusal

ADA = "arn:aws:iam::111122223333:user/ada"
ROLE = "arn:aws:iam::111122223333:role/App"
DENIED = f"User: {ADA} is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
READ = "secretsmanager:GetSecretValue"
SCP = "arn:aws:organizations::111122223333:policy/o-example/service_control_policy/p-12345678"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (DENIED, Said(ADA, "sts:AssumeRole", ROLE)),
        (
            f"{DENIED} with an explicit deny in a permissions boundary",
            Said(ADA, "sts:AssumeRole", ROLE, "permissions boundary", is_deny=True),
        ),
        (
            f"{DENIED} with an explicit deny in a service control policy: {SCP}",
            Said(ADA, "sts:AssumeRole", ROLE, "service control policy", is_deny=True, policy_arn=SCP),
        ),
        (
            (
                f"User: {ADA} is not authorized to perform: {READ} on resource: prod/a "
                f"because no identity-based policy allows the {READ} action"
            ),
            Said(ADA, READ, "prod/a", "identity-based policy"),
        ),
        (f"User: {ADA} is not authorized to perform: sts:GetFederationToken", Said(ADA, "sts:GetFederationToken")),
        (
            f"{DENIED} because no VPC endpoint policy allows the sts:AssumeRole action",
            Said(ADA, "sts:AssumeRole", ROLE, "VPC endpoint policy"),
        ),
        ("L'utilisateur n'est pas autorisé à effectuer : sts:AssumeRole", Said()),
        ("", Said()),
        (f"{DENIED} with an explicit deny in a policy of the house", Said(ADA, "sts:AssumeRole", ROLE)),
    ],
)
def test_a_sentence_tells_who_what_and_which_kind_of_policy(message: str, said: Said) -> None:
    """As far as it has the words that AWS documents, and no further."""
    assert said == read_refusal(message)
