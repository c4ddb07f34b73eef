"""Parse AWS's denial message; a message of another form or language gives no result."""

from __future__ import annotations

import pytest

from dsops.explain.questions.sentence import RefusalMessage, read_refusal

ADA = "arn:aws:iam::111122223333:user/ada"
ROLE = "arn:aws:iam::111122223333:role/App"
DENIED = f"User: {ADA} is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
READ = "secretsmanager:GetSecretValue"
SCP = "arn:aws:organizations::111122223333:policy/o-example/service_control_policy/p-12345678"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (DENIED, RefusalMessage(ADA, "sts:AssumeRole", ROLE)),
        (
            f"{DENIED} with an explicit deny in a permissions boundary",
            RefusalMessage(ADA, "sts:AssumeRole", ROLE, "permissions boundary", is_deny=True),
        ),
        (
            f"{DENIED} with an explicit deny in a service control policy: {SCP}",
            RefusalMessage(ADA, "sts:AssumeRole", ROLE, "service control policy", is_deny=True, policy_arn=SCP),
        ),
        (
            (
                f"User: {ADA} is not authorized to perform: {READ} on resource: prod/a "
                f"because no identity-based policy allows the {READ} action"
            ),
            RefusalMessage(ADA, READ, "prod/a", "identity-based policy"),
        ),
        (
            f"User: {ADA} is not authorized to perform: sts:GetFederationToken",
            RefusalMessage(ADA, "sts:GetFederationToken"),
        ),
        (
            f"{DENIED} because no VPC endpoint policy allows the sts:AssumeRole action",
            RefusalMessage(ADA, "sts:AssumeRole", ROLE, "VPC endpoint policy"),
        ),
        ("L'utilisateur n'est pas autorisé à effectuer : sts:AssumeRole", RefusalMessage()),
        ("", RefusalMessage()),
        (f"{DENIED} with an explicit deny in a policy of the house", RefusalMessage(ADA, "sts:AssumeRole", ROLE)),
    ],
)
def test_a_sentence_tells_who_what_and_which_kind_of_policy(message: str, said: RefusalMessage) -> None:
    """The parser returns principal, action, resource and policy type for documented messages only."""
    assert said == read_refusal(message)


LINK = "https://eu-west-1.console.aws.amazon.com/iam/home?region=eu-west-1#/authorization-details/5arhuwacg4o48y"
TAIL = f"Go to {LINK} for complete details, or call the API with the following authorization id: 5arhuwacg4o48y"


def test_the_id_of_awss_record_is_read_with_region_and_link() -> None:
    """The parser reads the authorization ID, region and link at the end of a denial message.

    The dot before this part is not read as part of an ARN.
    """
    denied = read_refusal(f"{DENIED} with an explicit deny in a service control policy: {SCP}. {TAIL}")
    bare = read_refusal(f"{DENIED}. {TAIL}")

    assert (denied.policy_arn, bare.resource) == (SCP, ROLE)
    assert all(
        ("5arhuwacg4o48y", "eu-west-1", LINK) == (said.authorization_id, said.region, said.link)
        for said in (denied, bare)
    )


@pytest.mark.parametrize(
    ("message", "authorization_id", "link"),
    [
        ("Zugriff verweigert. Siehe " + LINK, "5arhuwacg4o48y", LINK),
        ("No. The authorization id: 5arhuwacg4o48y", "5arhuwacg4o48y", ""),
        # A link to another host is not passed on.
        (TAIL.replace("aws.amazon.com", "example.com"), "5arhuwacg4o48y", ""),
        (TAIL.replace("5arhuwacg4o48y", "NOT-AN-ID"), "", ""),
        (TAIL.replace("5arhuwacg4o48y", "a" * 257), "", ""),
        (DENIED, "", ""),
    ],
)
def test_an_id_is_found_in_any_language_and_a_link_only_to_aws(message: str, authorization_id: str, link: str) -> None:
    """The authorization ID is found in any language, and the link is used only if it leads to AWS."""
    message_text = read_refusal(message)

    assert (authorization_id, link) == (message_text.authorization_id, message_text.link)
