"""The base class of all exceptions, the details of a failure that an exception contains, and helpers for hints."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice

from dsops.startup import NamedTuple


class Where(NamedTuple):
    """A place in a file; prints as `dsops.yaml:9`. `line` starts at 1; 0 means the whole file."""

    file: str
    line: int = 0
    is_profile: bool = False
    """Whether the place is in an AWS profile; if so, errors use the key names of AWS profiles."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Problem(NamedTuple):
    """One problem of a document: its place, dotted path (`secretStores.a.region`), message and hint."""

    where: Where
    path: str
    message: str
    hint: str = ""

    def in_words_of_file(self) -> Problem:
        """Return the problem with key names as in its file: for an AWS profile, these are AWS's names."""
        if not self.where.is_profile:
            return self
        from dsops.text import PROFILE_KEYS, in_profile_words

        name, _, key = self.path.removeprefix("secretStores.").rpartition(".")
        path = f"profile {name}.{PROFILE_KEYS.get(key, key)}" if name else self.path
        return Problem(self.where, path, in_profile_words(self.message), in_profile_words(self.hint))


def nearest(word: str, names: Iterable[str]) -> str:
    """Return the name that was probably meant, for a hint; "" if no name is similar.

    - Upper case, `-` and `_` are ignored.
    - A name with the same letters in another order comes first: for `us-esat-1`, us-east-1 and not us-west-1.
    - If no spelling is similar, one name can be the beginning of the other: `production` for `prod`, `--env` for
      `--environment`. The result is "" if several names match in this way.
    """
    from difflib import get_close_matches

    plain = {_plain(name): name for name in islice(names, _MOST_NAMES) if len(name) <= _LONGEST_NAME}
    word = _plain(word)
    if len(word) > _LONGEST_NAME:
        return ""
    letters = sorted(word)
    close = [text for text in plain if sorted(text) == letters] or get_close_matches(word, plain, n=1)
    if close:
        return plain[close[0]]
    begun = [
        name
        for text, name in plain.items()
        if min(len(text), len(word)) >= _SHORTEST_BEGINNING and (text.startswith(word) or word.startswith(text))
    ]
    return begun[0] if len(begun) == 1 else ""


def listed(names: Iterable[str]) -> str:
    """Return the names for a hint, `a, b, c`; at most 20, because a user can have thousands of profiles."""
    texts = list(names)
    more = f", and {len(texts) - _MOST_LISTED} more" if len(texts) > _MOST_LISTED else ""
    return f"{', '.join(texts[:_MOST_LISTED])}{more}"


_MOST_LISTED = 20
_SHORTEST_BEGINNING = 3
_LONGEST_NAME, _MOST_NAMES = 200, 1000
"""The maximum length of a name in characters, and the maximum number of names to compare with.

The time of one comparison grows with the product of the two lengths.
"""


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


class AwsAnswer(NamedTuple):
    """AWS's error response. Fields that AWS left out are ""; `endpoint` is a short name (`sts.us-east-1`)."""

    code: str
    message: str
    status: int
    request_id: str
    endpoint: str

    @property
    def authorization_id(self) -> str:
        """The id of AWS's record of the denied request (a preview feature of 2026); "" if the message contains none."""
        _, mark, rest = self.message.rpartition(_ID_FOLLOWS)
        candidate = rest.split(maxsplit=1)[0].rstrip(".") if mark and rest.split() else ""
        is_id = (
            candidate.isascii()
            and candidate.isalnum()
            and candidate == candidate.lower()
            and len(candidate) <= _LONGEST_ID
        )
        return candidate if is_id else ""

    @property
    def words(self) -> str:
        """The message without the sentences that explain where to look up the authorization id."""
        return self.message.partition(_ID_IS_TOLD)[0] if self.authorization_id else self.message


_ID_FOLLOWS = "authorization id: "
_ID_IS_TOLD = ". Go to https://"
_LONGEST_ID = 256
"""The maximum length of an authorization id in characters, from the service model."""


class Hop(NamedTuple):
    """A hop that succeeded before the failed hop. Unknown fields are ""."""

    store: str
    session: str
    """The ARN of the session."""
    expires: str


class FailedOperation(NamedTuple):
    """The operation that failed, and its circumstances. Fields that are unknown or do not apply are "" or 0."""

    operation: str
    """The API operation, such as `AssumeRole`."""
    caller: str = ""
    """The caller's ARN; if no ARN is known, the masked id of the signing key."""
    store: str = ""
    role: str = ""
    secret: str = ""
    """The name of the secret to read."""
    hop: int = 0
    hops: int = 0
    """The number of hops in the longest chain that includes this hop."""
    before: tuple[Hop, ...] = ()
    """The earlier hops, in the order in which they were made."""
    region: str = ""
    endpoint: str = ""
    """The short name of the endpoint, as in AwsAnswer; "" if no request was sent."""
    asks: tuple[str, ...] = ()
    """Arguments with which `dsops explain` finds the reason for a denial: `--env`, the environment, the store."""

    def joined(self, other: FailedOperation) -> FailedOperation:
        """Return this operation with its unknown fields filled in from `other`."""
        return self._replace(**{name: fact for name, fact in other._asdict().items() if not getattr(self, name)})

    def text(self, message: str) -> str:
        """Return one line with the facts that `message` does not contain.

        Returns "" if `message` contains all facts, or if no request was sent and the chain has only one hop.
        """
        if not self.operation or not (self.endpoint or self.hops >= _CHAIN):
            return ""
        of = f" of {self.role}" if self.role and self.role not in message else ""
        caller = f" as {self.caller}" if self.caller and self.caller not in message else ""
        hop = f", hop {self.hop} of {self.hops}" if self.hop and self.hops >= _CHAIN else ""
        endpoint = f", {self.endpoint}" if self.endpoint and self.endpoint not in message else ""
        facts = f"{of}{caller}{hop}{endpoint}"
        return f"{self.operation}{facts}" if facts else ""

    def texts_before(self) -> list[str]:
        """Return one line for each earlier hop, with its store, session and expiry."""
        if not self.hop:
            return []
        return [
            f"hop {number}, store `{hop.store}`, gave {hop.session or 'a session'}"
            + (f" until {hop.expires}" if hop.expires else "")
            for number, hop in enumerate(self.before, 1)
        ]


_CHAIN = 2
"""The minimum length of a chain, in hops, for which the text shows the number of the failed hop."""


class DsopsError(Exception):
    """Something inside dsops went wrong that should not have: please report it."""

    code = "internal.bug"
    exit_code = 1
    missing = ""
    """The operand, or the flag, whose value is missing. At a terminal, the user can choose the value from a list."""

    def __init__(
        self,
        message: str,
        *,
        why: str = "",
        hint: str = "",
        where: Where | None = None,
        aws: AwsAnswer | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        """`message` says what failed, `why` the reason in one sentence, `hint` the command or edit to make."""
        super().__init__(message)
        self.message = message
        self.why = why.replace(aws.message, aws.words) if aws is not None and aws.authorization_id else why
        self.hint = hint
        self.where = where
        self.aws = aws
        self.problems = tuple([problem.in_words_of_file() for problem in problems])
        self.tried: FailedOperation | None = None
        self._tell()

    def add_tried(self, tried: FailedOperation) -> None:
        """Add facts about the failed operation. Facts already known stay: they were added closer to the failure."""
        self.tried = tried if self.tried is None else self.tried.joined(tried)
        self._tell()

    def retell(self, message: str, *, why: str = "", hint: str = "", where: Where | None = None) -> None:
        """Replace the texts of the error by more specific texts of a caller; an empty argument changes nothing.

        The error's class, its cause, and the facts about the failed request stay the same.
        """
        self.args = (message,)
        self.message = message
        self.why = why or self.why
        self.hint = hint or self.hint
        self.where = where or self.where
        self._tell()

    def _tell(self) -> None:
        """Add the reason, hint and problems as notes (PEP 678), since tracebacks and pytest show only the message."""
        if self.where is not None and self.where.is_profile:
            from dsops.text import in_profile_words  # imported only for an error, so that other runs start faster

            self.message, self.why, self.hint = map(in_profile_words, (self.message, self.why, self.hint))
            self.args = (self.message,)
        notes = [f"at: {self.where}"] if self.where else []
        tried = self.tried.text(f"{self.message} {self.why} {self.hint}") if self.tried else ""
        notes += [f"tried: {tried}"] if tried else []
        for problem in self.problems:
            path = f"{problem.path}: " if problem.path else ""
            notes.append(f"{problem.where}: {path}{problem.message}")
            notes += [f"  hint: {problem.hint}"] if problem.hint else []
        notes += [f"why: {self.why}"] if self.why else []
        notes += [f"hint: {self.hint}"] if self.hint else []
        self.__notes__ = notes


class Failures(DsopsError):
    """Several independent operations failed, each with its own error."""

    code = "several"

    def __init__(self, errors: tuple[DsopsError, ...]) -> None:
        """`errors` has at least two members, in the order in which the user wrote the parts that failed."""
        super().__init__(f"{len(errors)} things failed")
        self.errors = errors
        # The exit code of several failures is the lowest, since the user has to fix that failure first (configuration,
        # then access, and so on).
        self.exit_code = min(error.exit_code for error in errors)


def bug_of(error: Exception) -> DsopsError:
    """Return the error that reports a bug in dsops.

    It contains the exception's type and line. It omits the exception's text, which may contain the value of a secret.
    """
    from traceback import extract_tb

    frame = extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rpartition(os.sep)[2]}:{frame.lineno}"
    bug = DsopsError(
        f"internal error in dsops: {type(error).__name__} in {place}",
        hint="run the command with `--debug` and report the output; it contains no value of a secret",
    )
    bug.__cause__ = error
    return bug
