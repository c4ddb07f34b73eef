"""The format of a recording: JSON Lines, with one head and one line for each distinct call.

    {"dsops_recording": 1, "is_complete": true}
    {"action": "s3:GetObject", "resource": "arn:aws:s3:::data/a.csv", "outcome": "allowed", "count": 3, ...}

A file that was appended to until its run was interrupted has a head with `"is_complete": false`. Its counts are lower
bounds, and its last line may be cut off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeGuard

from dsops.errors import Problem, Where, nearest
from dsops.policy import SECRET_KEYS, lower_case
from dsops.recording.call import OUTCOMES, Context, Outcome, RecordedCall, as_pattern, from_pattern, identity_of

VERSION = 1
_HEAD = "dsops_recording"
_MOST_PROBLEMS = 100
_ACTION = re.compile(r"[A-Za-z0-9-]{1,64}:[A-Za-z0-9]{1,128}")
_RESOURCE = re.compile(r"\*|arn:[!-9;-~]+:[!-9;-~]+:[!-9;-~]*:[!-9;-~]*:[^\ud800-\udfff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_LONGEST = 4096
"""The maximum length of a string in a recording, in characters. An ARN has at most 2048."""


class CountedCall(NamedTuple):
    """A call and how often it was made."""

    call: RecordedCall
    times: int


class Recording(NamedTuple):
    """The calls of one or several runs, each distinct call once, in the order of their first occurrence."""

    calls: tuple[CountedCall, ...]
    is_complete: bool = True
    """Whether every run ended normally. If not, counts are lower bounds."""

    def with_outcome(self, *outcomes: Outcome) -> list[CountedCall]:
        """Return the calls with one of these outcomes."""
        return [counted for counted in self.calls if counted.call.outcome in outcomes]


class ParsedRecording(NamedTuple):
    """The result of parsing a recording; `recording` is None if there are problems."""

    recording: Recording | None
    problems: tuple[Problem, ...]


def head_line(*, is_complete: bool) -> bytes:
    """Return the first line of a recording."""
    return _line({_HEAD: VERSION, "is_complete": is_complete})


def call_line(call: RecordedCall, times: int) -> bytes:
    """Return the line of a call. Secret values must be removed already (`recordable`)."""
    fields: dict[str, object] = {
        "action": call.action,
        "resource": as_pattern(call.resource),
        "outcome": call.outcome,
        "count": times,
    }
    if call.caller:
        fields["caller"] = call.caller
    if call.time:
        fields["time"] = call.time
    if call.context:
        fields["context"] = {
            key: values[0] if len(values) == 1 else list(values) for key, values in call.context.items()
        }
    if call.secret_keys:
        fields["secret_keys"] = list(call.secret_keys)
    return _line(fields)


def is_valid(call: RecordedCall) -> bool:
    """Whether a recording can contain the call. A call with an ARN of 5000 characters is malformed, for example."""
    resource = as_pattern(call.resource)
    texts = [call.action, resource, call.caller, *call.context]
    return (
        all(map(_is_text, texts))
        and all(_is_text(value) for values in call.context.values() for value in values)
        and _ACTION.fullmatch(call.action) is not None
        and _RESOURCE.fullmatch(resource) is not None
        and (not call.caller or _is_caller(call.caller))
        and (not call.time or _TIME.fullmatch(call.time) is not None)
    )


def merged(recordings: Iterable[Recording]) -> Recording:
    """Merge recordings; the counts of equal calls are added."""
    calls: dict[tuple[object, ...], CountedCall] = {}
    is_complete = True
    for recording in recordings:
        is_complete = is_complete and recording.is_complete
        for call, times in recording.calls:
            key = identity_of(call)
            known = calls.get(key)
            calls[key] = CountedCall(call, times if known is None else known.times + times)
    return Recording(tuple(calls.values()), is_complete)


def parse_recording(text: str, file: str) -> ParsedRecording:
    """Parse a recording. `file` is the name of the file in problems. At most 100 problems are returned."""
    lines = text.split("\n")
    is_cut = bool(lines[-1])
    parser = _Parser(file)
    is_complete = parser.head(lines[0])
    if parser.problems:
        return ParsedRecording(None, tuple(parser.problems[:1]))
    calls = []
    for number, line in enumerate(lines[1:], 2):
        if number == len(lines) and is_cut and not is_complete:
            break
        if line.strip():
            calls.append(parser.call(line, number))
        if len(parser.problems) >= _MOST_PROBLEMS:
            break
    if parser.problems:
        return ParsedRecording(None, tuple(parser.problems))
    own = Recording(tuple([call for call in calls if call is not None]), bool(is_complete))
    return ParsedRecording(merged([own]), ())


class _Parser:
    """Parses lines and collects their problems."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._line = 1

    def head(self, line: str) -> bool:
        """Parse the first line; return `is_complete`."""
        fields = self._object(line)
        if fields is None:
            return True
        version = fields.get(_HEAD)
        if version is None:
            self._problem("", "this is not a recording: its first line has no `dsops_recording`", _FIRST)
        elif version != VERSION or isinstance(version, bool):
            message = f"this dsops reads recordings of version {VERSION}, and this one has version {version!r:.20}"
            self._problem(_HEAD, message, "update dsops, or record the run again")
        is_complete = fields.get("is_complete")
        if version is not None and not isinstance(is_complete, bool):
            self._problem("is_complete", "`is_complete` takes true or false")
        self._check_names(fields, (_HEAD, "is_complete"))
        return is_complete is not False

    def call(self, line: str, number: int) -> CountedCall | None:
        """Parse the line of a call; None if it has a problem."""
        self._line = number
        before, fields = len(self.problems), self._object(line)
        if fields is None:
            return None
        self._check_names(fields, _NAMES)
        action = self._text(fields, "action", _ACTION.fullmatch, "an action, such as s3:GetObject")
        resource = self._text(fields, "resource", _is_resource, "an ARN, or `*`")
        outcome = self._outcome(fields)
        count = fields.get("count", 1)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            self._problem("count", "`count` takes a whole number of at least 1")
        caller = self._text(fields, "caller", _is_caller, "the ARN of a session", is_optional=True)
        time = self._text(fields, "time", _TIME.fullmatch, "a time, such as 2026-11-28T20:30:00Z", is_optional=True)
        context = self._context(fields.get("context", {}))
        secret_keys = self._texts("secret_keys", fields.get("secret_keys", []))
        if len(self.problems) > before or outcome is None or not isinstance(count, int):
            return None
        return CountedCall(
            RecordedCall(action, from_pattern(resource), outcome, context, caller, time, secret_keys), count
        )

    def _object(self, line: str) -> dict[str, object] | None:
        try:
            value = json.loads(line, object_pairs_hook=_without_repetition)
        except _Repeated as error:
            self._problem(str(error), f"`{error}` occurs twice")
            return None
        except (ValueError, RecursionError) as error:
            why = error.msg.lower() if isinstance(error, json.JSONDecodeError) else "it is too deep or malformed"
            self._problem("", f"this line is not JSON: {why}", "each line is one JSON object")
            return None
        if not isinstance(value, dict):
            self._problem("", "this line is not a JSON object", "each line is one JSON object")
            return None
        return value

    def _check_names(self, fields: Mapping[str, object], names: tuple[str, ...]) -> None:
        for name in fields:
            if name not in names:
                near = nearest(name, names)
                self._problem(
                    name, f"`{name:.40}` is no field of a recording", f"did you mean `{near}`?" if near else ""
                )

    def _text(
        self,
        fields: Mapping[str, object],
        name: str,
        test: Callable[[str], object],
        wanted: str,
        *,
        is_optional: bool = False,
    ) -> str:
        value = fields.get(name)
        if value is None and name not in fields:
            if not is_optional:
                self._problem(name, f"`{name}` is missing", f"it is {wanted}")
            return ""
        if not _is_text(value) or not test(value):
            self._problem(name, f"`{name}` takes {wanted}")
            return ""
        return value

    def _outcome(self, fields: Mapping[str, object]) -> Outcome | None:
        outcome = next((known for known in OUTCOMES if known == fields.get("outcome")), None)
        if outcome is None:
            self._problem("outcome", f"`outcome` is one of {', '.join(OUTCOMES)}")
        return outcome

    def _context(self, value: object) -> Context:
        if not isinstance(value, dict):
            self._problem("context", "`context` takes an object of condition keys")
            return {}
        context = {}
        for key, values in value.items():
            if lower_case(key) in SECRET_KEYS:
                self._problem(f"context.{key}", f"`{key:.40}` is secret, and a recording never has its value")
            context[key] = self._texts(f"context.{key:.40}", [values] if isinstance(values, str) else values)
        return context

    def _texts(self, path: str, value: object) -> tuple[str, ...]:
        if isinstance(value, list) and all(map(_is_text, value)):
            return tuple(value)
        self._problem(path, f"`{path}` takes a text or a list of texts")
        return ()

    def _problem(self, path: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(Where(self._file, self._line), path, message, hint))


_FIRST = "`dsops exec --record FILE -- COMMAND` writes recordings"
_NAMES = ("action", "resource", "outcome", "count", "caller", "time", "context", "secret_keys")


class _Repeated(Exception):
    """A name that occurs twice in one object."""


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Repeated(next(name for name in names if names.count(name) > 1)[:40])
    return fields


def _is_text(value: object) -> TypeGuard[str]:
    """Whether the value is a string of a valid length that can be encoded as UTF-8."""
    return isinstance(value, str) and len(value) <= _LONGEST and _SURROGATE.search(value) is None


def _is_resource(text: str) -> bool:
    """Whether the text is `*`, or the ARN of a resource as a pattern without variables."""
    try:
        from_pattern(text)
    except ValueError:
        return False
    return _RESOURCE.fullmatch(text) is not None


def _is_caller(text: str) -> bool:
    return text.startswith("arn:") and text.isprintable()


def _line(fields: Mapping[str, object]) -> bytes:
    return f"{json.dumps(fields, ensure_ascii=False)}\n".encode()
