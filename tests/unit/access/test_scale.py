"""A made-up company whose answer is known, and the number of lines that a question needs as it grows."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from bench.growth import COUNTED_LIMIT, exponent, lines_of
from dsops.access.facts.folder import read_folder
from dsops.access.facts.world import Gap, OrganizationFacts
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from tests.unit.access.company import Company
from tests.unit.access.worlds import NOW, READ, SECRET, ask

SIZES = (40, 80, 160)


def facts_of(company: Company, folder: Path) -> OrganizationFacts:
    """Write the company's files and read them."""
    company.write(folder)
    return read_folder(str(folder))


@pytest.mark.parametrize("roles", [40, 120])
def test_the_known_readers_are_found(roles: int, tmp_path: Path) -> None:
    """The planted chain and all other readers of the secret are found, and nobody else."""
    company = Company(roles)

    answer = ask(facts_of(company, tmp_path), READ, company.secret)

    assert company.readers == {way.caller.name for way in answer.ways}
    chain = next(way for way in answer.ways if way.caller.name.endswith("user/chain"))
    assert ["role/Bridge", "role/Bridge", "role/Vault"] == [
        step.resource.split(":", 5)[5] for step in chain.steps if step.action == "sts:AssumeRole"
    ]


def test_administrators_of_other_accounts_are_not_listed_as_stopped(tmp_path: Path) -> None:
    """A secret without a policy is closed for other accounts, so that their permissions for all secrets say nothing."""
    company = Company(40)

    answer = ask(facts_of(company, tmp_path), READ, company.secret)

    assert {company.last} >= {entry.caller.principal.account for entry in answer.stopped}


def test_the_index_finds_those_who_mention_an_action(tmp_path: Path) -> None:
    """Exact actions, wildcards, `*` and NotAction count; other users and roles are left out."""
    company = Company(40)
    found = Evaluator(facts_of(company, tmp_path), NOW).index.identities_about("backup:startbackupjob")

    names = {identity.name for identity in found}

    assert {"Admin", "Ops", "Backup"} == names


@pytest.mark.parametrize("is_open", [False, True], ids=["company", "all roles trust `*`"])
def test_the_work_of_a_question_is_linear(*, is_open: bool, tmp_path: Path) -> None:
    """The executed lines of who-can, with all indexes, grow no faster than the company."""
    costs: list[float] = []
    for roles in (SIZES[0], *SIZES):  # the first run imports modules and fills caches
        company = Company(roles)
        world = facts_of(company, tmp_path / f"{roles}-{len(costs)}")
        if is_open:
            world = company.opened(world)
        costs.append(lines_of(partial(ask, world, READ, company.secret)))

    assert exponent(SIZES, costs[1:]) <= COUNTED_LIMIT


def test_the_work_for_a_resource_does_not_grow_with_the_facts_that_are_missing_elsewhere() -> None:
    """Which callers come into question for a secret costs as many lines with 200 missing lists as with 100."""
    costs = []
    for number in (10, 100, 200):  # the first run fills caches
        gaps = [Gap(str(account), "resources", "unread", service="ssm") for account in range(number)]
        evaluator = Evaluator(OrganizationFacts({}, {}, {}, gaps=tuple(gaps)), NOW)
        evaluator.accounts_that_may_use(Topic(READ, SECRET))
        costs.append(lines_of(partial(evaluator.accounts_that_may_use, Topic(READ, SECRET))))

    assert costs[1] == costs[2]
