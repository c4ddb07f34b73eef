"""Grants of KMS keys: no answer considers them, and the answers that they can change name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsops.access.facts.folder import read_folder
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import foreign_grants
from dsops.access.questions.what_can import what_can
from tests.unit.access.company import Company, write_json
from tests.unit.access.worlds import NOW, ask, policy

if TYPE_CHECKING:
    from pathlib import Path

    from dsops.access.facts.world import Gap, OrganizationFacts

COMPANY = Company(40)
ACCOUNT = COMPANY.first
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VIEWER, PARTNER = f"arn:aws:iam::{ACCOUNT}:user/viewer", "arn:aws:iam::999999999999:role/Backup"
UNKNOWN = "its grants are not among the facts"


def granted(principal: str, *operations: str) -> dict[str, Any]:
    """Return a grant as ListGrants does."""
    return {"GranteePrincipal": principal, "Operations": [*operations], "KeyId": KEY}


def facts(folder: Path, **entry: Any) -> OrganizationFacts:
    """Return a company with one key; `entry` is more content of the key's entry."""
    COMPANY.write(folder)
    document = policy({"Principal": {"AWS": ACCOUNT}, "Action": "kms:*"})
    resources = [{"Arn": KEY, "Policy": document, "Aliases": [], **entry}]
    write_json(folder / "accounts" / ACCOUNT / "resources" / "kms.eu-central-1.json", {"Resources": resources})
    return read_folder(str(folder))


def whys(gaps: tuple[Gap, ...]) -> list[str]:
    """Return why facts about the key are missing."""
    return [gap.why for gap in gaps if gap.arn == KEY]


def test_a_grant_is_named_in_the_answers_about_its_actions(tmp_path: Path) -> None:
    """A grant of Decrypt is named for Decrypt and for its grantee, and for no other action or principal."""
    world = facts(tmp_path, Grants=[granted(VIEWER, "Decrypt", "Encrypt"), granted("ebs.amazonaws.com", "Decrypt")])
    told = f"a grant, whose conditions are not considered, lets {VIEWER} call Decrypt, Encrypt"
    evaluator = Evaluator(world, NOW)
    viewer, other = (caller_of(world.identities[arn]) for arn in (VIEWER, VIEWER.replace("viewer", "mail")))

    assert [told] == whys(ask(world, "kms:Decrypt", KEY).gaps)
    assert [] == whys(ask(world, "kms:PutKeyPolicy", KEY).gaps)
    assert [told] == whys(what_can(evaluator, Assumptions(evaluator), viewer).gaps)
    assert [] == whys(what_can(evaluator, Assumptions(evaluator), other).gaps)
    assert () == foreign_grants(world)


def test_a_grant_to_another_company_is_named(tmp_path: Path) -> None:
    """A grantee of an account that is not among the facts is named in the answers about outsiders."""
    world = facts(tmp_path, Grants=[granted(PARTNER, "Decrypt")])

    assert [f"a grant, whose conditions are not considered, lets {PARTNER} call Decrypt"] == whys(foreign_grants(world))


def test_grants_that_were_not_collected_are_named(tmp_path: Path) -> None:
    """An entry without grants says nothing about them, and one with an empty list says that there are none."""
    unknown = facts(tmp_path / "unknown")
    none = facts(tmp_path / "none", Grants=[])

    assert ([UNKNOWN], [UNKNOWN]) == (whys(ask(unknown, "kms:Decrypt", KEY).gaps), whys(foreign_grants(unknown)))
    assert ([], ()) == (whys(ask(none, "kms:Decrypt", KEY).gaps), foreign_grants(none))
