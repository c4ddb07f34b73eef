"""`dsops audit send`: what waits for the trail's receivers is sent now, and it is told what each of them has."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.audit.cursors import SenderTurn
from dsops.audit.sender import GIVEN_UP_SECONDS, Clock, Sender, sending, take_turn
from dsops.audit.settings import Settings, load_settings
from dsops.cli.framework.command import Arguments, Command
from dsops.cli.framework.output import answer, answer_json
from dsops.errors import Failures, SinkFailed, UsageError
from dsops.runtime import Runtime
from dsops.text import clean, counted

_PATIENCE_SECONDS = GIVEN_UP_SECONDS + 10.0
"""Longer than whoever sends goes on with a receiver that is gone: then it is told what is wrong with that."""
_LOOK_SECONDS = 0.2
_MOST_ROUNDS = 100_000
"""Of a quarter of a megabyte each: somebody may write as fast as it is sent."""


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


def send_all(settings: Settings, environ: Mapping[str, str], clock: Clock) -> Sender:
    """All that can be sent, each receiver tried at least once. Raises SinkFailed while somebody else sends."""
    turn = SenderTurn(settings.file)
    try:
        until = clock.steady() + _PATIENCE_SECONDS
        while not take_turn(turn, clock):
            if clock.steady() > until:
                why = f"another process has been doing that for more than {_PATIENCE_SECONDS:.0f} s"
                raise SinkFailed("the audit trail can't be sent now", why=why, hint="look again in a moment")
            clock.sleep(_LOOK_SECONDS)
        sender = Sender(settings, sending(environ, clock), clock)
        for number in range(_MOST_ROUNDS):
            if not sender.round(insists=number == 0):
                break
        return sender
    finally:
        turn.close()


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
"""Sends now."""
