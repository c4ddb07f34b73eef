"""Find the base credentials of a profile, container or instance with botocore, in a separate process.

`ambient.py` starts the process with exactly the client's environment variables and working directory, because
botocore reads both and caches them. The process writes one JSON object to standard output; other output is redirected
to standard error.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from typing import Any, NoReturn

from dsops.dumps import leave_no_core_dump
from dsops.errors import MfaRequired

leave_no_core_dump()  # called first, because the environment may already contain keys


def _refuse_to_ask(prompt: str = "", _stream: object = None) -> NoReturn:
    raise MfaRequired(prompt)


# This is set before botocore is imported, because botocore stores the function as a default argument. A prompt would
# hang, because the client uses the terminal, and the next run would ask for the code again.
getpass.getpass = _refuse_to_ask  # type: ignore[assignment]

from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402
from botocore.session import Session  # noqa: E402


def main(profile: str) -> None:
    """Write the answer to standard output: the credentials, or the class and message of the error."""
    answer_descriptor = os.dup(1)
    # credential_process and plugins may print, and their output must not mix with the answer.
    os.dup2(2, 1)
    with os.fdopen(answer_descriptor, "w", encoding="utf-8") as stream:
        json.dump(find(profile), stream)


def find(profile: str) -> dict[str, Any]:
    """Find the credentials and return the answer as JSON.

    The type is Any because the parent process checks its members.
    """
    session = Session(profile=profile or None)
    try:
        if session.get_config_variable("region") is None:
            # botocore reads only AWS_DEFAULT_REGION, and a profile with a role needs some region for STS.
            session.set_config_variable("region", os.environ.get("AWS_REGION") or "us-east-1")
        credentials = session.get_credentials()
        if credentials is None:
            return {"error": "NoCredentials", "message": "", "keys": sorted(_settings(session))}
        frozen = credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError, MfaRequired, RuntimeError, OSError, ValueError) as error:
        return {
            "error": type(error).__name__,
            "message": str(error),
            "profiles": _profiles(session) if type(error).__name__ == "ProfileNotFound" else [],
        }
    # botocore has no public name for the expiry of refreshable credentials. This name has not changed since 2013.
    expiration = getattr(credentials, "_expiry_time", None)
    return {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "session_token": frozen.token,
        "expiration": expiration.isoformat() if expiration is not None else None,
        "method": credentials.method,
        "told": _told(session, profile),
    }


_TOLD = ("source_profile", "credential_source", "sso_session")
"""Settings that identify a profile's source. None of them is secret."""


def _settings(session: Session) -> dict[str, Any]:
    """Return the chosen profile's settings from both files. The type is Any because nested sections are dicts."""
    name = session.get_config_variable("profile") or "default"
    settings: dict[str, Any] = session.full_config["profiles"].get(name, {})
    return settings


def _told(session: Session, profile: str) -> dict[str, str]:
    settings = _settings(session)
    source_settings = {name: settings[name] for name in _TOLD if isinstance(settings.get(name), str)}
    if not profile and os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        # botocore prefers the environment variable to the profile, so the web identity token came from the variable.
        source_settings["is_of_environment"] = "web identity"
    return source_settings


def _profiles(session: Session) -> list[str]:
    return [str(name) for name in session.available_profiles]


if __name__ == "__main__":
    main(sys.argv[1])
