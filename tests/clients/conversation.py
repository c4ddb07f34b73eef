"""A real AWS client in a process of its own, asked line by line: a wish in, an answer out, as JSON objects of texts.

Every program in `programs/` knows the same wishes, so one test puts the same question to all of them:

    identity                                        -> arn
    assume: role, session; external_id, policy,
            duration, tag_key with tag_value        -> key_id, secret, token, arn, expires (seconds since 1970)
    secret: id                                      -> value
    parameter: name                                 -> value
    role: name                                      -> arn
    create_role: name, trust                        -> arn
    put_object: bucket, key, value                  -> nothing
    get_object: bucket, key                         -> value
    presigned: bucket, key                          -> url (of GetObject, for a minute)
    multipart: bucket, key, value                   -> size (of 8 MiB and the value, in two parts)
    item: table, key, value                         -> value (put into DynamoDB and got again)
    queue: name, value                              -> value (sent to SQS, received, deleted)
    publish: topic, value                           -> id
    cipher: key, value                              -> value (encrypted by KMS and decrypted)

With `key_id`, `secret` and `token` a wish has credentials of its own, otherwise the client's own chain finds some. An
error is answered as `error` (AWS's code), `message`, and `type`, the class that the client made of it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self, cast

from tests.children import Child

Pairs = dict[str, str]
_ENDING_SECONDS = 60


class Refused(NamedTuple):
    """An error response of AWS, as the client reports it."""

    code: str
    message: str
    kind: str
    """The last part of the exception's class name; "" for a program without exception classes, such as the AWS CLI."""


class Conversation:
    """A running client program, which ends with the `with` block."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, folder: Path | None = None) -> None:
        self._process = Child(
            command, cwd=folder, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def granted(self, action: str, **wish: str) -> Pairs:
        """The client's answer. Fails the test when the client answers with an error."""
        answer = self._ask(action, wish)
        assert "error" not in answer, f"{action}: {answer}"
        return answer

    def refused(self, action: str, **wish: str) -> Refused:
        """The client's error. Fails the test when the call succeeds."""
        answer = self._ask(action, wish)
        assert "error" in answer, f"{action} was not refused: {sorted(answer)}"
        return Refused(answer["error"], answer["message"], answer["type"].rpartition(".")[2])

    def assumed(self, role: str, session: str = "s1", **wish: str) -> Pairs:
        """Assume a role; return the session's credentials, named as the parameters of a later wish."""
        answer = self.granted("assume", role=role, session=session, **wish)
        return {name: answer[name] for name in ("key_id", "secret", "token")}

    def _ask(self, action: str, wish: Pairs) -> Pairs:
        to_it, from_it = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        to_it.write(json.dumps({"action": action, **wish}) + "\n")
        to_it.flush()
        line = from_it.readline()
        assert line, f"the client ended with {self._process.wait(_ENDING_SECONDS)} at {action}"
        return cast("Pairs", json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        with self._process:
            cast("IO[str]", self._process.stdin).close()
            try:
                self._process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
