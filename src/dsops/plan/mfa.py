"""Share MFA codes between roles.

An MFA code works only once. So all roles that name the same device use one GetSessionToken session. Only a user's
long-term key can call GetSessionToken. A role that is assumed with this session is a chained role, which is limited to
one hour. So a role with a longer duration uses a code of its own. The roles of AWS profiles have `mfa_session: true`,
so they always use the shared session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dsops.errors import LimitExceeded
from dsops.plan.draft import Draft
from dsops.plan.drafts import Drafts
from dsops.plan.findings import PlanFindings
from dsops.schema import CHAINED_SECONDS
from dsops.secret import Secret

_CODE_KEYS = ("token_code", "mfa_process", "mfa_process_folder", "token_code_variable")

SERVES = "serves"
"""The setting of a shared MFA session that lists, for messages, the roles that use the session."""

_Group = tuple[str, str, str, str]
"""The values that are equal for all roles of a group: serial number, credential store, profile, endpoint."""


LASTING_SECONDS = 12 * 3600
"""The default duration of a user's GetSessionToken session: one code lasts a working day."""


def share_mfa_sessions(
    drafts: Drafts, session_of: Callable[[Draft], str], findings: PlanFindings, *, lasts: bool = False
) -> None:
    """Add a GetSessionToken session for each device that several roles name.

    A fixed code that would be needed twice is reported as a problem.

    - `session_of` returns a store's fingerprint: stores with the same session need only one code.
    - `lasts`: sessions are renewed when no user can enter a code. So even a single role gets a shared session, which
      lasts for hours.

    A single role also gets a shared session if roles of other plans could use it. The agent then prompts only once.
    """
    groups: dict[_Group, dict[str, list[Draft]]] = {}
    for draft in drafts.by_name.values():
        if _can_share(draft, drafts):
            same_session = groups.setdefault(_group(draft), {})
            same_session.setdefault(session_of(draft), []).append(draft)
    shared: dict[str, Draft] = {}
    for group, sessions in groups.items():
        members = [draft for same in sessions.values() for draft in same]
        others = _others(group, members, drafts)
        is_wanted = any(member.settings.get("mfa_session") is True for member in members)
        if len(sessions) > 1 or others or lasts or is_wanted:
            seconds = LASTING_SECONDS if lasts or is_wanted else max([*map(_seconds, members), *others])
            session = _session_before(members, _free_name(_serial(members[0]), shared), seconds)
            shared[session.name] = session
            if not is_wanted:
                names = ", ".join(f"`{member.name}`" for member in members)
                why = f"for {LASTING_SECONDS // 3600} hours" if lasts else "a code works once"
                more = f" and {len(others)} more of the configuration" if others else ""
                findings.notes.append(f"one MFA session of {_serial(session)} serves {names}{more}: {why}")
    # The order is: long-term keys, then the MFA sessions requested with them, then the steps that use these sessions.
    keys = {name: draft for name, draft in drafts.by_name.items() if draft.type.gives_long_term}
    drafts.by_name = {**keys, **shared, **drafts.by_name}
    _check_fixed_codes(drafts, session_of, findings)
    _note_sessions_without_device(drafts, findings)


def _can_share(draft: Draft, drafts: Drafts) -> bool:
    seconds = draft.settings.get("duration_seconds")
    return (
        draft.is_role
        and "serial_number" in draft.settings
        and draft.settings.get("mfa_session") is not False
        and _starts_from_own_key(draft, drafts)
        and isinstance(seconds, int)
        and (seconds <= CHAINED_SECONDS or draft.settings.get("mfa_session") is True)
    )


def _starts_from_own_key(draft: Draft, drafts: Drafts) -> bool:
    """Whether a long-term key signs the draft's call, or may sign it.

    The key may come from environment variables, a profile or a store.
    """
    source = drafts.by_name.get(draft.credentials_from)
    if source is not None:
        return source.type.gives_long_term
    return not draft.credentials_from and drafts.ambient_of(draft.profile).is_temporary is not True


def _group(draft: Draft) -> _Group:
    return _serial(draft), draft.credentials_from, draft.profile, str(draft.settings.get("endpoint_url", ""))


def _others(group: _Group, members: list[Draft], drafts: Drafts) -> list[int]:
    """Return the durations of roles outside this plan that could use the same shared session."""
    durations, roles = list[int](), [str(member.settings["role_arn"]) for member in members]
    for texts in drafts.texts_of_others(members[0].type.name):
        named = tuple([texts.get(key, "") for key in ("serial_number", "credentials_from", "profile", "endpoint_url")])
        seconds = texts.get("duration_seconds", str(CHAINED_SECONDS))
        wish = texts.get("mfa_session", "").strip().lower()
        is_another = texts.get("role_arn", "") not in ("", *roles)
        shares = wish not in ("false", "no", "off") and re.fullmatch(r"[0-9]{1,5}", seconds)
        if named == group and is_another and shares and int(seconds) <= CHAINED_SECONDS:
            durations.append(LASTING_SECONDS if wish in ("true", "yes", "on") else int(seconds))
    return durations


def _serial(draft: Draft) -> str:
    return str(draft.settings.get("serial_number", ""))


def _free_name(serial_number: str, shared: Mapping[str, Draft]) -> str:
    """Return a name for the MFA session that is unique in the plan.

    The serial number alone is not unique: two profiles with the same MFA device have separate sessions.
    """
    name = f"MFA session of {serial_number}"
    return name if name not in shared else f"{name} ({len(shared) + 1})"


def _session_before(members: list[Draft], name: str, seconds: int) -> Draft:
    """Return a new session that these roles share, and make the roles use it."""
    first = members[0]
    session = Draft(name, first.type, first.place, first.where)
    session.region, session.profile, session.credentials_from = first.region, first.profile, first.credentials_from
    session.operation = "GetSessionToken"
    session.settings["serial_number"] = _serial(first)
    session.settings[SERVES] = ", ".join(f"`{member.name}`" for member in members)
    session.settings["duration_seconds"] = seconds
    for key in (*_CODE_KEYS, "endpoint_url", "timeout_ms"):
        setting = next((member.settings[key] for member in members if key in member.settings), None)
        if setting is not None:
            session.settings[key] = setting
    session.identity = dict(session.settings)
    for member in members:
        member.credentials_from, member.profile = session.name, ""
        member.settings["mfa_session"] = True
        for settings in (member.settings, member.identity):
            for key in ("serial_number", *_CODE_KEYS):
                settings.pop(key, None)
    return session


def _seconds(draft: Draft) -> int:
    seconds = draft.settings.get("duration_seconds")
    return seconds if isinstance(seconds, int) else CHAINED_SECONDS


def _check_fixed_codes(drafts: Drafts, session_of: Callable[[Draft], str], findings: PlanFindings) -> None:
    users: dict[tuple[str, str], dict[str, Draft]] = {}
    for draft in drafts.by_name.values():
        code = draft.settings.get("token_code")
        if isinstance(code, Secret):
            users.setdefault((_serial(draft), code.reveal()), {}).setdefault(session_of(draft), draft)
    for sessions in users.values():
        first, *others = sessions.values()
        for other in others:
            findings.add(
                LimitExceeded,
                other.place.where("token_code"),
                other.place.path_of("token_code"),
                f"the same code would be sent for `{first.name}` and `{other.name}`, and AWS takes it once",
                "leave out `token_code` to be asked for each, set `mfa_process`, or let sessions of at most "
                "3600 seconds start from a user's own key: they share one code",
            )


def _note_sessions_without_device(drafts: Drafts, findings: PlanFindings) -> None:
    for draft in drafts.by_name.values():
        source = drafts.by_name.get(draft.credentials_from)
        if "serial_number" in draft.settings and source is not None and not source.type.gives_long_term:
            findings.notes.append(
                f"store `{draft.name}` sends an MFA code as the session of `{source.name}`, and AWS checks a "
                "code for the IAM user who calls: a session has no device"
            )
