"""`dsops audit send`: send the waiting lines of the audit trail, and show what each receiver has."""

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
        raise UsageError("nothing is on record yet", hint="the first run that uses a role or secret begins") from None
    _tell(sender, as_json=arguments.switch("--json"))
    failures = [
        SinkFailed(f"{name} does not take the audit trail: {cursor.failure}", hint="what waits stays in the file")
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
        waits = "what waits begins" if cursor.failure else "nothing waits"
        answer(clean(f"{name}: {counted(sender.counts[name], 'line')} sent; {waits} behind {cursor.position.number}"))
        if cursor.lost:
            answer(clean(f"  but for this: {cursor.lost}"))


SEND = Command(
    help=(
        "Sends what the trail holds to its receivers, `syslog` and `otlp`, and waits for it.\n"
        "\n"
        "Each run of dsops has its lines sent by a process that it does not wait for. This does the same at\n"
        "once: at the end of a job in CI, whose processes end with it, or to see why a receiver takes\n"
        "nothing. What is not taken waits; the exit code is 5 then."
    ),
    run=_run,
)
"""`dsops audit send`."""
