"""Errors of the configuration, the command line and other input (exit code 2)."""

from __future__ import annotations

from dsops.errors.base import DsopsError


class UsageError(DsopsError):
    """dsops does not accept this command line."""

    code = "usage"
    exit_code = 2
    missing = ""
    """The name of the operand that is missing, or of the flag whose value is missing."""


class ConfigError(DsopsError):
    """The configuration has an error."""

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


class RecordingInvalid(ConfigError):
    """A recording of a run's calls (`dsops exec --record`) can't be read, or a line of it is malformed."""

    code = "policy.recording-invalid"


class RecordingEmpty(ConfigError):
    """A recording has no call from which a policy could be made: AWS allowed none, or the calls need no permission."""

    code = "policy.recording-empty"


class PolicyIncomplete(ConfigError):
    """A policy can't be generated, because a required fact is unknown."""

    code = "policy.incomplete"


class CasesInvalid(ConfigError):
    """A table of policy questions, or a policy that the table names, has an error."""

    code = "policy.cases-invalid"


class EntityNotFound(ConfigError):
    """A policy question is about a user, role or secret that does not exist in AWS."""

    code = "policy.not-found"


class SeedInvalid(ConfigError):
    """A sandbox seed has an error."""

    code = "sandbox.seed-invalid"


class SandboxRefusal(DsopsError):
    """The sandbox refuses a request as AWS would; its server sends this error to AWS clients."""

    code = "sandbox.refusal"


class SandboxUnavailable(ConfigError):
    """The sandbox can't start (missing extra, port in use, wrong version of moto), or does not respond."""

    code = "sandbox.unavailable"


class AgentUnavailable(ConfigError):
    """The agent can't be started here, has stopped answering, or sent an answer that can't be decoded.

    If it stopped answering after it may have used an MFA code, the request is not repeated.
    """

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
    """Athena or Trino can't run the query because of its table, workgroup, result location or length."""

    code = "audit.query-refused"
