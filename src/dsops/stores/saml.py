"""Exchange a SAML response for a role's session: get the response, and choose one of its roles.

A response is valid for only five minutes. Therefore it is obtained when a session is needed, and only the session is
cached. If the response is in a file, planning reads it to tell the sessions of different subjects apart. Planning runs
no command and opens no browser.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from dsops.arn import parse_arn, partition_of_region
from dsops.aws.apis.sts import assume_role_with_saml
from dsops.aws.identity.ambient_files import content
from dsops.credentials import Credentials
from dsops.errors import DsopsError, NoCredentials, RoleNotOffered, nearest
from dsops.plan import Proof, Settings, Step
from dsops.runtime import Choice
from dsops.stores.command import output_of
from dsops.stores.endpoints import endpoint_of
from dsops.stores.fields import seconds_of, texts_of
from dsops.stores.interface import Context
from dsops.stores.proof import CallerDescription, check_planned, naming_caller, naming_store
from dsops.stores.saml_login import DEFAULT_PORT, log_in
from dsops.stores.saml_response import MOST_CHARACTERS, RoleOffer, SamlResponse, read_response
from dsops.tasks import blocking

_MOST_LISTED: Final = 20
_BROWSER_VARIABLES: Final = ("HOME", "USERPROFILE", "XDG_CONFIG_HOME")
"""The environment variables that determine the browser profile."""

_ASKED: Final = 3


def identify(settings: Settings, environ: Mapping[str, str], digest_of: Callable[[Iterable[str]], str]) -> Proof:
    """Identify the caller from the settings, without running a command or opening a browser."""
    source = _source(settings)
    if "saml_login_url" in settings:
        # The user is known only after the login, so until `agent clear` the home folder stands for the user. Another
        # home folder has another browser profile, which may have another login at the provider. BROWSER is left out,
        # because an editor's terminal sets another value.
        browser = [f"{name}={environ.get(name, '')}" for name in _BROWSER_VARIABLES]
        return Proof(source, digest_of(("saml login", str(settings["saml_login_url"]), *browser)), is_fetched=True)
    if "saml_process" in settings:
        # The command may read any variable and any file in its folder, so both are part of the identity.
        command = [*_words(settings), str(settings.get("saml_process_folder", ""))]
        variables = [f"{name}={environ[name]}" for name in sorted(environ)]
        return Proof(source, digest_of(("saml command", *command, *variables)), is_fetched=True)
    try:
        response = _from_file(settings)
    except NoCredentials:
        # The error is raised later, when the response is needed. A plan can be made without the response.
        return Proof(source, digest_of(("no assertion", source)))
    return Proof(source, digest_of(("assertion", response.encoded.reveal())), response.speaks_of)


def assertion_at_hand(settings: Settings) -> SamlResponse | None:
    """Return the response from the file that the settings name.

    Returns None if the file does not exist or the response comes from another source.
    """
    if "saml_assertion_file" not in settings:
        return None
    try:
        return _from_file(settings)
    except NoCredentials:
        return None


async def assume_with_assertion(step: Step, context: Context) -> Credentials:
    """Issue a session of the role that the store names, or else of a role that the response offers.

    Raises NoCredentials, RoleNotOffered.
    """
    return await naming_store(_assume(step, context), step)


async def _assume(step: Step, context: Context) -> Credentials:
    settings = step.settings
    response = await _response(step, context)
    caller = CallerDescription(_source(settings), "assertion", _response_text(response), response.speaks_of)
    check_planned(step, response.speaks_of, caller)
    offer = await _choose(step, context, response)
    call = assume_role_with_saml(
        context.client,
        endpoint_of(step, "sts", context.runtime),
        role_arn=offer.role_arn,
        principal_arn=offer.principal_arn,
        assertion=response.encoded,
        duration_seconds=seconds_of(step),
        policy=str(settings.get("session_policy", "")),
        policy_arns=texts_of(step, "policy_arns"),
    )
    return (await naming_caller(call, step, offer.role_arn, caller)).credentials


async def _response(step: Step, context: Context) -> SamlResponse:
    settings, source = step.settings, _source(step.settings)
    if "saml_login_url" in settings:
        url, port = str(settings["saml_login_url"]), settings.get("saml_login_port", DEFAULT_PORT)
        number = port if isinstance(port, int) else DEFAULT_PORT
        return await blocking(partial(log_in, url, number, step.name, context.runtime))
    if "saml_process" in settings:
        output = await blocking(partial(_from_command, step, context))
        return read_response(output, source)
    return await blocking(partial(_from_file, settings))


async def _choose(step: Step, context: Context, response: SamlResponse) -> RoleOffer:
    """Return the role that the settings select from the response; prompt the user if several match.

    Raises RoleNotOffered if none matches.
    """
    role_arn, principal_arn = (str(step.settings.get(name, "")) for name in ("role_arn", "principal_arn"))
    if role_arn and principal_arn:
        return RoleOffer(role_arn, principal_arn)
    partition = partition_of_region(step.region).name
    offers = [
        offer
        for offer in response.roles
        if role_arn in ("", offer.role_arn)
        and principal_arn in ("", offer.principal_arn)
        and (role_arn or _partition(offer) == partition)
    ]
    if len(offers) == 1:
        return offers[0]
    if not offers:
        raise _not_offered(step, response, role_arn, principal_arn)
    return await _ask(step, context, response, offers)


async def _ask(step: Step, context: Context, response: SamlResponse, offers: list[RoleOffer]) -> RoleOffer:
    """Let the user choose a role from a list at the terminal.

    Without such a list, the user enters the role's number in a window or in the agent's client.
    """
    choices = {Choice(offer.role_arn, offer.principal_arn): offer for offer in offers}
    chosen = await blocking(partial(context.runtime.choose, f"role of store `{step.name}`", tuple(choices)))
    if chosen is not None:
        return choices[chosen]
    listed = "\n".join(f"  {number}  {offer.role_arn}" for number, offer in enumerate(offers[:_MOST_LISTED], 1))
    question = f"{_source(step.settings)} gives these roles:\n{listed}\nwhich of them is store `{step.name}`? "
    for _ in range(_ASKED):
        answer = await blocking(partial(context.runtime.ask, question))
        if answer is None:
            break
        number = answer.reveal().strip()
        if number.isascii() and number.isdigit() and 0 < int(number) <= len(offers[:_MOST_LISTED]):
            return offers[int(number) - 1]
        question = f"a number from 1 to {len(offers[:_MOST_LISTED])}: "
    raise RoleNotOffered(
        f"{_source(step.settings)} offers {len(offers)} roles, and the store does not set `role_arn`",
        why=_list(response),
        hint=f"add one of them to the store, such as `role_arn: {offers[0].role_arn}`",
    )


def _not_offered(step: Step, response: SamlResponse, role_arn: str, principal_arn: str) -> RoleNotOffered:
    source = _source(step.settings)
    if response.is_encrypted and not response.roles:
        return RoleNotOffered(
            f"{source} is encrypted, so dsops can't read which roles it offers",
            hint="set both `role_arn` and `principal_arn` on the store",
        )
    if not response.roles:
        return RoleNotOffered(
            f"{source} offers no AWS role",
            why="it has no attribute https://aws.amazon.com/SAML/Attributes/Role with a role and a provider",
            hint="ask the identity provider's administrator to assign the AWS application and a role to you",
        )
    role_text = role_arn or principal_arn or f"a role of the partition {partition_of_region(step.region).name}"
    near = nearest(role_arn, [offer.role_arn for offer in response.roles]) if role_arn else ""
    return RoleNotOffered(
        f"{source} does not offer {role_text}",
        why=_list(response),
        hint=f"did you mean `{near}`?"
        if near
        else "use one of the offered roles, or ask for this role to be assigned to you",
    )


def _list(response: SamlResponse) -> str:
    more = f" and {len(response.roles) - _MOST_LISTED} more" if len(response.roles) > _MOST_LISTED else ""
    return f"it gives {', '.join(offer.role_arn for offer in response.roles[:_MOST_LISTED])}{more}"


def _partition(offer: RoleOffer) -> str:
    arn = parse_arn(offer.role_arn)
    return arn.partition if arn else ""


def _source(settings: Settings) -> str:
    """Return the name of the response's source, for messages."""
    if "saml_login_url" in settings:
        return f"the login at {str(settings['saml_login_url']).partition('?')[0]}"
    if "saml_process" in settings:
        return "the assertion of `saml_process`"
    return f"the assertion in {settings.get('saml_assertion_file', '')}"


def _words(settings: Settings) -> list[str]:
    argv = settings.get("saml_process", ())
    return [word for word in argv if isinstance(word, str)] if isinstance(argv, tuple) else []


def _from_command(step: Step, context: Context) -> bytes:
    def failed(why: str) -> DsopsError:
        hint = "run the program by hand: it must print only the SAML response"
        return NoCredentials(f"could not get {_source(step.settings)}", why=why, hint=hint)

    folder = str(step.settings.get("saml_process_folder", ""))
    most = MOST_CHARACTERS + MOST_CHARACTERS // 50  # base64 with a line break after every 64 characters
    return output_of(
        _words(step.settings), folder, context.runtime, most, failed, too_much="it prints more than a response"
    )


def _from_file(settings: Settings) -> SamlResponse:
    path = str(settings.get("saml_assertion_file", ""))
    raw = content(path, 4 * MOST_CHARACTERS)  # base64 with white space, or XML
    if not raw.strip():
        hint = "check that the file exists, is a regular file, is not empty, and that you can read it"
        raise NoCredentials(f"there is no SAML response in {os.fspath(path)}", hint=hint)
    return read_response(raw, _source(settings))


def _response_text(response: SamlResponse) -> str:
    issuer, subject, recipient = response.speaks_of
    return f"`{subject}`, by `{issuer}`, for `{recipient}`"
