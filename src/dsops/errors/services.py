"""Errors of services (exit code 5), of checks (exit code 6), and of the command that `exec` runs (124, 126, 127)."""

from __future__ import annotations

from dsops.errors.base import DsopsError


class ServiceError(DsopsError):
    """The service did not respond as expected."""

    code = "service.failed"
    exit_code = 5
    how_far = "answered"
    # `unsent`: the request was not sent. `sent`: no byte of the response has arrived, so AWS may have executed the
    # request. `answered`: a part of the response has arrived. The value decides whether the request may be sent again.


class QueryFailed(ServiceError):
    """Athena or Trino accepted a query, but the query failed."""

    code = "audit.query-failed"


class QueryCancelled(ServiceError):
    """The query was stopped in AWS or in Trino, by a user or by a limit."""

    code = "audit.query-cancelled"


class QueryTooSlow(ServiceError):
    """The query took longer than `--timeout`, and was stopped."""

    code = "audit.query-too-slow"


class Unreachable(ServiceError):
    """No connection to the service could be made, or the connection broke."""

    code = "service.unreachable"


class TimedOut(ServiceError):
    """The service did not respond in time."""

    code = "service.timed-out"


class TlsRefused(ServiceError):
    """The server's certificate could not be verified."""

    code = "service.tls"


class Throttled(ServiceError):
    """AWS throttled the call and every retry until the time limit."""

    code = "service.throttled"


class AnswerInvalid(ServiceError):
    """A server other than AWS responded, or a response was damaged."""

    code = "service.answer-invalid"


class SinkFailed(ServiceError):
    """A receiver of the audit trail, `syslog` or `otlp`, did not accept lines; they stay in the file for later."""

    code = "audit.not-sent"
    seconds = 0
    # The number of seconds to wait before the next attempt, as the receiver requested.


class LineRefused(SinkFailed):
    """A receiver of the audit trail refuses a line permanently: dsops leaves out the line and prints a warning."""

    code = "audit.line-refused"
    taken: int | None = None
    # The number of lines accepted before the rejected line; None if the rejected line is unknown.


class CheckFailed(DsopsError):
    """A check found something that needs attention."""

    code = "check.failed"
    exit_code = 6


class CommandFailed(DsopsError):
    """The command could not be run, or did not run to its end."""

    code = "exec.failed"
    exit_code = 126


class CommandNotFound(CommandFailed):
    """The command to run is not on the PATH."""

    code = "exec.not-found"
    exit_code = 127


class CommandNotExecutable(CommandFailed):
    """The command to run exists but can't be executed."""

    code = "exec.not-executable"
    exit_code = 126


class CommandTimedOut(CommandFailed):
    """The command ran longer than `--timeout` allows, and was ended with all processes that it had started."""

    code = "exec.timed-out"
    exit_code = 124
