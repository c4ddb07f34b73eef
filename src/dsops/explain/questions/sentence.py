"""Parses AWS's access denied message: the caller, action, resource and policy in it.

Source: IAM User Guide, "Troubleshoot access denied error messages". Messages contain the policy's ARN since January
2026 (AWS Security Blog). In the preview of 2026 they also contain the authorization id and a link to the console. A
message in another language or form is not parsed.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, get_args

from dsops.policy import PolicyType

ENDPOINT_POLICY: Final = "VPC endpoint policy"
"""The name of VPC endpoint policies in AWS's messages.

dsops does not evaluate these policies, because only AWS knows through which endpoint the call came.
"""
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
"""The pattern of the links that dsops shows.

All other links are hidden: an attacker may have written the message, and users follow links.
"""
_NOTHING_ALLOWS: Final = rf"because no (?P<type>{_TYPES}) allows"


class RefusalMessage(NamedTuple):
    """The facts in an error message; a fact that the message lacks is ""."""

    caller: str = ""
    action: str = ""
    resource: str = ""
    policy_type: str = ""
    """The policy type in the words of AWS's messages, which are also the values of `PolicyType`."""
    is_deny: bool = False
    """Whether a statement denies the call. If False, no statement allows it."""
    policy_arn: str = ""
    """The ARN of the denying policy. If AWS's record contains no ARN, it is a name that dsops gives the policy."""
    sid: str = ""
    """The Sid of the denying statement, if AWS's record has it."""
    refusing: tuple[str, ...] = ()
    """All policy types that refuse the call, if AWS's record lists them. Types that are not listed do not refuse it."""
    authorization_id: str = ""
    """The id of AWS's record of the decision."""
    region: str = ""
    """The region that has the record."""
    link: str = ""
    """The link to the record in the AWS console."""


def one_line(text: str) -> str:
    """Return a program's output on one line, without the frame that Terraform draws beside its errors."""
    return " ".join(text.replace("\u2502", " ").split())


def read_refusal(message: str) -> RefusalMessage:
    """Parse a message. AWS shortens long lists of resources, and services add sentences of their own."""
    sentence = re.search(_SENTENCE, message)
    refusal = RefusalMessage()
    if sentence is not None:
        refusal = RefusalMessage(sentence["caller"], sentence["action"], (sentence["resource"] or "").strip('".'))
    refusal = _with_record(refusal, message)
    denied = re.search(_DENY, message)
    if denied is not None:
        return refusal._replace(policy_type=denied["type"], is_deny=True, policy_arn=(denied["arn"] or "").rstrip("."))
    nothing = re.search(_NOTHING_ALLOWS, message)
    return refusal._replace(policy_type=nothing["type"]) if nothing is not None else refusal


def _with_record(refusal: RefusalMessage, message: str) -> RefusalMessage:
    """Add the record's id, its region, and the link to it."""
    record_id, link = re.search(_ID, message), re.search(_LINK, message)
    if record_id is None:
        return refusal
    refusal = refusal._replace(authorization_id=record_id["id"])
    return refusal if link is None else refusal._replace(region=link["region"], link=link[0])
