"""Every exception of dsops: what happened, why, what to do next, and the exit code.

This is the only file that defines exceptions. Each class has one stable dotted `code`; its docstring is the text that
`dsops help CODE` prints. Instances carry the particulars. No exception ever contains the value of a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from dsops.startup import NamedTuple


class Where(NamedTuple):
    """A place in a file; prints as `dsops.yaml:9`. `line` starts at 1; 0 means the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Problem(NamedTuple):
    """One problem in a document: its place, dotted path (`secretStores.a.region`), message, and how to fix it."""

    where: Where
    path: str
    message: str
    hint: str = ""


def nearest(word: str, names: Iterable[str]) -> str:
    """The name that was probably meant, for a hint; "" when none is close. Ignores case, `-` and `_`.

    Swapped letters win: `us-esat-1` is us-east-1, not us-west-1. When no spelling is close, a single name that shares
    its beginning with the word is taken: `production` for `prod`, `--env` for `--environment`.
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


_SHORTEST_BEGINNING = 3
_LONGEST_NAME, _MOST_NAMES = 200, 1000
"""Limits, because comparing takes time proportional to the product of the lengths, for each name."""


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


class AwsAnswer(NamedTuple):
    """An error answer of AWS. `endpoint` is short (`sts.us-east-1`); members that AWS left out are ""."""

    code: str
    message: str
    status: int
    request_id: str
    endpoint: str

    @property
    def authorization_id(self) -> str:
        """The id under which AWS keeps its evaluation of a denied request (a preview of 2026); "" for none."""
        _, mark, rest = self.message.rpartition(_ID_FOLLOWS)
        first_word = rest.split(maxsplit=1)[0].rstrip(".") if mark and rest.split() else ""
        is_id = (
            first_word.isascii()
            and first_word.isalnum()
            and first_word == first_word.lower()
            and len(first_word) <= _LONGEST_ID
        )
        return first_word if is_id else ""

    @property
    def words(self) -> str:
        """The message without the instructions for that id: where to look it up in the console, and with which API."""
        return self.message.partition(_ID_IS_TOLD)[0] if self.authorization_id else self.message


_ID_FOLLOWS = "authorization id: "
_ID_IS_TOLD = ". Go to https://"
_LONGEST_ID = 256
"""The limit in characters, from the service model."""


class Hop(NamedTuple):
    """The result of a hop before the failed one; "" for what is not known."""

    store: str
    session: str
    """The ARN of the hop's session."""
    expires: str


class Tried(NamedTuple):
    """What was attempted when the error occurred; "" and 0 for what is not known or does not apply."""

    operation: str
    """AWS's API operation: `AssumeRole`."""
    caller: str = ""
    """The caller's ARN or, when that is not known, the masked id of the signing key."""
    store: str = ""
    role: str = ""
    secret: str = ""
    """The name of the secret that was read."""
    hop: int = 0
    hops: int = 0
    """The length of the longest chain that needs this hop."""
    before: tuple[Hop, ...] = ()
    """The hops before this one, in order."""
    region: str = ""
    endpoint: str = ""
    """The short form, as in AwsAnswer; "" when no request was made."""
    asks: tuple[str, ...] = ()
    """Arguments of the `dsops explain` that finds the reason for a denial: `--env`, the environment, the store."""

    def joined(self, other: Tried) -> Tried:
        """Fill this record's empty members from another's."""
        return self._replace(**{name: fact for name, fact in other._asdict().items() if not getattr(self, name)})

    def text(self, said: str) -> str:
        """One line with the facts that `said` does not contain; "" when there are none, or nothing had begun."""
        if not self.operation or not (self.endpoint or self.hops >= _CHAIN):
            return ""
        of = f" of {self.role}" if self.role and self.role not in said else ""
        caller = f" as {self.caller}" if self.caller and self.caller not in said else ""
        hop = f", hop {self.hop} of {self.hops}" if self.hop and self.hops >= _CHAIN else ""
        endpoint = f", {self.endpoint}" if self.endpoint and self.endpoint not in said else ""
        facts = f"{of}{caller}{hop}{endpoint}"
        return f"{self.operation}{facts}" if facts else ""

    def texts_before(self) -> list[str]:
        """One line for the result of each earlier hop; [] outside of a chain."""
        if not self.hop:
            return []
        return [
            f"hop {number}, store `{hop.store}`, gave {hop.session or 'a session'}"
            + (f" until {hop.expires}" if hop.expires else "")
            for number, hop in enumerate(self.before, 1)
        ]


_CHAIN = 2
"""The number of hops from which on the hop number is shown."""


class DsopsError(Exception):
    """Something inside dsops went wrong that should not have: please report it."""

    code = "internal.bug"
    exit_code = 1

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
        """`message` says what was attempted and failed, `why` is one sentence, `hint` a command or edit that helps."""
        super().__init__(message)
        self.message = message
        self.why = why.replace(aws.message, aws.words) if aws is not None and aws.authorization_id else why
        self.hint = hint
        self.where = where
        self.aws = aws
        self.problems = problems
        self.tried: Tried | None = None
        self._tell()

    def add_tried(self, tried: Tried) -> None:
        """Record what was attempted. Facts already recorded stay, because they were recorded nearer to the failure."""
        self.tried = tried if self.tried is None else self.tried.joined(tried)
        self._tell()

    def retell(self, message: str, *, why: str = "", hint: str = "", where: Where | None = None) -> None:
        """Replace the message, and `why`, `hint` and `where` unless empty, with words from a caller that knows more.

        The exception object stays the same, so its traceback and `how_far` are kept.
        """
        self.args = (message,)
        self.message = message
        self.why = why or self.why
        self.hint = hint or self.hint
        self.where = where or self.where
        self._tell()

    def _tell(self) -> None:
        """Store everything but the message as notes (PEP 678), which tracebacks and pytest show."""
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
    """Several independent things failed; each is an error of its own."""

    code = "several"

    def __init__(self, errors: tuple[DsopsError, ...]) -> None:
        """`errors` has at least two members, in the order of the user's configuration or command line."""
        super().__init__(f"{len(errors)} things failed")
        self.errors = errors
        # One exit code for all: the smallest, which is what the user can act on first (config, then access, ...).
        self.exit_code = min(error.exit_code for error in errors)


# --- 2: config or command line ------------------------------------------------------------------------------


class UsageError(DsopsError):
    """The command line has a mistake."""

    code = "usage"
    exit_code = 2
    missing = ""
    """The missing operand, or the flag whose value is missing."""
    stray = ""
    """The word before `--`, where only flags are allowed."""


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
    """The file is larger, deeper or expands to more than any configuration needs."""

    code = "config.too-large"


class SyntaxInvalid(ConfigError):
    """The file is not well-formed YAML or JSON."""

    code = "config.syntax"


class NotAllowed(ConfigError):
    """dsops found this configuration itself, and you have not allowed it with its present content (`dsops allow`)."""

    code = "config.not-allowed"


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
    """No installed part of dsops provides the type of a store that is needed."""

    code = "config.store-type-unknown"


class VariableUnset(ConfigError):
    """The configuration refers to `${NAME}` and that environment variable is not set."""

    code = "config.variable-unset"


class VariableInvalid(ConfigError):
    """An environment variable that dsops reads (AWS_ENDPOINT_URL, HTTPS_PROXY) has an unusable value."""

    code = "config.variable-invalid"


class LimitExceeded(ConfigError):
    """AWS would reject this value; dsops rejects it before any call."""

    code = "config.limit"


class SessionForNothing(ConfigError):
    """With `session_policy: auto` this session would be allowed nothing, because nothing uses it."""

    code = "config.session-for-nothing"


class PolicyInvalid(ConfigError):
    """AWS would not accept this policy document."""

    code = "policy.invalid"


class PolicyUnreadable(ConfigError):
    """A policy file can't be read: it does not exist, is not text, or is far larger than any policy."""

    code = "policy.unreadable"


class PolicyIncomplete(ConfigError):
    """A policy can't be generated, because a required part is not known."""

    code = "policy.incomplete"


class CasesInvalid(ConfigError):
    """A file of policy test cases, or a policy that it names, has a mistake."""

    code = "policy.cases-invalid"


class EntityNotFound(ConfigError):
    """The user, role or secret in a policy question does not exist in AWS."""

    code = "policy.not-found"


class SeedInvalid(ConfigError):
    """A sandbox seed has a mistake."""

    code = "sandbox.seed-invalid"


class SandboxRefusal(DsopsError):
    """The sandbox refuses a request as AWS would; only an AWS client sees this, as an error answer."""

    code = "sandbox.refusal"


class SandboxUnavailable(ConfigError):
    """The sandbox can't start here: its extra is not installed, its port is taken, or moto's version does not fit."""

    code = "sandbox.unavailable"


class AgentUnavailable(ConfigError):
    """The agent can't be started here, or stopped answering when it may have used an MFA code already."""

    code = "agent.unavailable"


class ExtraMissing(ConfigError):
    """This command needs an optional part of dsops that is not installed."""

    code = "usage.extra-missing"


class SeedRefused(UsageError):
    """The text is not a valid seed of an MFA device."""

    code = "mfa.seed-invalid"


class ReasonMissing(UsageError):
    """A store sends AWS the reason for its use (`reason_to`), and no `--reason` was given."""

    code = "usage.reason-missing"


class KeysRefused(UsageError):
    """The text is not a valid long-term key, or one that should not be stored."""

    code = "keys.invalid"


class FileNotWritten(DsopsError):
    """The output file could not be written."""

    code = "output.not-written"
    exit_code = 2


class AuditFailed(DsopsError):
    """The audit trail could not be written, and your configuration says `audit: required`: nothing is handed out.

    Without `required` this is only a warning, and the run continues.
    """

    code = "audit.not-written"
    exit_code = 2


class UserConfigInvalid(ConfigError):
    """Your own configuration, ~/.config/dsops/config.yaml, has a mistake, or other users can change it."""

    code = "audit.config-invalid"


class TrailUnreadable(UsageError):
    """The file named as an audit trail can't be read."""

    code = "audit.unreadable"


class LogsUnreadable(UsageError):
    """None of the named CloudTrail logs can be read, or there is no disk space to sort them."""

    code = "audit.logs-unreadable"


class QueryRefused(UsageError):
    """Athena or CloudTrail Lake refused the query: workgroup, output location, table, or length."""

    code = "audit.query-refused"


# --- 3: credentials or access denied ------------------------------------------------------------------------


class CredentialsError(DsopsError):
    """Credentials could not be obtained."""

    code = "credentials.failed"
    exit_code = 3


class NoCredentials(CredentialsError):
    """There are no base credentials: nothing in the environment, no profile, no container or instance role."""

    code = "credentials.none"


class CredentialsExpired(CredentialsError):
    """The credentials that sign the call have expired."""

    code = "credentials.expired"


class TooLittleTimeLeft(CredentialsError):
    """The credentials are valid, but expire sooner than `--min-ttl` allows, and new ones would too."""

    code = "credentials.too-little-time"


class CredentialsInvalid(CredentialsError):
    """AWS does not know the key, or the signature does not match."""

    code = "credentials.invalid"


class ClockSkewed(CredentialsError):
    """This machine's clock differs so much from AWS's that AWS rejects the signature."""

    code = "credentials.clock-skewed"


class AmbientFailed(CredentialsError):
    """The profile, process or metadata service that provides the base credentials failed."""

    code = "credentials.ambient-failed"


class AssumeRoleDenied(CredentialsError):
    """STS refused to let the caller assume the role."""

    code = "sts.access-denied"
    speaks_of: tuple[str, str, str] | None = None
    """Issuer, subject and audience of the token or assertion that was sent; None when none was sent."""


class StsRefused(CredentialsError):
    """STS refused the request for a reason other than access."""

    code = "sts.refused"


class RoleNotOffered(CredentialsError):
    """The SAML response does not offer the store's role, or offers several and the store names none."""

    code = "saml.role"


class RegionDisabled(CredentialsError):
    """STS is not activated in that region for the account."""

    code = "sts.region-disabled"


class LoginRequired(CredentialsError):
    """You are not logged in to IAM Identity Center, or the login has ended: run `dsops login STORE`."""

    code = "sso.login-required"


class NotAssigned(CredentialsError):
    """The logged-in IAM Identity Center user does not have that permission set in that account."""

    code = "sso.not-assigned"


class SsoRefused(CredentialsError):
    """IAM Identity Center refused the request for a reason other than access."""

    code = "sso.refused"


class LoginFailed(CredentialsError):
    """The login was not completed: it was refused, took too long, or its answer did not arrive."""

    code = "login.failed"


class ConsoleRefused(CredentialsError):
    """AWS does not open the console for these credentials."""

    code = "console.refused"


class RevocationRefused(CredentialsError):
    """A policy can't revoke these sessions: AWS manages the role, or they belong to no role."""

    code = "revoke.refused"


class MfaRequired(CredentialsError):
    """An MFA code is needed, and there is no terminal to ask for it."""

    code = "mfa.required"


class MfaRefused(CredentialsError):
    """AWS did not accept the MFA code or device."""

    code = "mfa.refused"


class KeyringFailed(CredentialsError):
    """The system's keyring could not be reached, or did not do what was requested."""

    code = "keyring.failed"


class KeyringUnavailable(KeyringFailed):
    """No keyring is available: no desktop session, no usable backend, or it is switched off."""

    code = "keyring.unavailable"


class KeyringLocked(KeyringFailed):
    """The keyring is locked, and its prompt was declined or not answered in time."""

    code = "keyring.locked"


class KeyringEntryMissing(KeyringFailed):
    """The keyring has no MFA seed or key of that name that dsops stored."""

    code = "keyring.entry-missing"


class KeyRotationStopped(CredentialsError):
    """The rotation of a key stopped; the message says which key works, and how to continue."""

    code = "keys.rotation-stopped"


class AccessDenied(CredentialsError):
    """The credentials are valid, but not allowed to do this."""

    code = "access-denied"


class SecretAccessDenied(AccessDenied):
    """The credentials may not read that secret or parameter."""

    code = "secret.access-denied"


# --- 4: a secret was not resolved ---------------------------------------------------------------------------


class SecretError(DsopsError):
    """A secret could not be turned into a variable's value."""

    code = "secret.failed"
    exit_code = 4


class SecretNotFound(SecretError):
    """The secret, parameter or version does not exist in its store."""

    code = "secret.not-found"


class SecretDeleted(SecretError):
    """The secret is scheduled for deletion."""

    code = "secret.scheduled-for-deletion"


class SecretRefused(SecretError):
    """The service refused to return the secret for a reason other than access."""

    code = "secret.refused"


class FieldMissing(SecretError):
    """The secret has no such field."""

    code = "secret.field-missing"


class TransformFailed(SecretError):
    """A transform could not be applied to the value."""

    code = "secret.transform-failed"


class ValueUnusable(SecretError):
    """The value can't be put into an environment variable or file of that format."""

    code = "secret.value-unusable"


# --- 5: unreachable or throttled ----------------------------------------------------------------------------


class ServiceError(DsopsError):
    """The service failed, or refused the request for another reason."""

    code = "service.failed"
    exit_code = 5
    how_far = "answered"
    # `unsent`: the request was not sent. `sent`: no byte of an answer came, so it may have been carried out.
    # `answered`: an answer had begun. Decides whether the same request may be sent again.


class QueryFailed(ServiceError):
    """Athena or CloudTrail Lake accepted a query and then failed."""

    code = "audit.query-failed"


class QueryCancelled(ServiceError):
    """The query was cancelled in AWS."""

    code = "audit.query-cancelled"


class QueryTooSlow(ServiceError):
    """The query did not finish within `--timeout`, and was stopped."""

    code = "audit.query-too-slow"


class Unreachable(ServiceError):
    """No connection could be made, or it broke."""

    code = "service.unreachable"


class TimedOut(ServiceError):
    """The service did not answer in time."""

    code = "service.timed-out"


class TlsRefused(ServiceError):
    """The server's certificate could not be verified."""

    code = "service.tls"


class Throttled(ServiceError):
    """AWS kept throttling, retries included, until the call's time was up."""

    code = "service.throttled"


class AnswerInvalid(ServiceError):
    """The answer did not come from AWS."""

    code = "service.answer-invalid"


class SinkFailed(ServiceError):
    """A receiver of the audit trail, `syslog` or `otlp`, did not accept its lines: they wait in the file."""

    code = "audit.not-sent"
    seconds = 0
    # Seconds to wait before the next attempt, as the receiver asks.


class LineRefused(SinkFailed):
    """A receiver of the audit trail refuses a line permanently: the line is left out, and that is reported."""

    code = "audit.line-refused"
    taken: int | None = None
    # Lines before it that were accepted; None when it is not known which line was refused.


# --- 6: a check found something -----------------------------------------------------------------------------


class CheckFailed(DsopsError):
    """A check found something that needs attention."""

    code = "check.failed"
    exit_code = 6


# --- the command that exec runs -----------------------------------------------------------------------------


class CommandFailed(DsopsError):
    """The command could not be started, or was ended early."""

    code = "exec.failed"
    exit_code = 126


class CommandNotFound(CommandFailed):
    """The command to run was not found on the PATH."""

    code = "exec.not-found"
    exit_code = 127


class CommandNotExecutable(CommandFailed):
    """The command to run exists but can't be executed."""

    code = "exec.not-executable"
    exit_code = 126


class CommandTimedOut(CommandFailed):
    """The command ran longer than `--timeout` allows and was ended with everything it had started."""

    code = "exec.timed-out"
    exit_code = 124
