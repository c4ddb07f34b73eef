"""All exceptions of dsops, each with message, reason, next step and exit code.

Exceptions are defined in this file only. A class has one stable dotted `code`; its docstring is the text that `dsops
help CODE` shows. Instances contain the details of a failure, but never the value of a secret.
"""

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
            from dsops.text import in_profile_words  # a run without an error imports no more modules

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


# --- exit code 2: config or command line --------------------------------------------------------------------


class UsageError(DsopsError):
    """dsops does not accept this command line."""

    code = "usage"
    exit_code = 2
    missing = ""
    """The name of the operand that is missing, or of the flag whose value is missing."""


class ConfigError(DsopsError):
    """The configuration can't be used as it is."""

    code = "config.invalid"
    exit_code = 2


class ConfigNotFound(ConfigError):
    """No dsops.yaml was found in this folder or above it, or the named file does not exist."""

    code = "config.not-found"


class ConfigUnreadable(ConfigError):
    """The configuration file exists but could not be read."""

    code = "config.unreadable"


class ConfigTooLarge(ConfigError):
    """The file is too large, is nested too deeply, or expands to more than any configuration needs."""

    code = "config.too-large"


class SyntaxInvalid(ConfigError):
    """The file is not well-formed YAML or JSON."""

    code = "config.syntax"


class NotAllowed(ConfigError):
    """dsops found the configuration by itself, and the user has not allowed its current content."""

    code = "config.not-allowed"


class NotConfirmed(DsopsError):
    """The user did not confirm a run with a store that has `danger: true`."""

    code = "danger.not-confirmed"
    exit_code = 2


class EnvironmentUnknown(ConfigError):
    """The configuration has no environment of that name."""

    code = "config.environment-unknown"


class StoreUnknown(ConfigError):
    """The configuration has no store of that name."""

    code = "config.store-unknown"


class VariableUnknown(ConfigError):
    """The environment has no variable of that name."""

    code = "config.variable-unknown"


class StoreTypeUnknown(ConfigError):
    """The environment needs a store whose type no installed part of dsops provides."""

    code = "config.store-type-unknown"


class VariableUnset(ConfigError):
    """The configuration refers to `${NAME}` and that environment variable is not set."""

    code = "config.variable-unset"


class VariableInvalid(ConfigError):
    """An environment variable that dsops reads (AWS_ENDPOINT_URL, HTTPS_PROXY) has a value that can't be used."""

    code = "config.variable-invalid"


class LimitExceeded(ConfigError):
    """AWS would refuse this value; dsops refuses it before any call."""

    code = "config.limit"


class SessionForNothing(ConfigError):
    """`session_policy: auto` would give this session no permissions, because nothing uses the session."""

    code = "config.session-for-nothing"


class PolicyInvalid(ConfigError):
    """AWS would not accept this policy document."""

    code = "policy.invalid"


class PolicyUnreadable(ConfigError):
    """A policy file can't be read: it does not exist, is not text, or is far larger than any policy."""

    code = "policy.unreadable"


class PolicyIncomplete(ConfigError):
    """A policy can't be generated, because a required fact is unknown."""

    code = "policy.incomplete"


class CasesInvalid(ConfigError):
    """A table of policy questions, or a policy that it names, can't be used as it is."""

    code = "policy.cases-invalid"


class EntityNotFound(ConfigError):
    """A policy question is about a user, role or secret that does not exist in AWS."""

    code = "policy.not-found"


class SeedInvalid(ConfigError):
    """A sandbox seed can't be used as it is."""

    code = "sandbox.seed-invalid"


class SandboxRefusal(DsopsError):
    """The sandbox refuses a request as AWS would; its server sends this error to AWS clients."""

    code = "sandbox.refusal"


class SandboxUnavailable(ConfigError):
    """The sandbox can't start (missing extra, port in use, wrong version of moto), or does not respond."""

    code = "sandbox.unavailable"


class AgentUnavailable(ConfigError):
    """The agent can't be started here, or it stopped answering after it may have used an MFA code."""

    code = "agent.unavailable"


class ExtraMissing(ConfigError):
    """This command needs an optional part of dsops that is not installed."""

    code = "usage.extra-missing"


class SeedRefused(UsageError):
    """The text entered as the seed of an MFA device is not a valid seed."""

    code = "mfa.seed-invalid"


class ReasonMissing(UsageError):
    """A store passes the reason for a run on to AWS (`reason_to`), but the run has no `--reason`."""

    code = "usage.reason-missing"


class KeysRefused(UsageError):
    """The text entered as a long-term key is not a key, or is a key that dsops does not store."""

    code = "keys.invalid"


class FileNotWritten(DsopsError):
    """A file could not be written."""

    code = "output.not-written"
    exit_code = 2


class AuditFailed(DsopsError):
    """The audit trail could not be written, and your own configuration says `audit: required`.

    The command gets no session or secret. Without `required`, dsops shows a warning and continues.
    """

    code = "audit.not-written"
    exit_code = 2


class UserConfigInvalid(ConfigError):
    """Your own configuration, ~/.config/dsops/config.yaml, is invalid, or other users can write it."""

    code = "audit.config-invalid"


class TrailUnreadable(UsageError):
    """The named file can't be read as an audit trail."""

    code = "audit.unreadable"


class LogsUnreadable(UsageError):
    """None of the named CloudTrail logs can be read, or the disk has no space to sort them."""

    code = "audit.logs-unreadable"


class QueryRefused(UsageError):
    """Athena can't run the query because of its workgroup, result location, table or length."""

    code = "audit.query-refused"


# --- exit code 3: credentials or access denied --------------------------------------------------------------


class CredentialsError(DsopsError):
    """Credentials could not be obtained."""

    code = "credentials.failed"
    exit_code = 3


class NoCredentials(CredentialsError):
    """There are no base credentials: no keys in the environment, no profile, no container or instance role."""

    code = "credentials.none"


class CredentialsExpired(CredentialsError):
    """The credentials that sign the call have expired."""

    code = "credentials.expired"


class TooLittleTimeLeft(CredentialsError):
    """The credentials are valid, but expire sooner than `--min-ttl` allows, and so would new credentials."""

    code = "credentials.too-little-time"


class CredentialsInvalid(CredentialsError):
    """AWS does not know the key, or the signature does not match."""

    code = "credentials.invalid"


class ClockSkewed(CredentialsError):
    """This machine's clock differs too much from AWS's clock for a signature to be valid."""

    code = "credentials.clock-skewed"


class AmbientFailed(CredentialsError):
    """The profile, process or metadata service that should provide the base credentials failed."""

    code = "credentials.ambient-failed"


class AssumeRoleDenied(CredentialsError):
    """STS refused to let the caller assume the role."""

    code = "sts.access-denied"
    speaks_of: tuple[str, str, str] | None = None
    """Issuer, subject and audience of the token or assertion in the request; None if the request contained neither."""


class StsRefused(CredentialsError):
    """STS refused the request for a reason other than access."""

    code = "sts.refused"


class RoleNotOffered(CredentialsError):
    """The SAML response does not offer the store's role, or offers several roles and the store names none."""

    code = "saml.role"


class RegionDisabled(CredentialsError):
    """The region is not enabled for the account, or STS is not activated in the region."""

    code = "sts.region-disabled"


class LoginRequired(CredentialsError):
    """There is no login to IAM Identity Center, or the login has expired: run `dsops login STORE`."""

    code = "sso.login-required"


class NotAssigned(CredentialsError):
    """The user who is logged in to IAM Identity Center does not have that permission set in that account."""

    code = "sso.not-assigned"


class SsoRefused(CredentialsError):
    """IAM Identity Center refused the request for a reason other than access."""

    code = "sso.refused"


class LoginFailed(CredentialsError):
    """A login was not completed: it was refused, took too long, or the browser sent no answer."""

    code = "login.failed"


class ConsoleRefused(CredentialsError):
    """AWS can't open the console with these credentials."""

    code = "console.refused"


class RevocationRefused(CredentialsError):
    """A policy can't revoke these sessions: AWS manages the role, or the store assumes no role."""

    code = "revoke.refused"


class MfaRequired(CredentialsError):
    """An MFA code is needed, and there is no terminal to ask the user for it."""

    code = "mfa.required"


class MfaRefused(CredentialsError):
    """AWS did not accept the MFA code or device."""

    code = "mfa.refused"


class KeyringFailed(CredentialsError):
    """The keyring could not be reached, or an operation of its backend failed."""

    code = "keyring.failed"


class KeyringUnavailable(KeyringFailed):
    """There is no keyring to use: no backend in the order works on this machine, or the keyring is turned off."""

    code = "keyring.unavailable"


class KeyringLocked(KeyringFailed):
    """The keyring is locked: its prompt was declined or not answered in time, or its passphrase is missing or wrong."""

    code = "keyring.locked"


class KeyringEntryMissing(KeyringFailed):
    """The keyring has no MFA seed or key of that name, or its content has changed since dsops stored it."""

    code = "keyring.entry-missing"


class KeyRotationStopped(CredentialsError):
    """The rotation of a key stopped before its end; the message says which key works, and how to continue."""

    code = "keys.rotation-stopped"


class AccessDenied(CredentialsError):
    """The credentials are valid, but do not allow this operation."""

    code = "access-denied"


class SecretAccessDenied(AccessDenied):
    """The credentials do not allow reading this secret or parameter."""

    code = "secret.access-denied"


# --- exit code 4: a secret was not resolved -----------------------------------------------------------------


class SecretError(DsopsError):
    """A secret could not be turned into a variable's value."""

    code = "secret.failed"
    exit_code = 4


class SecretNotFound(SecretError):
    """The secret, parameter or version does not exist where dsops looked for it."""

    code = "secret.not-found"


class SecretDeleted(SecretError):
    """The secret is scheduled for deletion."""

    code = "secret.scheduled-for-deletion"


class SecretRefused(SecretError):
    """The service refused to return the secret for a reason other than access."""

    code = "secret.refused"


class SecretExists(SecretError):
    """A secret or parameter of that name exists already, so it can't be created."""

    code = "secret.exists"


class SecretChanged(SecretError):
    """Another client has changed the secret since dsops read it."""

    code = "secret.changed"


class FieldMissing(SecretError):
    """The secret does not contain the requested field."""

    code = "secret.field-missing"


class TransformFailed(SecretError):
    """A transform could not be applied to the value."""

    code = "secret.transform-failed"


class ValueUnusable(SecretError):
    """The value can't be put into an environment variable, or into a file of that format."""

    code = "secret.value-unusable"


# --- exit code 5: unreachable or throttled ------------------------------------------------------------------


class ServiceError(DsopsError):
    """The service did not respond as expected."""

    code = "service.failed"
    exit_code = 5
    how_far = "answered"
    # `unsent`: the request was not sent. `sent`: no byte of a response came, so the request may have been carried out.
    # `answered`: a response had begun. This determines whether the same request may be sent again.


class QueryFailed(ServiceError):
    """Athena accepted a query, but the query failed."""

    code = "audit.query-failed"


class QueryCancelled(ServiceError):
    """The query was stopped in AWS, by a user or by a limit of the workgroup."""

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


# --- exit code 6: a check found something -------------------------------------------------------------------


class CheckFailed(DsopsError):
    """A check found something that needs attention."""

    code = "check.failed"
    exit_code = 6


# --- errors of the command that exec runs -------------------------------------------------------------------


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


# --- bugs ---------------------------------------------------------------------------------------------------


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
