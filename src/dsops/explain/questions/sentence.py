"""AWS's sentence of a refusal -> what it says of who, what and why; nothing of what it doesn't say.

IAM User Guide, "Troubleshoot access denied error messages"; the policy's ARN since January 2026 (AWS Security Blog);
the authorization id, with a link to the console, in the preview of 2026. Another language or another form is no
sentence that we know, and nothing is concluded from it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, get_args

from dsops.policy import PolicyType

ENDPOINT_POLICY: Final = "VPC endpoint policy"
"""AWS's sentences name it; nothing here evaluates it, for who calls through which endpoint only AWS sees."""
_TYPES: Final = "|".join([*(kind for kind in get_args(PolicyType) if kind != "no policy"), ENDPOINT_POLICY])
_SENTENCE: Final = (
    r"User: (?P<caller>\S+) is not authorized to perform: (?P<action>[A-Za-z0-9-]+:[A-Za-z0-9*]+)"
    r"(?: on resource: (?P<resource>\S+))?"
)
_DENY: Final = rf"with an explicit deny in an? (?P<type>{_TYPES})(?:: (?P<arn>arn:\S+))?"
_ID: Final = r"(?:authorization id: |#/authorization-details/)(?P<id>[0-9a-z]{1,256})(?![0-9A-Za-z])"
_CONSOLES: Final = r"console\.(?:aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)"
_LINK: Final = (
    rf"https://[a-z0-9-]{{1,63}}\.{_CONSOLES}/iam/home\?region=(?P<region>[a-z0-9-]{{1,63}})"
    r"#/authorization-details/[0-9a-z]{1,256}"
)
"""Somebody follows it: a message may come from anywhere, and so may what looks like a link in it."""
_NOTHING_ALLOWS: Final = rf"because no (?P<type>{_TYPES}) allows"


class Said(NamedTuple):
    """What AWS's own words tell; "" for what they leave out."""

    caller: str = ""
    action: str = ""
    resource: str = ""
    policy_type: str = ""
    """As AWS's sentences call it, which are those of `PolicyType`."""
    is_deny: bool = False
    """A statement denies; otherwise nothing allows."""
    policy_arn: str = ""
    """The policy that denies, by its ARN, or as the one is called here that AWS's record names without one."""
    sid: str = ""
    """The statement that does, where AWS's record names one."""
    refusing: tuple[str, ...] = ()
    """All kinds of policies that refuse, where AWS's record says so: no other kind does."""
    authorization_id: str = ""
    """By which AWS's record of the decision is asked for."""
    region: str = ""
    """Where it is asked for."""
    link: str = ""
    """To the same in the console."""


def read_refusal(message: str) -> Said:
    """What the message tells. AWS shortens a long list of resources, and services add sentences of their own."""
    sentence = re.search(_SENTENCE, message)
    said = Said()
    if sentence is not None:
        said = Said(sentence["caller"], sentence["action"], (sentence["resource"] or "").strip('".'))
    said = _with_record(said, message)
    denied = re.search(_DENY, message)
    if denied is not None:
        return said._replace(policy_type=denied["type"], is_deny=True, policy_arn=(denied["arn"] or "").rstrip("."))
    nothing = re.search(_NOTHING_ALLOWS, message)
    return said._replace(policy_type=nothing["type"]) if nothing is not None else said


def _with_record(said: Said, message: str) -> Said:
    """The id of AWS's record, the region that has it, and the link to it."""
    found, link = re.search(_ID, message), re.search(_LINK, message)
    if found is None:
        return said
    said = said._replace(authorization_id=found["id"])
    return said if link is None else said._replace(region=link["region"], link=link[0])
