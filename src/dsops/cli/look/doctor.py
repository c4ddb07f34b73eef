"""`dsops doctor`: check everything that an environment needs, and repair file modes and stale sockets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, NO_AGENT, REASON, Arguments, Command, Flag
from dsops.cli.framework.output import (
    Json,
    answer,
    answer_json,
    error_text,
    error_value,
    next_step_of,
    note,
    pasteable,
    shown_error,
    table,
)
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import permitted, read_config, show_notes
from dsops.config import is_found
from dsops.doctor.check import Check, failed
from dsops.doctor.examination import Subject, examine, files_of, plan_all
from dsops.doctor.repairs import Repair, agent_repairs, file_repairs, mend
from dsops.errors import CheckFailed, ConfigError, ConfigNotFound, DsopsError
from dsops.model import Config
from dsops.pipeline.execution import carry_out
from dsops.pipeline.logins import logins_of_aws_files
from dsops.pipeline.plans import plan_named, plan_of_session
from dsops.pipeline.profiles import read_aws_profiles, read_profile_layer
from dsops.runtime import Runtime
from dsops.startup import NamedTuple
from dsops.text import clean, counted


class _Fix(NamedTuple):
    """A repair made by `--fix`, and the reason if the repair failed ("" if it succeeded)."""

    repair: Repair
    problem: str


def _run(arguments: Arguments, runtime: Runtime) -> int:
    subject = _subject(arguments, runtime)
    fixes = list(_mend(subject, runtime)) if arguments.switch("--fix") else []
    if fixes and not subject.plans:
        # A configuration that other users can write gets no plans. After the repair, it is loaded again.
        subject = _subject(arguments, runtime)
    config = arguments.text(CONFIG.name)
    examined = carry_out(examine(subject, runtime, is_agent_refused=arguments.switch("--no-agent")), runtime)
    checks = [with_next_step(check, config) for check in examined]
    runtime.report(DONE)
    # A skipped check is not a failure: it depends on a failed check, or its store is used by no environment.
    is_healthy = all(check.status != "failed" for check in checks)
    if arguments.switch("--json"):
        answer_json(
            {
                "is_healthy": is_healthy,
                "fixes": [_fix_value(fix) for fix in fixes],
                "checks": [_check_value(check, config) for check in checks],
            }
        )
    else:
        _show(checks, config)
    return 0 if is_healthy else CheckFailed.exit_code


def with_next_step(check: Check, config: str) -> Check:
    """Return the check; if AWS denied access, its hint becomes a `dsops explain` command.

    `config` is the value of --config, which the commands in hints repeat.
    """
    check = check._replace(hint=pasteable(check.hint, config))
    if check.code != "doctor.store" or not check.errors:
        return check
    return check._replace(hint=next_step_of(check.errors[0], config=config) or check.hint)


def _show(checks: list[Check], config: str) -> None:
    rows = [(check.name, check.status, check.detail) for check in checks]
    answer(table(("CHECK", "STATUS", "DETAIL"), rows, state="STATUS"))
    for check in checks:
        if check.status == "warning" or (check.status == "failed" and not check.errors):
            answer(f"\n{shown_error(_finding_text(check), 1)}")
    for text in dict.fromkeys(_error_text(check, error, config) for check in checks for error in check.errors):
        answer(f"\n{shown_error(text, 1)}")


def _error_text(check: Check, error: DsopsError, config: str) -> str:
    """Format the error as every command prints it, with the check's hint if that is more helpful."""
    text = error_text(error, config=config)
    is_repeated = check.hint in (
        "",
        next_step_of(error, config=config),
        *[pasteable(each.hint, config) for each in check.errors],
    )
    return text if is_repeated else f"{text}\n  next: {clean(check.hint)}"


def _finding_text(check: Check) -> str:
    """Format a warning, or a failure without an error object, like an error."""
    lines = [f"dsops: {check.status}[{check.code}]: {clean(check.name)}: {clean(check.detail)}"]
    lines += [f"  why: {clean(check.why)}"] if check.why else []
    lines += [f"  hint: {clean(check.hint)}"] if check.hint else []
    return "\n".join(lines)


def _subject(arguments: Arguments, runtime: Runtime) -> Subject:
    """Load the configuration and its plans; a part that fails to load becomes a failed check."""
    config: Config | None = None
    has_project = bool(arguments.text(CONFIG.name)) or is_found(runtime.folder, runtime.environ)
    try:
        config = read_config(arguments, runtime, names=() if has_project else None)
        config = permitted(config, runtime)
        logins = [] if has_project else [login.step for login in logins_of_aws_files(runtime)]
    except ConfigError as error:  # the configuration's files are checked, but its stores are not
        if isinstance(error, ConfigNotFound) and not has_project and not arguments.text(ENVIRONMENT.name):
            detail = "no dsops.yaml here, and no AWS profile"
            return Subject(None, [], [Check("doctor.configuration", "configuration", "skipped", detail)])
        return Subject(config, [], [failed("doctor.configuration", "configuration", error)])
    if not has_project:
        show_notes(_left_out(config, runtime))
    stores, environments = counted(len(config.stores), "store"), counted(len(config.environments), "environment")
    if has_project:
        detail = f"{config.files[0].shown}: {stores}, {environments}"
    else:
        sizes = f"{stores}, {environments}" if config.environments else stores
        detail = f"no dsops.yaml here; {sizes} of {' and '.join(file.shown for file in config.all_files)}"
    readable = Check("doctor.configuration", "configuration", "ok", detail)
    plans, checks = plan_all(
        config,
        arguments.text("--env"),
        lambda name: plan_named(config, name, runtime),
        lambda name: plan_of_session(config, name, runtime),
    )
    return Subject(config, plans, [readable, *checks], logins)


def _left_out(config: Config, runtime: Runtime) -> tuple[str, ...]:
    """Return the notes about AWS profiles that can't be used as stores, each with the reason."""
    names = [name for name in read_aws_profiles(runtime)[0].by_name if name not in config.stores]
    return read_profile_layer(runtime, names).notes if names else ()


def _mend(subject: Subject, runtime: Runtime) -> Iterator[_Fix]:
    """Make each safe repair, with a note before and after the repair."""
    # The order of repairs matters: a socket is trusted only after the mode of its folder is repaired.
    for repair in chain(file_repairs(files_of(subject, runtime)), agent_repairs(runtime.environ)):
        note(f"{repair.path}: {repair.before}; repairing it")
        problem = mend(repair)
        note(f"{repair.path}: not repaired: {problem}" if problem else f"{repair.path}: {repair.after}")
        yield _Fix(repair, problem)


def _fix_value(fix: _Fix) -> Json:
    return {
        "code": fix.repair.code,
        "path": fix.repair.path,
        "before": fix.repair.before,
        "after": fix.repair.after if not fix.problem else fix.repair.before,
        "problem": fix.problem or None,
    }


def _check_value(check: Check, config: str) -> Json:
    return {
        "code": check.code,
        "name": check.name,
        "status": check.status,
        "detail": check.detail,
        "why": check.why or None,
        "hint": check.hint or None,
        "errors": [error_value(error, config=config) for error in check.errors],
    }


COMMAND = Command(
    help=(
        "Check everything that an environment needs, or all environments and stores without --env. Without\n"
        "a dsops.yaml, your own stores and your AWS profiles are checked.\n"
        "\n"
        "The checks cover the configuration, file permissions, the clock, proxies, certificates, servers, the\n"
        "agent, the base credentials, every hop and every secret; they run in parallel. The exit code is 6 if\n"
        "a check finds an error, but not for a warning. On the terminal, dsops asks only for MFA codes."
    ),
    run=_run,
    flags=(
        CONFIG,
        ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag(
            "--fix",
            ("first repair the modes of your own files and folders, and remove files left by ended agents"),
            "switch",
        ),
    ),
)
