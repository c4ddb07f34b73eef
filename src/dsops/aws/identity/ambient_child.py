"""The base credentials of a profile, a container or an instance, found by botocore; runs as a process of its own.

`ambient.py` starts it with exactly the client's environment and folder: botocore reads both, and keeps what it read.
One JSON object goes out on the standard output of the process; everything else that prints goes to standard error.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from typing import Any, NoReturn

from dsops.dumps import leave_no_core_dump
from dsops.errors import MfaRequired

leave_no_core_dump()  # the environment alone may hold keys


def _refuse_to_ask(prompt: str = "", _stream: object = None) -> NoReturn:
    raise MfaRequired(prompt)


# botocore takes this function as a default argument when it is imported. Nobody could answer: the terminal belongs to
# the client, and a code that is typed here would be asked for again by the next run.
getpass.getpass = _refuse_to_ask  # type: ignore[assignment]

from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402
from botocore.session import Session  # noqa: E402


def main(profile: str) -> None:
    """Answers on standard output: the parts of the credentials, or the name and text of what went wrong."""
    answer_descriptor = os.dup(1)
    # credential_process and plugins may print; they shall not print into the answer.
    os.dup2(2, 1)
    with os.fdopen(answer_descriptor, "w", encoding="utf-8") as stream:
        json.dump(find(profile), stream)


def find(profile: str) -> dict[str, Any]:
    """The answer as a dict. Any: it is JSON, which the parent checks part by part."""
    session = Session(profile=profile or None)
    try:
        if session.get_config_variable("region") is None:
            # botocore knows AWS_DEFAULT_REGION only. A role that a profile names needs some region of STS.
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
    # Refreshable credentials have an expiry and no public name for it; this one has been the same since 2013.
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
"""What a profile may say of its source that tells it from another one; nothing that is secret."""


def _settings(session: Session) -> dict[str, Any]:
    """What the files say of the profile that counts. Any: nested sections are dicts."""
    name = session.get_config_variable("profile") or "default"
    settings: dict[str, Any] = session.full_config["profiles"].get(name, {})
    return settings


def _told(session: Session, profile: str) -> dict[str, str]:
    settings = _settings(session)
    told = {name: settings[name] for name in _TOLD if isinstance(settings.get(name), str)}
    if not profile and os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        # botocore asks the variable before the profile; it counts where a web identity token was taken at all.
        told["is_of_environment"] = "web identity"
    return told


def _profiles(session: Session) -> list[str]:
    return [str(name) for name in session.available_profiles]


if __name__ == "__main__":
    main(sys.argv[1])
