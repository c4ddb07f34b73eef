"""A secret has at most 100 versions; outdated versions make room for new ones."""

from __future__ import annotations

import pytest

from tests.sandboxes import Lab, Person
from tests.unit.sandbox.conftest import LabFactory

SEED = 'accounts: {"111111111111": {secrets: {prod/db: first}}}'
DAY = 24 * 3600


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with one secret, which has one version."""
    return make_lab(SEED)


def put(person: Person, count: int, **more: object) -> str:
    """Put a number of values; return the id of the last version."""
    answer: dict[str, str] = {}
    for number in range(count):
        answer = person.call("secretsmanager", "PutSecretValue", SecretId="prod/db", SecretString=str(number), **more)
    return answer["VersionId"]


def versions(person: Person) -> list[str]:
    """Return the ids of all versions, oldest first."""
    listed = person.call("secretsmanager", "ListSecretVersionIds", SecretId="prod/db", IncludeDeprecated=True)
    assert "NextToken" not in listed
    return [version["VersionId"] for version in listed["Versions"]]


def test_a_secret_has_at_most_100_versions_of_one_day(lab: Lab) -> None:
    """All 100 versions of a day stay readable, and a call that would add another version is refused."""
    admin = lab.user("admin")
    last = put(admin, 99)
    kept = versions(admin)
    update = {"SecretId": "prod/db", "SecretString": "more"}

    for operation in ("PutSecretValue", "UpdateSecret"):
        assert "LimitExceededException" == admin.refused("secretsmanager", operation, **update).code

    assert (100, kept, last) == (len(kept), versions(admin), kept[-1])
    again = {"SecretId": "prod/db", "SecretString": "98", "ClientRequestToken": last}
    assert last == admin.call("secretsmanager", "PutSecretValue", **again)["VersionId"]
    described = {"SecretId": "prod/db", "Description": "no new version", "ClientRequestToken": "0" * 32}
    admin.call("secretsmanager", "UpdateSecret", **described)


def test_outdated_versions_are_removed(lab: Lab) -> None:
    """When all versions are older than a day, a new version replaces the oldest version without a staging label."""
    admin = lab.user("admin")
    first = versions(admin)[0]
    put(admin, 99)
    admin.call(
        "secretsmanager", "UpdateSecretVersionStage", SecretId="prod/db", VersionStage="kept", MoveToVersionId=first
    )
    before = versions(admin)
    lab.sandbox.clock.advance(DAY + 60)

    newest = put(admin, 1)

    assert [first, *before[2:], newest] == versions(admin)
    assert (
        "first"
        == admin.call("secretsmanager", "GetSecretValue", SecretId="prod/db", VersionStage="kept")["SecretString"]
    )
    assert (newest, before[-1]) == (stage(admin, "AWSCURRENT"), stage(admin, "AWSPREVIOUS"))


def stage(person: Person, label: str) -> str:
    """Return the id of the version with a staging label."""
    answer = person.call("secretsmanager", "GetSecretValue", SecretId="prod/db", VersionStage=label)
    version: str = answer["VersionId"]
    return version


def test_versions_of_a_small_secret_stay(lab: Lab) -> None:
    """A secret with fewer than 100 versions keeps them, however old they are."""
    admin = lab.user("admin")
    put(admin, 3)
    before = versions(admin)
    lab.sandbox.clock.advance(400 * DAY)

    newest = put(admin, 1)

    assert [*before, newest] == versions(admin)
