"""`dsops sandbox token` and `dsops sandbox saml`: tokens and SAML responses signed by the running sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer, answer_json
from dsops.errors import UsageError
from dsops.runtime import Runtime

_MOMENTS: Final = ("exp", "nbf", "iat")
"""Claims whose values are numbers (RFC 7519, NumericDate)."""

PORT = Flag("--port", "the port of the sandbox", kind="port", value="N", own_variable="DSOPS_SANDBOX_PORT")
EXPIRES = Flag(
    "--expires",
    "how long the token or response is valid",
    kind="seconds",
    value="SECONDS",
    default="300",
    own_variable="DSOPS_SANDBOX_EXPIRES",
)

ISSUER = Flag(
    "--iss",
    "the issuer: a provider of the seed with `issued_by_sandbox: true` (default: the only one)",
    value="URL",
    own_variable="DSOPS_SANDBOX_ISS",
)
TOKEN_SUBJECT = Flag("--sub", "the subject of the token (`sub`)", value="SUBJECT", own_variable="DSOPS_SANDBOX_SUB")
AUDIENCE = Flag(
    "--aud",
    "the audience of the token (`aud`)",
    value="CLIENT-ID",
    default="sts.amazonaws.com",
    own_variable="DSOPS_SANDBOX_AUD",
)

ROLE = Flag("--role", "the role to assume", value="ARN", own_variable="DSOPS_SANDBOX_SAML_ROLE")
PROVIDER = Flag(
    "--provider",
    "the SAML provider, by name or ARN (default: the only one of the role's account)",
    value="NAME",
    own_variable="DSOPS_SANDBOX_SAML_PROVIDER",
)
SESSION_NAME = Flag(
    "--session-name",
    "the name of the role session",
    value="NAME",
    default="user",
    own_variable="DSOPS_SANDBOX_SAML_SESSION_NAME",
)
SUBJECT = Flag(
    "--subject",
    "the subject of the assertion (default: the session name)",
    value="SUBJECT",
    own_variable="DSOPS_SANDBOX_SAML_SUBJECT",
)
TAG = Flag(
    "--tag",
    "a session tag; may be repeated",
    value="KEY=VALUE",
    is_repeatable=True,
    own_variable="DSOPS_SANDBOX_SAML_TAG",
)
TRANSITIVE = Flag(
    "--transitive",
    "the key of a session tag that later sessions of a role chain inherit; may be repeated",
    value="KEY",
    is_repeatable=True,
    own_variable="DSOPS_SANDBOX_SAML_TRANSITIVE",
)
SOURCE_IDENTITY = Flag(
    "--source-identity", "the source identity to set", value="NAME", own_variable="DSOPS_SANDBOX_SAML_SOURCE_IDENTITY"
)
DURATION = Flag(
    "--duration",
    "the maximum session duration that the provider sets",
    kind="seconds",
    value="SECONDS",
    own_variable="DSOPS_SANDBOX_SAML_DURATION",
)
ATTRIBUTE = Flag(
    "--attribute",
    "another attribute, such as urn:oid:1.3.6.1.4.1.5923.1.1.1.1=staff; may be repeated",
    value="NAME=VALUE",
    is_repeatable=True,
    own_variable="DSOPS_SANDBOX_SAML_ATTRIBUTE",
)
OUT = Flag("--out", "write to this file instead of stdout", value="FILE", own_variable="DSOPS_SANDBOX_SAML_OUT")
METADATA = Flag(
    "--metadata",
    "print the SAML metadata of the sandbox's identity provider, as CreateSAMLProvider needs it",
    kind="switch",
    own_variable="DSOPS_SANDBOX_SAML_METADATA",
)


def _token(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.control.running_sandboxes import find_running, tell

    if not arguments.text("--sub"):
        raise UsageError("--sub is missing", hint="name the subject of the token: --sub repo:org/app:pull_request")
    request_body: dict[str, object] = {
        "iss": arguments.text("--iss"),
        "sub": arguments.text("--sub"),
        "aud": arguments.text("--aud"),
        "expires_seconds": arguments.seconds("--expires"),
        "claims": dict(_claim(word) for word in arguments.words("CLAIM")),
    }
    url = find_running(arguments.integer("--port"), runtime.environ)
    answer(str(tell(url, "token", request_body)["token"]))
    return 0


def _claim(word: str) -> tuple[str, object]:
    """Parse a claim NAME=VALUE: a time is a number, a value that starts with `{` or `[` is JSON, others are text."""
    import json

    name, equals, value = word.partition("=")
    if not name or not equals:
        raise UsageError(f"`{word}` is not NAME=VALUE", hint="write for example repository=org/app")
    if name in _MOMENTS and re.fullmatch(r"-?[0-9]{1,18}", value, re.ASCII):
        return name, int(value)
    if not value.startswith(("{", "[")):
        return name, value
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError) as error:
        hint = 'write JSON after `{` or `[`: a list is NAME=\'["one", "two"]\''
        raise UsageError(f"the value of the claim `{name}` is not JSON", why=str(error), hint=hint) from error


def _saml(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.control.running_sandboxes import ask, find_running, tell

    port, out = arguments.integer("--port"), arguments.text("--out")
    if arguments.switch("--metadata"):
        _put(str(ask(find_running(port, runtime.environ), "saml")["metadata"]), out)
        return 0
    request_body = _wish(arguments)
    minted = tell(find_running(port, runtime.environ), "saml", request_body)
    if arguments.switch("--json") and not out:
        answer_json(
            {"RoleArn": minted["role"], "PrincipalArn": minted["provider"], "SAMLAssertion": minted["assertion"]}
        )
        return 0
    _put(f"{minted['assertion']}\n", out)
    return 0


def _wish(arguments: Arguments) -> dict[str, object]:
    """Return the body of the request to the sandbox's SAML endpoint."""
    if not arguments.text("--role"):
        raise UsageError("--role is missing", hint="name the role: --role arn:aws:iam::123456789012:role/Deploy")
    attributes: dict[str, list[str]] = {}
    for name, value in _pairs("--attribute", arguments.texts("--attribute")):
        attributes.setdefault(name, []).append(value)
    return {
        "role": arguments.text("--role"),
        "provider": arguments.text("--provider"),
        "session_name": arguments.text("--session-name"),
        "subject": arguments.text("--subject"),
        "tags": dict(_pairs("--tag", arguments.texts("--tag"))),
        "transitive": arguments.texts("--transitive"),
        "source_identity": arguments.text("--source-identity"),
        "duration_seconds": arguments.seconds("--duration"),
        "attributes": attributes,
        "expires_seconds": arguments.seconds("--expires"),
    }


def _pairs(flag: str, words: Iterable[str]) -> Iterable[tuple[str, str]]:
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise UsageError(f"`{word}` is not NAME=VALUE", hint=f"write for example {flag} team=blue")
        yield name, value


def _put(text: str, out: str) -> None:
    """Print the text, or write it to the file `out` with mode 0600."""
    if not out:
        answer(text.removesuffix("\n"))
        return
    from dsops.render.file import write_private

    write_private(out, text.encode())


TOKEN = Command(
    help=(
        "Print a web identity token (OIDC), signed by an issuer of the running sandbox.\n"
        "Operands add other claims: repository=org/app, or with JSON: amr='[\"mfa\"]'. The times exp, nbf\n"
        "and iat are seconds since 1970: nbf=4102444800 makes a token that is not valid before 2100."
    ),
    run=_token,
    flags=(ISSUER, TOKEN_SUBJECT, AUDIENCE, EXPIRES, PORT),
    operands=(Operand("CLAIM", "a claim, NAME=VALUE", is_required=False, is_repeatable=True),),
)
SAML = Command(
    help=(
        "Print a SAML response in base64, signed by the identity provider of the running sandbox.\n"
        "With --json, it is the input of `aws sts assume-role-with-saml --cli-input-json`."
    ),
    run=_saml,
    flags=(
        ROLE,
        PROVIDER,
        SESSION_NAME,
        SUBJECT,
        TAG,
        TRANSITIVE,
        SOURCE_IDENTITY,
        DURATION,
        ATTRIBUTE,
        EXPIRES,
        OUT,
        METADATA,
        PORT,
    ),
)
