"""The possible causes of each error code with their remedies, for `dsops help CODE` and docs/reference/errors.md.

An error's message is about one failure; this table lists a code's possible causes, the most frequent one first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class ErrorCause(NamedTuple):
    """A possible cause of an error, and its remedy."""

    what: str
    remedy: str


def _causes(*pairs: tuple[str, str]) -> tuple[ErrorCause, ...]:
    return tuple([ErrorCause(what, remedy) for what, remedy in pairs])


_SHOW_PLAN: Final = "`dsops plan --env ENV` shows every hop with what it sends"

_ACCESS: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "sts.access-denied": _causes(
        (
            "the trust policy names another principal, or the caller is not who you think",
            "compare its `Principal` with `dsops whoami`, or with `dsops whoami STORE` for the hop before",
        ),
        (
            "the caller is in another account and has no permission of its own",
            "allow sts:AssumeRole on the role's ARN in a policy of the caller, too: both accounts have to allow it",
        ),
        (
            "the trust policy requires an external ID, and the call had none or a different one",
            ("set the store's `external_id` to the value that the role's owner gave you (upper and lower case matter)"),
        ),
        (
            "the trust policy requires MFA",
            "set `serial_number` on the store (`mfa_serial` in a profile), and enter a code when dsops asks",
        ),
        (
            "the role does not exist: AWS answers the same for a role that does not exist",
            "check the account, path and name in `role_arn`",
        ),
        (
            "the user or role in the trust policy was deleted and created again; the policy shows an id, AIDA...",
            "write the ARN into the trust policy again",
        ),
        (
            "the call has tags, a source identity or contexts, and the trust policy allows only sts:AssumeRole",
            "allow sts:TagSession, sts:SetSourceIdentity or sts:SetContext there, too",
        ),
        (
            "a service control policy, a permissions boundary or the previous hop's session policy does not allow it",
            "allow sts:AssumeRole in each of these policies",
        ),
    ),
    "sts.refused": _causes(
        ("`duration_seconds` is longer than the role allows", "lower it, or raise the role's maximum session duration"),
        ("the role is chained (assumed from a session), which gives an hour at most", "set `duration_seconds: 3600`"),
        ("session policy and tags together are too long", "shorten them, or name a managed policy in `policy_arns`"),
        ("a token or assertion has expired, or is for another audience", "get a new one, and read AWS's message"),
    ),
    "sts.region-disabled": _causes(
        (
            "the region is an opt-in region, and the account has not enabled it",
            "enable it in the account, or set `region` to an enabled region",
        )
    ),
    "access-denied": _causes(
        (
            "no policy of the caller allows the action",
            "allow the action in AWS's message, in a policy of the role or user that makes the call",
        ),
        ("a policy denies it explicitly", "AWS's message says which kind of policy: correct that policy"),
    ),
    "secret.access-denied": _causes(
        ("no policy of the role allows reading it", "allow secretsmanager:GetSecretValue on the secret's ARN"),
        (
            "the secret does not exist: without permission AWS gives the same answer",
            "check name and region with credentials that may list secrets",
        ),
        (
            "the secret is in another account",
            "allow the role in the secret's resource policy, and use a KMS key with which the role may decrypt",
        ),
        (
            "the session policy of the store does not allow it",
            "use `session_policy: auto`, which allows exactly what is read",
        ),
    ),
    "mfa.required": _causes(
        (
            "a code is needed, and there is no terminal for a prompt",
            "store the seed with `dsops mfa add`; in a dsops.yaml, `token_code` or `mfa_process` can give it, too",
        )
    ),
    "mfa.refused": _causes(
        ("the code was used already, or is too old", "wait for the next one: a code works once"),
        ("the device belongs to another user", "set `serial_number` to a device of the user who signs the call"),
        ("the clock of this machine or of the phone is wrong", "`dsops doctor` compares the clock with AWS's"),
    ),
    "saml.role": _causes(
        ("the SAML response has another role, or several", "set `role_arn` to one of the roles in the message")
    ),
    "token.invalid": _causes(
        ("the token has expired, or is for another audience or issuer", "get a new token from its issuer"),
        ("the issuer's keys have changed", "they are loaded again within ten seconds: try again"),
    ),
    "sso.login-required": _causes(("there is no login, or it has expired", "run `dsops login STORE`")),
    "sso.not-assigned": _causes(
        (
            "the permission set is not assigned to you in that account, or its name is different",
            "check `account_id` and `role_name`, or ask the administrator of IAM Identity Center for the assignment",
        )
    ),
    "sso.refused": _causes(
        ("`sso_region` or `sso_start_url` belongs to another Identity Center", "compare them with the access portal")
    ),
    "certificate.expired": _causes(
        ("the certificate was not renewed in time", "renew it, and replace the files"),
        ("the clock of this machine is wrong", "`dsops doctor` compares the clock with AWS's"),
    ),
    "certificate.unusable": _causes(
        ("the key belongs to an older or newer certificate", "replace both files after a renewal"),
        ("the key is encrypted, or other users can read it", "`openssl pkey` removes a passphrase; `chmod 600`"),
    ),
    "certificate.refused": _causes(
        (
            "another certificate authority issued the certificate, or the chain lacks a certificate",
            "compare it with the trust anchor, and name the certificates between in `intermediates`",
        ),
        ("the certificate is revoked, or the trust anchor or profile is disabled", "ask the administrator of the CA"),
        ("the profile does not contain the role", "`aws rolesanywhere get-profile` lists the roles"),
    ),
    "login.failed": _causes(("the login was denied in the browser, or timed out", "run `dsops login STORE` again")),
    "console.refused": _causes(
        ("the sign-in page accepts only sessions of roles and federated users", "use a store that assumes a role")
    ),
    "revoke.refused": _causes(
        ("AWS manages the role, for a service or for Identity Center", "end the session in that service")
    ),
}

_CREDENTIALS: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "credentials.none": _causes(
        (
            "there are none: no AWS_ACCESS_KEY_ID, no AWS_PROFILE, no [default] profile, no container or instance role",
            "set AWS_PROFILE, log in with `aws sso login`, or set `profile` on the store",
        ),
        (
            "dsops runs with another environment than your shell (cron, sudo, a container)",
            "run `dsops doctor` in that environment",
        ),
    ),
    "credentials.failed": _causes(("a source of credentials failed", "the message names it: try it alone")),
    "credentials.expired": _causes(
        (
            "a session in the environment variables has expired",
            "get a new one, or unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to use a profile",
        )
    ),
    "credentials.too-little-time": _causes(
        ("`--min-ttl` is longer than a session of that role lasts", "lower it, or raise `duration_seconds`")
    ),
    "credentials.invalid": _causes(
        ("the access key was deleted or deactivated", "create a new one, or use another profile"),
        ("key id, secret and session token do not belong together", "set all three again"),
        ("the secret access key was truncated or changed while copying", "copy it again"),
        ("the key belongs to another partition, such as China", "set `region` to a region of that partition"),
    ),
    "credentials.clock-skewed": _causes(
        ("this machine's clock is wrong by more than five minutes", "set it; in a container or WSL, set the host's")
    ),
    "credentials.ambient-failed": _causes(
        ("the profile's `credential_process` fails or prints no JSON", "run that command alone"),
        ("a metadata service does not answer in time", "is the role attached to the instance, task or pod?"),
        ("the profile, or one that it names, does not exist", "`aws configure list-profiles` lists the profiles"),
    ),
    "keyring.failed": _causes(
        ("the keyring's program reported an error", "open the keyring by hand, and try again"),
        ("the encrypted file is damaged", "restore it from a backup, or move it away and add its entries again"),
    ),
    "keyring.unavailable": _causes(
        ("there is neither a desktop session nor a terminal (CI)", "use a profile or `mfa_process` instead"),
        ("the backends of `DSOPS_KEYRING` are not set up", "`dsops doctor` says why each can't be used"),
        ("the extra is not installed", "the error's hint has the command that installs it"),
    ),
    "keyring.locked": _causes(
        ("the unlock dialog was closed, or timed out", "unlock the keyring, and run the command again"),
        ("the encrypted file needs its passphrase", "run the command at a terminal, and type the passphrase"),
        ("gpg can't ask for the passphrase of its key", "run `export GPG_TTY=$(tty)`, and try again"),
    ),
    "keyring.entry-missing": _causes(
        ("nothing was stored under that name, or by another user", "see `dsops keys list` and `dsops mfa list`")
    ),
    "keys.rotation-stopped": _causes(
        ("the user already has two access keys, AWS's limit", "delete the unused one, and start again")
    ),
}

_CONFIGURATION: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "config.not-found": _causes(
        ("the current folder is not in the project", "change to it, or name the file with `--config`"),
        ("the project has no configuration yet", "`dsops init` writes one"),
    ),
    "config.environment-unknown": _causes(
        ("the name is mistyped, or dsops read another file than you expect", "look under `envs:` in the file")
    ),
    "config.store-unknown": _causes(("the name is mistyped", "`dsops stores` lists the stores of the file")),
    "config.store-type-unknown": _causes(
        ("the type is mistyped, or its plugin is not installed", "`dsops stores --types` lists the installed types")
    ),
    "config.variable-unset": _causes(
        ("the variable is not exported in this shell", "export it, or write a default: `${NAME:-default}`")
    ),
    "config.limit": _causes(("the value exceeds a limit of AWS", f"lower it; {_SHOW_PLAN}")),
    "config.not-allowed": _causes(
        (
            "dsops found the file in this folder, and you have not allowed it",
            "`dsops allow` shows what the file can do, and allows it",
        ),
        ("a file, its owner or a link has changed since you allowed it", "`dsops allow` shows the change"),
        ("there is no terminal for a prompt", "run `dsops allow` in a terminal, or name the file with `--config`"),
    ),
    "danger.not-confirmed": _causes(
        ("the answer was not `y`, or was interrupted by Ctrl-D", "run it again and type `y`"),
        ("you meant another store", "`dsops stores` lists the stores, and marks the dangerous ones"),
    ),
    "config.session-for-nothing": _causes(
        ("the environment reads nothing through this store", "name an environment that uses it, with `--env`")
    ),
    "sandbox.unavailable": _causes(
        ("the extra is not installed", "the error's hint has the command that installs it"),
        ("another program uses the port", "stop that program, or omit `--port`"),
    ),
    "agent.unavailable": _causes(
        ("there is no folder for its socket, or `DSOPS_AGENT` is off", "nothing: commands work without an agent"),
        (
            "the agent was stopped during a request that may have used an MFA code",
            "continue it (`kill -CONT`); `dsops doctor` says how to find it",
        ),
        ("the agent's answer can't be decoded: it is broken, or of another version of dsops", "run `dsops agent stop`"),
    ),
    "usage.extra-missing": _causes(
        ("dsops was installed without this extra", "the hint has the command that installs it")
    ),
    "output.not-written": _causes(
        ("the disk is full, or the folder is not writable", "name another file with `--out`")
    ),
}

_SECRETS: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "secret.not-found": _causes(
        ("the name is mistyped", "compare it with the AWS console, including a leading `/`"),
        ("it is in another region or account", "set `region` on the store; the message says where dsops looked"),
        ("the version or label does not exist", "omit `version` to read the current one"),
    ),
    "secret.scheduled-for-deletion": _causes(
        ("it was deleted, and can be restored for some days", "aws secretsmanager restore-secret --secret-id NAME")
    ),
    "secret.exists": _causes(
        ("a secret of that name was created before", "omit `--create` to write a new version of it")
    ),
    "secret.changed": _causes(
        ("another client wrote a version meanwhile", "`dsops diff STORE KEY` shows what it changed; then try again"),
        ("`--expect` names a version that is not current", "`dsops history STORE KEY` shows the current version"),
    ),
    "secret.refused": _causes(
        ("the KMS key that encrypts it is disabled or deleted", "enable the key in KMS; AWS's message has its state")
    ),
    "secret.field-missing": _causes(
        ("the field has another name", "the message lists the secret's fields, without values"),
        ("the secret is not JSON", "omit the field to get the whole value"),
    ),
    "secret.transform-failed": _causes(
        ("the value does not have the format that the transform reads", "remove the transform")
    ),
    "secret.value-unusable": _causes(
        ("the value has a NUL byte, or is not valid UTF-8", "add `transform: base64_encode`")
    ),
}

_SERVICE: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "service.unreachable": _causes(
        ("there is no network, or the host name does not resolve", "`dsops doctor` shows which connection fails"),
        ("a proxy is needed, or blocks the connection", "set HTTPS_PROXY, or NO_PROXY for this host"),
        ("a custom endpoint does not answer", "check AWS_ENDPOINT_URL, its variants, and `endpoint_url`"),
    ),
    "service.timed-out": _causes(
        ("a firewall drops the packets", "check that the region's endpoint is reachable from here"),
        ("`timeout_ms` is too short for this network", "raise it on the store"),
    ),
    "service.tls": _causes(
        ("a company proxy signs with its own CA", "set AWS_CA_BUNDLE to the CA's certificate"),
        ("this machine's certificates are too old", "install your system's `ca-certificates`"),
    ),
    "service.throttled": _causes(
        (
            "many processes call AWS at the same time",
            "let them share an agent, which makes each call once and keeps to AWS's rate limit",
        ),
        (
            "the calls need longer than `timeout_ms` at AWS's rate limit",
            "raise `timeout_ms` on the store, or ask AWS for a higher limit",
        ),
    ),
    "service.answer-invalid": _causes(
        ("a proxy or a login page answers instead of AWS", "request the endpoint with curl and look at the response")
    ),
    "service.failed": _causes(("AWS has an internal error", "try again; health.aws.amazon.com shows outages")),
    "audit.not-sent": _causes(
        ("the receiver is down, or its address is wrong", "check `syslog` or `otlp` in ~/.config/dsops/config.yaml"),
        ("the receiver requires a token, or the token is wrong", "set `headers`, or OTEL_EXPORTER_OTLP_HEADERS"),
        ("its certificate is signed by a company's own CA", "set `ca_file` for that receiver"),
    ),
    "audit.line-refused": _causes(("the record is too long for the receiver", "use tcp:// instead of udp://")),
    "exec.not-found": _causes(("the program is not on the PATH of the environment", "write its full path after `--`")),
    "exec.not-executable": _causes(("its mode or its `#!` line is wrong", "chmod +x it, and check the `#!` line")),
    "exec.timed-out": _causes(("the command takes longer than `--timeout`", "raise or omit `--timeout`")),
}

_QUERIES: Final[Mapping[str, tuple[ErrorCause, ...]]] = {
    "audit.query-refused": _causes(
        ("the table is in another database or region", "set them with `--from DATABASE.TABLE` and `--region`"),
        ("there is no table yet", "create the table of docs/how-to/audit-sql.md, or of Athena's documentation"),
        ("the workgroup has no location for results", "set one with `--output s3://BUCKET/PREFIX/`"),
    ),
    "audit.query-failed": _causes(
        ("the query reads too much", "read fewer days: `--begin`, `--end`"),
        ("a log file is damaged", "AWS's message names it; `dsops audit report` skips such files"),
    ),
    "audit.query-cancelled": _causes(
        ("a user or a limit of the workgroup stopped it", "look at the query in Athena's history")
    ),
    "audit.query-too-slow": _causes(
        ("the query waits for other queries, or reads a lot", "raise `--timeout`, or read fewer days")
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
"""Map each error code to its causes. A code is missing here if the error's message says enough."""
