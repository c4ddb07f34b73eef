"""`dsops audit send`: send the unsent lines of the audit trail, and show the progress of each receiver."""

from __future__ import annotations

from dsops.audit.sender import Clock, Sender, send_all
from dsops.audit.settings import load_settings
from dsops.cli.framework.command import Arguments, Command
from dsops.cli.framework.output import answer, answer_json
from dsops.errors import Failures, SinkFailed, UsageError
from dsops.runtime import Runtime
from dsops.text import clean, counted


def _run(arguments: Arguments, runtime: Runtime) -> int:
    settings = load_settings(runtime.environ)
    if not settings.sinks:
        raise UsageError(
            "the audit trail has no receivers",
            hint="name one under `audit:` in your own configuration: `otlp: https://collector.example.com:4318`",
        )
    clock = Clock()
    try:
        sender = send_all(settings, runtime.environ, clock)
    except FileNotFoundError:
        raise UsageError(
            "the audit trail is empty",
            hint="the first command that uses a role or a secret writes an event to the trail",
        ) from None
    _tell(sender, as_json=arguments.switch("--json"))
    failures = [
        SinkFailed(
            f"{name} does not accept the audit trail: {cursor.failure}",
            hint="unsent events are kept for the next attempt",
        )
        for name, cursor in sender.cursors.items()
        if cursor.failure
    ]
    if len(failures) > 1:
        raise Failures(tuple(failures))
    if failures:
        raise failures[0]
    return 0


def _tell(sender: Sender, *, as_json: bool) -> None:
    if as_json:
        answer_json(
            [
                {
                    "receiver": name,
                    "sent": sender.counts[name],
                    "last": cursor.position.number,
                    "failure": cursor.failure or None,
                    "lost": cursor.lost or None,
                }
                for name, cursor in sender.cursors.items()
            ]
        )
        return
    for name, cursor in sender.cursors.items():
        state = "waiting after" if cursor.failure else "up to date at"
        number = cursor.position.number
        answer(clean(f"{name}: {counted(sender.counts[name], 'line')} sent; {state} line {number}"))
        if cursor.lost:
            answer(clean(f"  except: {cursor.lost}"))


SEND = Command(
    help=(
        "Send the events of the audit trail to the receivers, `syslog` and `otlp`, and wait for the result.\n"
        "\n"
        "Each run of dsops starts a process that sends its events in the background. This command sends\n"
        "them at once: use it at the end of a CI job, which ends background processes, or to see why a\n"
        "receiver refuses events. Events that were not accepted are kept for the next attempt; the exit\n"
        "code is 5 then."
    ),
    run=_run,
)
"""The command `dsops audit send`."""
