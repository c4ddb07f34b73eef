"""Plans carried out: what was done is on the audit trail before anything is handed out, or a failure is raised."""

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
    """A journal that the user requires and that can't be written."""

    def write(self) -> None:
        """Raises AuditFailed."""
        raise AuditFailed("there is no place for the audit trail")


async def work() -> str:
    """Work that needs no request."""
    return "secret"


async def failing() -> str:
    """Work that fails."""
    raise ServiceError("AWS has a problem")


def test_nothing_is_handed_out_that_is_not_on_record() -> None:
    """A trail that can't be written stops the result."""
    with pytest.raises(AuditFailed):
        carry_out(work(), make_runtime(journal=BrokenTrail()))


def test_a_failure_is_raised_as_it_is() -> None:
    """That the trail can't be written either does not hide it."""
    with pytest.raises(ServiceError):
        carry_out(failing(), make_runtime(journal=BrokenTrail()))


def test_an_environment_of_literals_opens_no_driver() -> None:
    """The plan is carried out without libcurl; the values come in the order of the plan."""
    plan = plan_of("envs:\n  blue: {B: {literal: b}, A: {literal: a}}\n", "blue")
    values = Pipeline(make_runtime({"DSOPS_TRANSPORT": "none"})).secrets(plan)
    assert [(name, value.reveal()) for name, value in values.items()] == [("B", "b"), ("A", "a")]


def test_given_a_way_to_run_the_pipeline_uses_that() -> None:
    """The agent's connections are shared; its journal is its own affair after a failure, too."""
    ran: list[str] = []

    def run(job: tasks.Work[tasks.T]) -> tasks.T:
        ran.append("here")
        return tasks.run(job, LazyDriver({}))

    plan = plan_of("envs:\n  blue: {A: {literal: a}}\n", "blue")
    Pipeline(make_runtime(), run=run).secrets(plan)
    assert ran == ["here"]


def test_the_only_value_is_there_or_its_absence_is_an_error() -> None:
    """An optional secret that does not exist has no value to print."""
    plan = plan_of("envs:\n  blue: {A: {literal: a}}\n", "blue")
    assert only_value({"A": Secret("a")}, plan).reveal() == "a"
    with pytest.raises(SecretNotFound):
        only_value({}, plan)


def test_a_run_is_recorded_under_its_commands_name() -> None:
    """`keys rotate` is `KeysRotate`, as CloudTrail writes names."""
    acts = Acts()
    add_run("keys rotate", make_runtime(journal=acts), subject="deploy")
    assert [(act.name, act.facts) for act in acts.acts] == [("KeysRotate", {"subject": "deploy"})]
