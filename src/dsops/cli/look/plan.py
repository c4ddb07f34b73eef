"""`dsops plan`: show what a run would do, without network access: variables, hops, and the number of calls."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dsops.aws.identity.ambient import passed_over
from dsops.cli.framework.command import CONFIG, ENVIRONMENT, REASON, Arguments, Command
from dsops.cli.framework.output import Json, answer, answer_json, answer_sentence, note, table
from dsops.cli.framework.project import load_config, plan_environment, read_config, show_notes
from dsops.cli.framework.screen import wrapped
from dsops.cli.look.plan_check_flags import CHECK, FLAGS, SANDBOX, refuse_without_check
from dsops.credentials import OF_ENVIRONMENT
from dsops.pipeline.profiles import replaced_names
from dsops.plan import Ambient, Plan, PlannedVariable, SecretReference, Step
from dsops.runtime import Runtime
from dsops.schema import REASON_TO, Setting
from dsops.secret import Secret
from dsops.text import clean, counted

HIDDEN = "***"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    load = load_config if arguments.text(SANDBOX.name) else read_config
    config = load(arguments, runtime)
    if not arguments.switch(CHECK.name):
        refuse_without_check(arguments)
    plan = plan_environment(config, arguments, runtime)
    show_notes(f"{config.files[0].shown} replaces {each}" for each in replaced_names(config, runtime))
    if arguments.switch(CHECK.name):
        from dsops.cli.look.plan_check import check

        return check(plan, arguments, runtime)
    if arguments.switch("--json"):
        answer_json(plan_value(plan))
        return 0
    answer_sentence(f"environment {plan.environment} of {config.files[0].shown}")
    answer("")
    rows = [_row(variable) for variable in plan.variables]
    answer(table(("VARIABLE", "SOURCE", "TRANSFORM", "IF MISSING"), rows, least=("IF MISSING", "TRANSFORM")))
    answer("")
    lines = [wrapped(line, 1, indent=len(line) - len(line.lstrip()) + 4) for line in _Tree(plan).lines()]
    if lines:
        answer("\n".join(lines))
    answer_sentence(f"a cold run makes {counted(plan.calls, 'call')} to AWS")
    base = plan.ambient.get("")
    if base is not None and base.source == OF_ENVIRONMENT and passed_over(runtime.environ):
        note(passed_over(runtime.environ))
    return 0


def _row(variable: PlannedVariable) -> tuple[str, ...]:
    steps = [f"{each.name}:{each.argument}" if each.argument else each.name for each in variable.transforms]
    missing = "default" if variable.default is not None else "left out" if variable.optional else "error"
    return (variable.name, variable.source, " | ".join(steps), "" if variable.reference is None else missing)


class _Tree:
    """The credential graph as a tree: each step stands below the step whose session it uses."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._below: dict[str, list[Step]] = {}
        for step in plan.steps.values():
            self._below.setdefault(step.credentials_from, []).append(step)
        self._references: dict[str, set[SecretReference]] = {}
        for variable in plan.variables:
            if variable.reference:
                self._references.setdefault(variable.step, set()).add(variable.reference)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the tree."""
        first = self._below.get("", [])
        for profile, ambient in self._plan.ambient.items():
            steps = [step for step in first if step.profile == profile]
            steps = [step for step in steps if step.type.takes_credentials and step.proof is None]
            if steps:
                yield f"base credentials: {_ambient_text(ambient)}"
                for step in steps:
                    yield from self._branch(step, "  ")
        for step in self._plan.steps.values():
            if step.proof is not None:
                is_key = step.type.gives_long_term
                source = step.proof.source
                yield clean(f"base credentials: {source}" if is_key else f"no base credentials: {source}")
                yield from self._branch(step, "  ")
        for step in first:
            if not step.type.takes_credentials:
                yield f"no credentials: {clean(self._does(step))}"

    def _branch(self, step: Step, indent: str) -> Iterator[str]:
        yield f"{indent}{clean(self._does(step))}"
        session = ", ".join(_session(step))
        if session:
            yield f"{indent}    {clean(session)}"
        for other in self._below.get(step.name, ()):
            yield from self._branch(other, f"{indent}  ")

    def _does(self, step: Step) -> str:
        """Describe what the step does: the call that issues its session, or the number of secrets read with it."""
        references = self._references.get(step.name, set())
        if not step.type.gives_credentials:
            region = f" in {step.region}" if step.region else ""
            # Several fields of one secret need only one read.
            secrets = len({(each.key, each.version) for each in references})
            seconds = step.settings.get("cache_seconds")
            kept = "" if seconds is None else f", kept by the agent for {seconds} s"
            return f"{step.name}: {step.type.name}{region}, {counted(secrets, 'secret')}{kept}"
        chained = " (chained)" if step.is_chained else ""
        read = f", {counted(len(references), 'part')} of it read" if references else ""
        of = step.role or next((str(step.settings[name]) for name in _OF if name in step.settings), "")
        return f"{step.name}: {step.session_source} {of}{chained}".rstrip() + read


def _ambient_text(ambient: Ambient) -> str:
    kind = {True: ", temporary", False: ", long-term", None: ""}[ambient.is_temporary]
    return clean(f"{ambient.source}{kind}")


def _session(step: Step) -> Iterator[str]:
    """Yield the settings that decide which principal gets the session, and what the session may do."""
    if not step.type.gives_credentials:
        return
    if step.settings.get("danger") is True:
        yield "danger"
    if step.proof is not None and step.proof.speaks_of is not None:
        issuer, subject, audience = step.proof.speaks_of
        yield f"token of {issuer} about {subject} for {audience}"
    if step.proof is not None and step.proof.login is not None:
        yield step.proof.login.told
    for name, words in _TOLD:
        if name == "session_policy" and "session_policy_covers" in step.settings:
            yield f"session policy auto: {step.settings['session_policy_covers']}"
        elif name == "session_policy" and "session_policy_recording" in step.settings:
            file = os.path.basename(str(step.settings["session_policy_recording"]))
            yield f"session policy of {_setting_text(step.settings[name])} from the recording {file}"
        elif name in step.settings:
            yield words.format(_setting_text(step.settings[name]))
    if step.region:
        yield f"in {step.region}"


_OF = ("target_principal", "federated_user_name")
"""The settings that name the principal or user of the session, for operations without a role."""

_TOLD = (
    ("task_policy_arn", "for {}"),
    ("principal_arn", "by {}"),
    ("role_session_name", "as {}"),
    ("duration_seconds", "for {} s"),
    ("external_id", "external ID {}"),
    ("serial_number", "MFA by {}"),
    (REASON_TO, "reason to {}"),
    ("source_identity", "source identity {}"),
    ("session_policy", "session policy of {}"),
    ("policy_arns", "policies {}"),
    ("provided_contexts", "contexts {}"),
    ("tags", "tags {}"),
    ("transitive_tag_keys", "transitive {}"),
    ("endpoint_url", "at {}"),
)


def _setting_text(setting: Setting) -> str:
    """Format a setting on one line. Secrets are hidden; a policy is replaced by its length."""
    if isinstance(setting, Secret):
        return HIDDEN
    if isinstance(setting, str) and setting.startswith("{"):
        return f"{len(setting)} characters"
    if isinstance(setting, tuple):
        return " ".join(f"{each[0]}={_pair_value(each[1])}" if isinstance(each, tuple) else each for each in setting)
    return str(setting)


def _pair_value(value: str | Secret) -> str:
    return HIDDEN if isinstance(value, Secret) else value


def plan_value(plan: Plan) -> Json:
    """Return the plan as JSON."""
    return {
        "environment": plan.environment or None,
        "variables": [_variable_value(variable) for variable in plan.variables],
        "stores": [_step_value(step) for step in plan.steps.values()],
        "base_credentials": [
            {"profile": profile or None, "source": ambient.source, "is_temporary": ambient.is_temporary}
            for profile, ambient in plan.ambient.items()
        ],
        "calls": plan.calls,
        "notes": list(plan.notes),
    }


def _variable_value(variable: PlannedVariable) -> Json:
    reference = variable.reference
    return {
        "name": variable.name,
        "source": variable.source,
        "store": variable.step or None,
        "key": reference.key if reference else None,
        "version": (reference.version or None) if reference else None,
        "field": (reference.field or None) if reference else None,
        "transforms": [{"name": each.name, "argument": each.argument} for each in variable.transforms],
        "is_optional": variable.optional,
        "has_default": variable.default is not None,
        "where": {"file": variable.where.file, "line": variable.where.line},
    }


def _step_value(step: Step) -> Json:
    return {
        "name": step.name,
        "type": step.type.name,
        "operation": step.session_source if step.type.gives_credentials else None,
        "region": step.region or None,
        "credentials_from": step.credentials_from or None,
        "profile": step.profile or None,
        "is_chained": step.is_chained,
        "proof": _proof_value(step),
        "settings": {name: _setting_value(setting) for name, setting in step.settings.items()},
        "where": {"file": step.where.file, "line": step.where.line},
    }


def _proof_value(step: Step) -> Json:
    """Return the proof (such as a token) that the step uses instead of base credentials, and facts known about it."""
    if step.proof is None:
        return None
    return {"source": step.proof.source, "login": step.proof.login.told if step.proof.login is not None else None}


def _setting_value(setting: Setting) -> Json:
    if isinstance(setting, Secret):
        return HIDDEN
    if not isinstance(setting, tuple):
        return setting
    pairs = {each[0]: _pair_value(each[1]) for each in setting if isinstance(each, tuple)}
    return pairs or [each for each in setting if isinstance(each, str)]


COMMAND = Command(
    help=(
        "Show what a run of an environment would do, without network access or credentials.\n"
        "\n"
        "Shows each variable's source, the roles hop by hop with session name and duration, and the number of\n"
        "AWS calls of a run without cached sessions. A setting that AWS would refuse is an error.\n"
        "\n"
        "With --check, it evaluates for each hop whether the policies in the named files allow it, and shows\n"
        "which statement decides and what that statement requires; if a policy is missing, the answer is\n"
        "`unknown`. The exit code is 6 if a hop is denied."
    ),
    run=_run,
    flags=(CONFIG, ENVIRONMENT, REASON, *FLAGS),
)
