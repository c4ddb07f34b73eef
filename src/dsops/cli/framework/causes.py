"""What is behind an error, and what to do about each: for `dsops help CODE` and docs/reference/errors.md.

The message of an error says what is known of one failure; this says what it may have been, the commonest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class ErrorCause(NamedTuple):
    """One way into an error, and the way out of it."""

    what: str
    remedy: str


def _causes(*pairs: tuple[str, str]) -> tuple[ErrorCause, ...]:
    return tuple([ErrorCause(what, remedy) for what, remedy in pairs])


_SHOW_PLAN: Final = "`dsops plan --env ENV` shows every hop with what it sends"

_ACCESS: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "sts.access-denied": _causes(
        (
            "the trust policy names another principal, or the caller is not who you think",
            "compare its `Principal` with what `dsops whoami` prints, or `dsops whoami STORE` of the store before",
        ),
        (
            "the caller of another account has no permission of its own",
            "allow sts:AssumeRole on the role's ARN in a policy of the caller: both accounts have to say yes",
        ),
        (
            "the trust policy wants an external ID, and none or another one was sent",
            "set `external_id` of the store to the one that the role's owner gave you, in the same case",
        ),
        ("the trust policy wants MFA", "set `serial_number` on the store, and give a code when asked"),
        (
            "the role does not exist: AWS says the same of one that is not there",
            "check account, path and name in `role_arn`",
        ),
        (
            "the user or role that it names was deleted and made again: an id such as AIDA... stands in its place",
            "write the ARN into the trust policy once more",
        ),
        (
            "tags, a source identity or contexts are sent, and the trust policy allows sts:AssumeRole only",
            "let it allow sts:TagSession, sts:SetSourceIdentity or sts:SetContext as well",
        ),
        (
            "a service control policy, a permissions boundary or the session policy of the hop before leaves it out",
            "allow sts:AssumeRole there too: the right has to be in each of them",
        ),
    ),
    "sts.refused": _causes(
        ("the session is asked to last longer than the role allows", "lower `duration_seconds`, or raise the role's"),
        ("a role is reached from a session, which gives an hour at most", "set `duration_seconds: 3600`"),
        ("session policy and tags are too long together", "shorten them, or name a policy in `policy_arns`"),
        ("a token or an assertion is too old, or made for somebody else", "get a new one, and see what AWS says"),
    ),
    "sts.region-disabled": _causes(
        (
            "the region is one that an account has to opt in to",
            "switch it on in the account, or set `region` to one that is on",
        )
    ),
    "access-denied": _causes(
        (
            "no policy of the caller allows it",
            "allow the action that AWS names in a policy of the role or user that makes the call",
        ),
        ("a policy denies it explicitly", "AWS says of which kind the policy is: correct it there"),
    ),
    "secret.access-denied": _causes(
        ("no policy of the role that reads allows it", "allow secretsmanager:GetSecretValue on the secret's ARN"),
        (
            "the secret does not exist: whoever may not see it gets the same answer",
            "check name and region with somebody who may list secrets",
        ),
        (
            "the secret is another account's",
            "let its resource policy name the role, and encrypt it with a key whose policy lets the role decrypt",
        ),
        ("the session policy of the store leaves it out", "`session_policy: auto` has exactly what is read"),
    ),
    "mfa.required": _causes(
        (
            "a code is needed, and there is no terminal to ask on",
            "set the variable that `token_code` names, an `mfa_process`, or keep the seed with `dsops mfa add`",
        )
    ),
    "mfa.refused": _causes(
        ("the code was used already, or is too old", "wait for the next one: a code works once"),
        ("the device is another user's", "`serial_number` is the device of the user who signs the call"),
        ("the clock of this machine or of the phone is wrong", "`dsops doctor` compares the clock with AWS's"),
    ),
    "saml.role": _causes(
        ("the identity provider gives another role, or several", "name in `role_arn` one of those in the message")
    ),
    "sso.login-required": _causes(("not logged in, or the login has ended", "run `dsops login STORE`")),
    "sso.not-assigned": _causes(
        (
            "the permission set is not assigned in that account, or its name is written otherwise",
            "check `account_id` and `role_name`, or ask the administrator of IAM Identity Center for the assignment",
        )
    ),
    "sso.refused": _causes(
        ("`sso_region` or `sso_start_url` are those of another Identity Center", "compare them with the access portal")
    ),
    "login.failed": _causes(("it was denied on the page, or nobody answered in time", "run `dsops login STORE` again")),
    "console.refused": _causes(
        ("the sign-in page takes sessions of roles and federated users only", "name a store that assumes a role")
    ),
    "revoke.refused": _causes(
        ("AWS made the role for a service or for Identity Center", "end the session there; the policy is AWS's")
    ),
}

_CREDENTIALS: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "credentials.none": _causes(
        (
            "nothing is set: no AWS_ACCESS_KEY_ID, no AWS_PROFILE, no [default] profile, no role of the machine",
            "set AWS_PROFILE, log in with `aws sso login`, or set `profile` on the store",
        ),
        (
            "the shell that runs dsops has another environment than yours (cron, sudo, a container)",
            "`dsops doctor` there says what it sees",
        ),
    ),
    "credentials.failed": _causes(("a source of credentials gave none", "the message names it: try it by itself")),
    "credentials.expired": _causes(
        (
            "a session that was copied into the environment has ended",
            "get a new one, or unset AWS_SESSION_TOKEN and both keys to use a profile",
        )
    ),
    "credentials.too-little-time": _causes(
        ("`--min-ttl` wants more than a session of that role can have", "lower it, or raise `duration_seconds`")
    ),
    "credentials.invalid": _causes(
        ("the key was deleted or switched off", "make a new one, or use another profile"),
        ("key id, secret and session token are not of one session", "set all three anew"),
        ("the secret access key was cut off or changed while copying", "copy it once more"),
        ("the key is of another partition, such as China's", "set `region` to one of its own partition"),
    ),
    "credentials.clock-skewed": _causes(
        ("this machine's clock is off by more than five minutes", "set it; in a container or WSL set the host's")
    ),
    "credentials.ambient-failed": _causes(
        ("the profile's `credential_process` fails or prints no JSON", "run that command by itself"),
        ("a metadata service does not answer in time", "is the role attached to the instance, task or pod?"),
        ("the profile is not in the file, or names one that is not", "`aws configure list-profiles` lists them"),
    ),
    "keyring.failed": _causes(("the keyring's own program reported an error", "open it once by hand, and try again")),
    "keyring.unavailable": _causes(
        ("there is no desktop session, as over SSH or in CI", "use a profile, or `mfa_process`, in its place"),
        ("the extra is not installed", "the error's hint has the command that installs it"),
    ),
    "keyring.locked": _causes(("its window was closed, or nobody answered", "unlock it, and run the same again")),
    "keyring.entry-missing": _causes(
        ("nothing of that name was kept, or for another user", "`dsops keys list` and `dsops mfa list` tell")
    ),
    "keys.rotation-stopped": _causes(
        ("the user has two keys already, which is the most", "delete the unused one, and begin again")
    ),
}

_CONFIGURATION: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "config.not-found": _causes(
        ("the folder is not the project's", "change to it, or name the file with `--config`"),
        ("there is none yet", "`dsops init` writes one to start from"),
    ),
    "config.environment-unknown": _causes(
        ("the name is mistyped, or the file is another one than you think", "look under `envs:` in the file")
    ),
    "config.store-unknown": _causes(("the name is mistyped", "`dsops stores` lists those of the file")),
    "config.store-type-unknown": _causes(
        ("the type is mistyped, or a plugin's that is not installed", "`dsops stores` lists those that are")
    ),
    "config.variable-unset": _causes(
        ("the variable is not exported, or another shell's", "export it, or write a default: `${NAME:-default}`")
    ),
    "config.limit": _causes(("AWS has a limit that the value exceeds", f"lower it; {_SHOW_PLAN}")),
    "config.not-allowed": _causes(
        ("the file was found here, and you have not allowed it", "`dsops allow` shows what it can do and allows it"),
        ("one of its files has changed, or its owner or a link has", "`dsops allow` shows the difference"),
        ("no terminal is there to ask at", "run `dsops allow` where there is one, or name the file: `--config`"),
    ),
    "config.session-for-nothing": _causes(
        ("nothing is read through the store in this environment", "name an environment that does, with `--env`")
    ),
    "sandbox.unavailable": _causes(
        ("the extra is not installed", "the error's hint has the command that installs it"),
        ("another one has the port", "end that one, or leave out `--port`"),
    ),
    "agent.unavailable": _causes(
        ("there is no folder for its socket, or `DSOPS_AGENT` is off", "commands do without it: nothing is lost"),
        (
            "its process was stopped in the middle of a request that may have used an MFA code",
            "let it go on (`kill -CONT`); `dsops doctor` tells how to find it",
        ),
    ),
    "usage.extra-missing": _causes(("dsops was installed without it", "the hint says what to install")),
    "output.not-written": _causes(("the disk is full, or the folder is not yours", "name another with `--out`")),
}

_SECRETS: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "secret.not-found": _causes(
        ("the name is mistyped", "compare it with the console, `/` at the beginning included"),
        ("it is in another region or account", "set `region` on the store; the message says where it was looked for"),
        ("the version or label does not exist", "leave `version` out for the current one"),
    ),
    "secret.scheduled-for-deletion": _causes(
        ("somebody has deleted it, and it is kept for some days", "aws secretsmanager restore-secret --secret-id NAME")
    ),
    "secret.refused": _causes(
        ("the key that encrypts it is switched off or was deleted", "look at the key in KMS: AWS says its state")
    ),
    "secret.field-missing": _causes(
        ("the field has another name", "the message lists the names that there are, never their values"),
        ("the secret is no JSON", "leave out the field to get the whole text"),
    ),
    "secret.transform-failed": _causes(("the value is not in the form that it reads", "leave the transform out")),
    "secret.value-unusable": _causes(
        ("a NUL, or bytes that are no text, can't stand in a variable", "add `transform: base64_encode`")
    ),
}

_SERVICE: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "service.unreachable": _causes(
        ("there is no network, or no way to that name", "`dsops doctor` says which connection fails"),
        ("a proxy is needed, or stands in the way", "set HTTPS_PROXY, or NO_PROXY for this host"),
        ("an endpoint is set that nobody serves", "look at AWS_ENDPOINT_URL, its variants, and `endpoint_url`"),
    ),
    "service.timed-out": _causes(
        ("a firewall drops the packets", "is the endpoint of that region reachable from here?"),
        ("`timeout_ms` is too short for the way", "raise it on the store"),
    ),
    "service.tls": _causes(
        ("a company's proxy signs with its own authority", "set AWS_CA_BUNDLE to its certificate"),
        ("this machine's certificates are too old", "install your system's `ca-certificates`"),
    ),
    "service.throttled": _causes(
        (
            "many ask at the same time",
            "let them share an agent, which asks once for all and keeps to the rate that AWS takes",
        ),
        (
            "there is less time than the limit needs for all",
            "raise `timeout_ms` on the store, or ask AWS for a higher limit",
        ),
    ),
    "service.answer-invalid": _causes(
        ("a proxy or a login page answers in AWS's place", "open the endpoint with curl and see who answers")
    ),
    "service.failed": _causes(("AWS has a problem of its own", "try again; health.aws.amazon.com tells of outages")),
    "audit.not-sent": _causes(
        ("the receiver is not there, or another one", "look at `syslog` or `otlp` in your own configuration"),
        ("it wants a token, or another one", "set `headers`, or OTEL_EXPORTER_OTLP_HEADERS"),
        ("its certificate is signed by a company's own authority", "set `ca_file` beside it"),
    ),
    "audit.line-refused": _causes(("the line is too long for it", "send by tcp:// where it is udp://")),
    "exec.not-found": _causes(
        ("the program is not on the PATH that the configuration leaves", "write its whole path behind `--`")
    ),
    "exec.not-executable": _causes(("its mode or its first line is wrong", "chmod +x, and look at the `#!` line")),
    "exec.timed-out": _causes(("the command takes longer than `--timeout`", "raise it, or leave it out")),
}

_QUERIES: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "audit.query-refused": _causes(
        ("the table is in another database or region", "name it: `--from DATABASE.TABLE`, `--region`"),
        ("there is no table yet", "create the one of docs/how-to/audit-sql.md, or of Athena's documentation"),
        ("the workgroup has no place for results", "name one with `--output s3://BUCKET/PREFIX/`"),
        ("the account has no CloudTrail Lake, which takes no new customers", "ask the logs with `--dialect athena`"),
    ),
    "audit.query-failed": _causes(
        ("too much is read at once", "ask of fewer days: `--begin`, `--end`"),
        ("a log file is damaged", "AWS's words name it; `dsops audit report` passes over such files"),
    ),
    "audit.query-cancelled": _causes(
        ("somebody stopped it, or a limit of the workgroup did", "look at the query in Athena's history")
    ),
    "audit.query-too-slow": _causes(
        ("it waits behind other queries, or reads a lot", "raise `--timeout`, or ask of fewer days")
    ),
}

CAUSES: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    **_ACCESS,
    **_CREDENTIALS,
    **_CONFIGURATION,
    **_SECRETS,
    **_SERVICE,
    **_QUERIES,
}
"""By the error's code. One that is not here says all in its message."""
