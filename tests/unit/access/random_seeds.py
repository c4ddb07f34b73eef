"""Random seeds: users and roles of two accounts that trust each other, a secret and a parameter with their keys."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from dsops.access.facts.world import Gap
from tests.unit.access.worlds import ACCOUNT, OTHER, READ, SECRET, policy

MANAGEMENT = "333333333333"
SECRETS = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:prod/db-??????"
ACCOUNTS = (ACCOUNT, OTHER)
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
NAMES = ("A", "B", "C")
ROLES = [f"arn:aws:iam::{account}:role/{name}" for account in ACCOUNTS for name in NAMES]
USERS = [f"arn:aws:iam::{account}:user/{name}" for account in ACCOUNTS for name in NAMES[:2]]

OWNERS = st.sampled_from(["", *ACCOUNTS])
OF_CALLERS = st.builds(
    Gap, OWNERS, st.sampled_from(["identity", "boundary", "scp"]), st.just("unread"), st.sampled_from(["", *USERS])
)
OF_RESOURCES = st.builds(
    Gap,
    OWNERS,
    st.sampled_from(["resources", "resource", "trust", "rcp", "identities"]),
    st.just("unread"),
    st.sampled_from(["", SECRET, ROLES[0]]),
    service=st.sampled_from(["", "secretsmanager", "iam", "s3"]),
)

EFFECTS = st.sampled_from(["Allow", "Allow", "Allow", "Deny"])
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": EFFECTS,
        "Action": st.sampled_from(
            [
                "*",
                "sts:*",
                "sts:AssumeRole",
                READ,
                "secretsmanager:Get*",
                "s3:*",
                "kms:*",
                "ssm:*",
                [READ, "kms:Decrypt"],
            ]
        ),
        "Resource": st.sampled_from(["*", *ROLES, SECRETS, f"arn:aws:iam::{OTHER}:role/*", "arn:aws:iam::*:role/A"]),
    }
)
TRUSTED = st.sampled_from([{"AWS": text} for text in (*ROLES, *USERS, *ACCOUNTS)] + ["*"])
KEY_STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": EFFECTS,
        "Principal": TRUSTED,
        "Action": st.sampled_from(["kms:*", "kms:Decrypt"]),
        "Resource": st.just("*"),
    }
)
KEY_CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {},
        {"Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}},
        {"Condition": {"StringEquals": {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}}},
        {"Condition": {"StringEquals": {"kms:CallerAccount": ACCOUNT}}},
        {"Condition": {"ArnLike": {"kms:EncryptionContext:SecretARN": SECRETS}}},
        {"Condition": {"StringLike": {"kms:EncryptionContext:PARAMETER_ARN": "*:parameter/prod/*"}}},
    ]
)
TRUST_STATEMENTS = st.fixed_dictionaries({"Effect": EFFECTS, "Principal": TRUSTED, "Action": st.just("sts:AssumeRole")})


@st.composite
def seeds(draw: st.DrawFn, conditions: st.SearchStrategy[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A seed with two accounts, and perhaps with a control policy, a policy of the secret, and a key of its own.

    - `conditions`: the conditions of statements; without them no statement has any.
    """
    accounts: dict[str, Any] = {}
    for account in ACCOUNTS:
        accounts[account] = {
            "policies": {"limit": draw(_policies(conditions))},
            "users": {name: _entity(draw, account, conditions) for name in NAMES[:2]},
            "roles": {
                name: _entity(draw, account, conditions) | {"trust": draw(_trusts(conditions))} for name in NAMES
            },
        }
    accounts[ACCOUNT] |= {"secrets": {"prod/db": "x"}, "parameters": {"/prod/license": "x"}}
    if draw(st.booleans()):
        statement = {"Effect": draw(EFFECTS), "Principal": draw(TRUSTED), "Action": READ}
        accounts[ACCOUNT]["secret_policies"] = {"prod/db": policy(statement)}
    if draw(st.booleans()):
        of_key = _with(KEY_STATEMENTS, KEY_CONDITIONS if conditions is not None else None)
        drawn = draw(st.lists(of_key, min_size=1, max_size=2))
        key = {"id": KEY_ID, "policy": {"Version": "2012-10-17", "Statement": drawn}}
        accounts[ACCOUNT] |= {
            "keys": {"app": key},
            "secret_keys": {"prod/db": "app"},
            "parameter_keys": {"/prod/license": "app"},
        }
    if draw(st.booleans()):
        return {"accounts": accounts}
    accounts[MANAGEMENT] = {}
    unit = {
        "accounts": list(ACCOUNTS),
        "service_control_policies": [{"name": "scp", "document": draw(_policies(conditions))}],
        "full_aws_access": draw(st.booleans()),
    }
    organization = {
        "management_account": MANAGEMENT,
        "id": "o-0123456789",
        "accounts": [MANAGEMENT],
        "organizational_units": {"unit": unit},
    }
    return {"accounts": accounts, "organization": organization}


def _policies(conditions: st.SearchStrategy[dict[str, Any]] | None) -> st.SearchStrategy[dict[str, Any]]:
    statements = st.lists(_with(STATEMENTS, conditions), min_size=1, max_size=3)
    return statements.map(lambda drawn: policy(*drawn))


def _trusts(conditions: st.SearchStrategy[dict[str, Any]] | None) -> st.SearchStrategy[dict[str, Any]]:
    statements = st.lists(_with(TRUST_STATEMENTS, conditions), min_size=1, max_size=3)
    return statements.map(lambda drawn: {"Version": "2012-10-17", "Statement": drawn})


def _with(
    statements: st.SearchStrategy[dict[str, Any]], conditions: st.SearchStrategy[dict[str, Any]] | None
) -> st.SearchStrategy[dict[str, Any]]:
    if conditions is None:
        return statements
    return st.builds(lambda statement, more: statement | more, statements, conditions)


def _entity(draw: st.DrawFn, account: str, conditions: st.SearchStrategy[dict[str, Any]] | None) -> dict[str, Any]:
    entity: dict[str, Any] = {"policies": draw(st.lists(_policies(conditions), max_size=2))}
    if draw(st.integers(0, 3)) == 0:
        entity["boundary"] = f"arn:aws:iam::{account}:policy/limit"
    return entity
