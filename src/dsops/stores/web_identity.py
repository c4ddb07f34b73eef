"""Exchange a web identity token for a role's session: get the token, find its subject, explain refusals.

If the token is in a setting, a file or a variable, planning reads it to tell the sessions of different subjects apart.
Planning runs no command and sends no request. The token is read again for each session, because Kubernetes replaces it
hourly. If the token's subject has changed since planning, the token is not sent. Otherwise the session would be cached
under the planned identity.
"""

from __future__ import annotations

import json
import os
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NoReturn

from dsops.aws.apis.sts import assume_role_with_web_identity
from dsops.aws.identity.ambient_files import content
from dsops.credentials import Credentials
from dsops.errors import DsopsError, NoCredentials
from dsops.plan import Proof, Settings, Step
from dsops.schema import DEFAULT_AUDIENCE
from dsops.secret import Secret
from dsops.stores.command import output_of
from dsops.stores.endpoints import endpoint_of
from dsops.stores.fields import seconds_of, texts_of
from dsops.stores.interface import Context
from dsops.stores.proof import CallerDescription, check_planned, naming_caller, naming_store
from dsops.tasks import blocking

_MOST_CHARACTERS = 20_000  # the limit is from the AssumeRoleWithWebIdentity API reference
MOST_SHOWN: Final = 200
"""The maximum number of characters of a claim that messages show."""
AUDIENCE: Final = DEFAULT_AUDIENCE

_FILE_VARIABLE = "AWS_WEB_IDENTITY_TOKEN_FILE"
_VARIABLES: Final = {"gitlab": ("GITLAB_OIDC_TOKEN",), "circleci": ("CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN")}
_PLATFORMS: Final = {
    "github": "GitHub Actions",
    "gitlab": "GitLab CI",
    "kubernetes": "Kubernetes",
    "circleci": "CircleCI",
    "buildkite": "Buildkite",
    "spiffe": "SPIFFE",
}
_GITHUB_VARIABLES = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
_SPIFFE_VARIABLE = "SPIFFE_ENDPOINT_SOCKET"
_MISSING: Final = {
    "gitlab": "give the job `id_tokens: {GITLAB_OIDC_TOKEN: {aud: ...}}`, or set `web_identity_token: ${ITS_NAME}`",
    "kubernetes": "annotate the service account with eks.amazonaws.com/role-arn, or set `web_identity_token_file`",
    "circleci": "CircleCI sets it in jobs that use a context",
}


def identify(settings: Settings, environ: Mapping[str, str], digest_of: Callable[[Iterable[str]], str]) -> Proof:
    """Identify the caller from the settings, without running a command or sending a request."""
    source = _source(settings)
    audience = str(settings.get("web_identity_audience", ""))
    if settings.get("web_identity") == "github":
        parts: tuple[str, ...] = ("github", audience, *[environ.get(name, "") for name in _GITHUB_VARIABLES])
        return Proof(source, digest_of(parts), is_fetched=True)
    if settings.get("web_identity") == "spiffe":
        parts = ("spiffe", audience, str(settings.get("spiffe_id", "")), environ.get(_SPIFFE_VARIABLE, ""))
        return Proof(source, digest_of(parts), is_fetched=True)
    if settings.get("web_identity") == "buildkite" or "web_identity_process" in settings:
        # The command's output may depend on any variable and any file in its folder: both are part of the identity.
        command = [*_words(settings), str(settings.get("web_identity_process_folder", ""))]
        variables = [f"{name}={environ[name]}" for name in sorted(environ)]
        return Proof(source, digest_of(("command", audience, *command, *variables)), is_fetched=True)
    try:
        token = _at_hand(settings, environ)
        speaks_of = _speaks_of(token, source)
    except NoCredentials:
        # The error is raised later, when the token is needed. A plan can be made without the token.
        return Proof(source, digest_of(("none", source)))
    return Proof(source, digest_of(("token", token.reveal())), speaks_of)


async def assume_with_token(step: Step, context: Context) -> Credentials:
    """Issue a session of the role with the current token. Raises NoCredentials if there is no token."""
    return await naming_store(_assume(step, context), step)


async def _assume(step: Step, context: Context) -> Credentials:
    settings, source = step.settings, _source(step.settings)
    token = await _token(step, context)
    speaks_of = _speaks_of(token, source)
    caller = CallerDescription(source, "token", _claims_text(speaks_of), speaks_of)
    check_planned(step, speaks_of, caller)
    role_arn = str(settings["role_arn"])
    call = assume_role_with_web_identity(
        context.client,
        endpoint_of(step, "sts", context.runtime),
        role_arn=role_arn,
        role_session_name=str(settings["role_session_name"]),
        token=token,
        duration_seconds=seconds_of(step),
        policy=str(settings.get("session_policy", "")),
        policy_arns=texts_of(step, "policy_arns"),
    )
    return (await naming_caller(call, step, role_arn, caller)).credentials


async def _token(step: Step, context: Context) -> Secret:
    settings, environ = step.settings, context.runtime.environ
    if settings.get("web_identity") == "github":
        from dsops.stores.github_token import github_token

        return await github_token(context, str(settings.get("web_identity_audience", AUDIENCE)))
    if settings.get("web_identity") == "spiffe":
        return await _jwt_svid(settings, context)
    words = _words(settings)
    if words:
        return await blocking(lambda: _from_command(words, step, context))
    return await blocking(lambda: _at_hand(settings, environ))


async def _jwt_svid(settings: Settings, context: Context) -> Secret:
    """Return a JWT-SVID of the SPIFFE Workload API. Raises NoCredentials if none is issued."""
    from dsops.workload.workload_api import WorkloadApi

    client, audience = context.client, str(settings.get("web_identity_audience", AUDIENCE))
    api = WorkloadApi(context.runtime.environ, total_timeout_ms=client.total_timeout_ms, attempts=client.attempts)
    return await api.fetch_jwt_svid(audience, str(settings.get("spiffe_id", "")))


def _source(settings: Settings) -> str:
    """Return the name of the token's source, for messages."""
    platform = settings.get("web_identity")
    if platform is not None:
        return f"the token from {_PLATFORMS[str(platform)]}"
    if "web_identity_token_file" in settings:
        return f"the token in {settings['web_identity_token_file']}"
    return "the token of `web_identity_process`" if "web_identity_process" in settings else "`web_identity_token`"


def _words(settings: Settings) -> list[str]:
    """Return the command that prints the token; [] for another source."""
    if settings.get("web_identity") == "buildkite":
        # The command is from Buildkite's documentation, "OpenID Connect in Buildkite Pipelines".
        audience = str(settings.get("web_identity_audience", AUDIENCE))
        return ["buildkite-agent", "oidc", "request-token", "--audience", audience]
    argv = settings.get("web_identity_process", ())
    return [word for word in argv if isinstance(word, str)] if isinstance(argv, tuple) else []


def _from_command(words: list[str], step: Step, context: Context) -> Secret:
    def failed(why: str) -> DsopsError:
        hint = "run the program by hand: it must print only the token"
        return NoCredentials(f"could not get {_source(step.settings)}", why=why, hint=hint)

    folder = str(step.settings.get("web_identity_process_folder", ""))
    output = output_of(
        words, folder, context.runtime, _MOST_CHARACTERS + 2, failed, too_much="it prints more than a token"
    )
    return Secret.from_bytes(output.strip())


def _at_hand(settings: Settings, environ: Mapping[str, str]) -> Secret:
    """Return the token from the settings, a variable or a file. Raises NoCredentials."""
    token_setting = settings.get("web_identity_token")
    if isinstance(token_setting, Secret):
        return Secret(token_setting.reveal().strip())
    platform = str(settings.get("web_identity", ""))
    if platform in _VARIABLES:
        for name in _VARIABLES[platform]:
            if environ.get(name):
                return Secret(environ[name].strip())
        _no_variable(platform, _VARIABLES[platform][0])
    path = str(settings.get("web_identity_token_file", ""))
    if platform == "kubernetes":
        path = environ.get(_FILE_VARIABLE, "")
        if not path:
            _no_variable(platform, _FILE_VARIABLE)
        if not os.path.isabs(path):
            hint = "EKS sets an absolute path; for a file of your own, set `web_identity_token_file`"
            raise NoCredentials(
                f"there is no token from Kubernetes: {_FILE_VARIABLE} is not an absolute path", hint=hint
            )
    raw = content(path, 4 * _MOST_CHARACTERS).strip()
    if not raw:
        hint = "check that the file exists, is a regular file, is not empty, and that you can read it"
        raise NoCredentials(f"there is no token in {path}", hint=hint)
    return Secret.from_bytes(raw)


def _no_variable(platform: str, name: str) -> NoReturn:
    message = f"there is no token from {_PLATFORMS[platform]}: {name} is not set"
    raise NoCredentials(message, hint=_MISSING[platform])


def _speaks_of(token: Secret, source: str) -> tuple[str, str, str]:
    """Return the token's issuer, subject and audience, unverified. Raises NoCredentials for other content.

    This ensures that only JSON Web Tokens are sent to AWS. Otherwise a configuration could name any file, and its
    content would be sent.
    """
    text = token.reveal()
    parts = text.split(".")
    claims: object = None
    if len(parts) == 3 and len(text) <= _MOST_CHARACTERS and text.isascii() and text.isprintable() and " " not in text:
        try:
            body = parts[1].translate({ord("-"): "+", ord("_"): "/"})
            claims = json.loads(a2b_base64(body + "=" * (-len(body) % 4)))
        except (Base64Error, ValueError, RecursionError):
            claims = None
    if not isinstance(claims, dict):
        hint = "pass a token of an OpenID Connect provider: three parts with dots between them"
        raise NoCredentials(f"{source} is not a JSON Web Token, so it is not sent to AWS", hint=hint)
    audience = claims.get("aud", "")
    named = audience if isinstance(audience, list) else [audience]
    return _printable(claims.get("iss")), _printable(claims.get("sub")), " ".join(_printable(name) for name in named)


def _printable(claim: object) -> str:
    text = claim if isinstance(claim, str) else ""
    return "".join(character if character.isprintable() else "?" for character in text[:MOST_SHOWN])


def _claims_text(speaks_of: tuple[str, str, str]) -> str:
    issuer, subject, audience = speaks_of
    return f"sub `{subject}`, aud `{audience}`, iss `{issuer}`"
