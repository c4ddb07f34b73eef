"""A login to IAM Identity Center that no file contains yet: ask for its data, and add it to ~/.aws/config."""

from __future__ import annotations

import os
from collections.abc import Callable

from dsops.aws.http.advice import known_regions
from dsops.aws.identity.ambient_files import config_file, content
from dsops.aws.identity.sso_session import (
    ACCOUNT_ACCESS,
    SsoSession,
    is_same_url,
    named_sessions,
    region_problem,
    start_url_problem,
)
from dsops.aws_config.profiles import SourceText
from dsops.aws_config.sso_section import section_lines, session_name, with_section
from dsops.cli.framework.command import Arguments, Flag
from dsops.cli.framework.file_writing import refuse_empty_file, replace_file
from dsops.cli.framework.output import note, say, tell
from dsops.cli.framework.prompt import ask_text
from dsops.cli.login.requested_login import START_URL
from dsops.config.file_lock import locked
from dsops.errors import UsageError, nearest
from dsops.runtime import Runtime
from dsops.stores.login_groups import RequestedLogin, login_without_store
from dsops.text import clean
from dsops.user_folders import shown_path

SSO_REGION = Flag(
    "--sso-region",
    "the region of the Identity Center instance, for a start URL that ~/.aws/config does not have",
    value="REGION",
    own_variable="DSOPS_LOGIN_SSO_REGION",
)
YES = Flag(
    "--yes", "accept a region that dsops does not know, such as a new region", "switch", own_variable="DSOPS_LOGIN_YES"
)
_BACKUP = ".before-dsops"
_MOST_TRIES = 3


def ask_for_login(arguments: Arguments, runtime: Runtime) -> RequestedLogin:
    """Return a login made from the flags or from the user's answers on the terminal; show what will be written.

    Raises UsageError for an invalid value, and without a terminal.
    """
    refuse_empty_file(config_file(runtime.environ, runtime.folder))
    region = runtime.environ.get("AWS_REGION") or runtime.environ.get("AWS_DEFAULT_REGION", "")
    url = arguments.text(START_URL.name) or _asked("Start URL of the access portal: ", start_url_problem)
    _check(START_URL.name, url, start_url_problem)
    region = arguments.text(SSO_REGION.name) or _asked(
        f"Region of the Identity Center instance{f' [{region}]' if region else ''}: ", region_problem, region, _doubt
    )
    _check(SSO_REGION.name, region, region_problem)
    if arguments.text(SSO_REGION.name) and not arguments.switch(YES.name) and (doubt := _doubt(region)):
        hint = f"correct it, or add `{YES.name}` if AWS has a new region of that name"
        raise UsageError(f"`{SSO_REGION.name}`: `{clean(region)}` is not {doubt}", hint=hint)
    taken = {session.name for session in named_sessions(runtime.environ, runtime.folder)}
    session = SsoSession(session_name(url, taken), url, region, (ACCOUNT_ACCESS,))
    shown = shown_path(config_file(runtime.environ, runtime.folder), runtime.environ)
    say(f"dsops: after the login, this is added to {clean(shown)}, which the AWS CLI and SDKs read, too:")
    for line in _lines(session):
        tell(f"  {clean(line)}")
    return login_without_store(session)


def _doubt(region: str) -> str:
    """Return the suggestion for a region that is probably misspelled, and "" for other regions.

    The names of new regions consist of known words (`eu-north-2`), so only a name with an unknown word counts as
    misspelled.
    """
    known = known_regions()
    words = {word for name in known for word in name.split("-")[:-1]}
    *parts, number = region.split("-")
    if not known or region in known or (len(parts) > 1 and number.isdigit() and words.issuperset(parts)):
        return ""
    meant = nearest(region, known)
    return f"a region that dsops knows: {f'did you mean `{meant}`?' if meant else 'they are named like us-east-1'}"


def _asked(
    question: str, problem: Callable[[str], str], default: str = "", doubt: Callable[[str], str] = lambda _: ""
) -> str:
    """Ask until the answer has no problem.

    An answer about which `doubt` has a suggestion is accepted if the user enters it again.
    """
    doubted = ""
    for _ in range(_MOST_TRIES):
        typed = ask_text(question)
        if typed is None:
            raise UsageError(
                "no login is known, and there is no terminal to ask on",
                why="neither a store of the type aws.sso nor ~/.aws/config names a start URL",
                hint="dsops login --start-url https://d-1234567890.awsapps.com/start --sso-region us-east-1",
            )
        text = typed or default
        why = problem(text) or (text != doubted and doubt(text))
        if not why:
            return text
        doubted = "" if problem(text) else text
        say(f"dsops: `{clean(text)}` is not {why}{' Enter it again to use it.' if doubted else ''}")
    raise UsageError(
        "no valid start URL and region were entered", hint="ask the administrator of IAM Identity Center for both"
    )


def _check(flag: str, value: str, problem: Callable[[str], str]) -> None:
    if problem(value):
        hint = "dsops login --start-url https://d-1234567890.awsapps.com/start --sso-region us-east-1"
        raise UsageError(f"`{flag}` takes {problem(value)}, not `{clean(value)}`", hint=hint)


def _lines(session: SsoSession) -> tuple[str, ...]:
    return section_lines(session.name, session.start_url, session.region, session.scopes)


def add_to_aws_config(session: SsoSession, runtime: Runtime) -> None:
    """Add the session to the AWS config file, unless the file has it. Raises FileNotWritten and ConfigUnreadable."""
    path = config_file(runtime.environ, runtime.folder)
    with locked(path):
        if any(
            known.name == session.name and is_same_url(known.start_url, session.start_url)
            for known in named_sessions(runtime.environ, runtime.folder)
        ):
            return  # another `dsops login` has just added the section
        old = content(path) if os.path.lexists(path) else None
        text = (old or b"").decode("utf-8", "surrogateescape")
        shown = shown_path(path, runtime.environ)
        new = with_section(SourceText(text=text, shown=shown), _lines(session))
        kept = replace_file(path, old, new.encode("utf-8", "surrogateescape"), _BACKUP)
    saved = f"; the old file is saved as {shown_path(kept, runtime.environ)}" if kept else ""
    note(f"added [sso-session {session.name}] to {shown}{saved}")
