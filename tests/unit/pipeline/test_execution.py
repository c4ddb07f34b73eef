"""Carry out plans: acts are written to the audit trail before a result is returned, or the failure is raised."""

from __future__ import annotations

import pytest

from dsops import tasks
from dsops.errors import AuditFailed, SecretNotFound, ServiceError
from dsops.pipeline.execution import LazyDriver, Pipeline, carry_out, only_value
from dsops.pipeline.journal import add_run
from dsops.secret import Secret
from tests.fakes import Acts, make_runtime
from tests.plans import plan_of


class BrokenTrail(Acts):
    """A journal that the user requires and that cannot be written."""

    def write(self) -> None:
        """Raise AuditFailed."""
        raise AuditFailed("the path of the audit trail is unknown")


async def work() -> str:
    """Return a result without any request."""
    return "secret"


async def failing() -> str:
    """Raise an error."""
    raise ServiceError("AWS has a problem")


def test_nothing_is_handed_out_that_is_not_on_record() -> None:
    """If the required trail cannot be written, no result is returned."""
    with pytest.raises(AuditFailed):
        carry_out(work(), make_runtime(journal=BrokenTrail()))


def test_a_failure_is_raised_as_it_is() -> None:
    """If both the work and the trail fail, the error of the work is the one that is raised."""
    with pytest.raises(ServiceError):
        carry_out(failing(), make_runtime(journal=BrokenTrail()))


def test_an_environment_of_literals_opens_no_driver() -> None:
    """A plan of literals is carried out without loading libcurl; the values are in the order of the plan."""
    plan = plan_of("envs:\n  blue: {B: {literal: b}, A: {literal: a}}\n", "blue")
    values = Pipeline(make_runtime({"DSOPS_TRANSPORT": "none"})).secrets(plan)
    assert [(name, value.reveal()) for name, value in values.items()] == [("B", "b"), ("A", "a")]


def test_given_a_way_to_run_the_pipeline_uses_that() -> None:
    """The pipeline uses the runner that it is given, so that the agent shares its connections.

    The runner also writes the agent's journal, even after a failure.
    """
    ran: list[str] = []

    def run(job: tasks.Work[tasks.T]) -> tasks.T:
        ran.append("here")
        return tasks.run(job, LazyDriver({}))

    plan = plan_of("envs:\n  blue: {A: {literal: a}}\n", "blue")
    Pipeline(make_runtime(), run=run).secrets(plan)
    assert ran == ["here"]


def test_the_only_value_is_there_or_its_absence_is_an_error() -> None:
    """A plan with one variable returns its value; if its optional secret does not exist, that is an error."""
    plan = plan_of("envs:\n  blue: {A: {literal: a}}\n", "blue")
    assert only_value({"A": Secret("a")}, plan).reveal() == "a"
    with pytest.raises(SecretNotFound):
        only_value({}, plan)


def test_a_run_is_recorded_under_its_commands_name() -> None:
    """A run is recorded under its command's name in CloudTrail's notation: `keys rotate` is `KeysRotate`."""
    acts = Acts()
    add_run("keys rotate", make_runtime(journal=acts), subject="deploy")
    assert [(act.name, act.facts) for act in acts.acts] == [("KeysRotate", {"subject": "deploy"})]
