"""The configurations on the AWS STS page (tests/founding-page), cut out of the unmodified page."""

from __future__ import annotations

from textwrap import indent

import pytest

from dsops.config.limits import check_limits
from dsops.document import Scalar, to_plain
from dsops.schema import BUILTIN_TYPES
from tests.founding_page import Block, blocks
from tests.unit.config.conftest import Configured, Refused

WHOLE = [block for block in blocks("yaml") if "secretStores:" in block.text]
DURATION = next(block for block in blocks("yaml") if block.heading == "Session Duration Errors")
POLICY = next(block for block in blocks("yaml") if block.text.startswith("session_policy:"))


@pytest.mark.parametrize("block", WHOLE, ids=lambda block: block.heading)
def test_each_block_loads_as_it_stands(configured: Configured, block: Block) -> None:
    """Each of the AWS STS page's configurations loads unchanged, without notes and within AWS's limits."""
    config = configured(block.text)
    assert config.stores
    assert (config.notes, check_limits(config, BUILTIN_TYPES)) == ((), ())


def test_there_are_thirteen() -> None:
    """The AWS STS page has thirteen configurations, two fragments and another program's workflow."""
    assert (len(WHOLE), len(blocks("yaml"))) == (13, 16)


def test_the_first_block_has_two_stores_and_a_variable(configured: Configured) -> None:
    """The page's first block has two stores (one uses the other's credentials) and one variable."""
    config = configured(WHOLE[0].text)
    assert {name: (store.type, list(store.fields)) for name, store in config.stores.items()} == {
        "aws-sts-prod": ("aws.sts", ["region", "role_arn", "role_session_name", "duration_seconds"]),
        "aws-secrets-prod": ("aws.secretsmanager", ["region", "credentials_from"]),
    }
    variable = config.environments["production"].variables["DATABASE_URL"]
    assert variable.reference is not None
    assert (variable.reference.store, variable.reference.key.text) == ("aws-secrets-prod", "prod/database/connection")


def test_names_of_variables_are_kept_for_later(configured: Configured) -> None:
    """`dsops-${USER}-${TIMESTAMP}` stays unexpanded in the loaded configuration."""
    block = next(entry for entry in WHOLE if entry.heading == "Dynamic Role Selection")
    node = configured(block.text).stores["aws-sts-dynamic"].fields["role_session_name"].node
    assert isinstance(node, Scalar)
    assert node.text == "dsops-${USER}-${TIMESTAMP}"


def test_the_duration_block_loads_under_secret_stores_and_24_hours_are_too_long(configured: Configured) -> None:
    """The page's 24-hour duration exceeds the limit, for the reason on the page; its other store is valid."""
    config = configured("secretStores:\n" + indent(DURATION.text, "  "))
    limits = check_limits(config, BUILTIN_TYPES)
    assert [(limit.path, limit.message) for limit in limits] == [
        (
            "secretStores.aws-sts-long.duration_seconds",
            "`duration_seconds` is 86400, and the most is 43200 (the AssumeRole API reference)",
        )
    ]
    assert limits[0].where.line == 6


def test_the_policy_block_is_a_key_of_a_store(configured: Configured) -> None:
    """The page's deny-only policy is a valid `session_policy`."""
    store = "secretStores:\n  a:\n    type: aws.sts\n    role_arn: arn:aws:iam::123456789012:role/App\n"
    config = configured(store + indent(POLICY.text, "    "))
    assert check_limits(config, BUILTIN_TYPES) == ()
    assert '"Effect": "Deny"' in str(to_plain(config.stores["a"].fields["session_policy"].node))


def test_a_piece_by_itself_tells_where_it_belongs(refused: Refused) -> None:
    """If a fragment of the AWS STS page is loaded alone, the hint says where the fragment belongs."""
    assert [entry.hint for entry in refused(POLICY.text)] == ["put it into a store in `secretStores:`"]
    assert {entry.hint for entry in refused(DURATION.text)} == {"it looks like a store: put it under `secretStores:`"}
