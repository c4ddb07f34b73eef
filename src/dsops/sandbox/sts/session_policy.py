"""Session policies and session tags in a request for a session, and their share of the session token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from dsops.arn import parse_arn
from dsops.document import parse_json
from dsops.errors import SandboxRefusal
from dsops.policy import check_policy, lower_case
from dsops.request.question import Tags
from dsops.request.wire.errors import invalid_parameter, malformed_policy, refusal, validation
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.state.sessions import MAX_TOKEN, PolicyLayer, Session, session_token_size
from dsops.sandbox.state.world import World

_MAX_MANAGED = 10
_POLICY_CHARACTERS = 2048
# AWS does not document how it packs tags; this limit is the sandbox's own.
_TAG_CHARACTERS = 1024


class PassedTags(NamedTuple):
    """Session tags of a new session: those in the request, and those inherited from the caller's session."""

    passed: Tags
    inherited: Tags
    """The transitive tags of the caller's session."""
    transitive_keys: tuple[str, ...]
    """Keys of the tags, in the request or inherited, that the new session passes on to further sessions."""

    @property
    def all(self) -> Tags:
        """All tags of the new session."""
        return (*self.passed, *self.inherited)


def read_policies(turn: AuthenticatedRequest, world: World, account: str) -> PolicyLayer | None:
    """Return the session policies in the request. Managed policies must be the account's own or AWS's.

    Raises SandboxRefusal if AWS would refuse the request.
    """
    if "Policy" not in turn.parameters and not turn.parameters.get("PolicyArns"):
        return None
    inline = turn.text("Policy")
    if len(inline) > _POLICY_CHARACTERS:
        raise _too_large(len(inline))
    if inline:
        checked = check_policy(parse_json(inline, "policy"), "session", name="policy")
        if checked.policy is None:
            raise malformed_policy(checked.aws_message)
    entries = cast("Sequence[Mapping[str, str]]", turn.parameters.get("PolicyArns", ()))
    arns = tuple(entry.get("arn", "") for entry in entries)
    if len(arns) > _MAX_MANAGED:
        raise validation(
            "1 validation error detected: Value '[...]' at 'policyArns' failed to satisfy constraint: "
            "Member must have length less than or equal to 10"
        )
    for arn in arns:
        if parse_arn(arn) is None:
            raise validation(f"{arn} is invalid")
        if world.managed_policy(account, arn) is None:
            raise invalid_parameter(f"The specified managed policy {arn} does not exist in the account {account}.")
    return PolicyLayer(inline, arns)


def read_tags(turn: AuthenticatedRequest) -> PassedTags:
    """Return the session tags in the request and those inherited. Raises SandboxRefusal for an invalid tag."""
    inherited = _inherited(turn.caller.session)
    if not inherited and turn.parameters.keys().isdisjoint({"Tags", "TransitiveTagKeys"}):
        return PassedTags((), (), ())
    entries = cast("Sequence[Mapping[str, str]]", turn.parameters.get("Tags", ()))
    passed = tuple((entry.get("Key", ""), entry.get("Value", "")) for entry in entries)
    transitive_keys = cast("Sequence[str]", turn.parameters.get("TransitiveTagKeys", ()))
    keys = [lower_case(key) for key, _ in passed]
    if len(set(keys)) < len(keys):
        raise invalid_parameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.startswith("aws:") for key in keys):
        raise invalid_parameter("Tag keys that begin with aws: are reserved.")
    if not {lower_case(key) for key in transitive_keys} <= set(keys):
        raise invalid_parameter("The specified transitive tag key must be included in the requested tags.")
    if {lower_case(key) for key, _ in inherited} & set(keys):
        raise invalid_parameter(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
            "from the calling session."
        )
    return PassedTags(passed, inherited, (*transitive_keys, *(key for key, _ in inherited)))


def packed_size(layer: PolicyLayer | None, tags: Tags) -> int | None:
    """Return the percentage of the size limit that policies and tags use; None if there are none.

    Raises PackedPolicyTooLarge if it is above 100.
    """
    if layer is None and not tags:
        return None
    policy = 0 if layer is None else len(layer.inline) + sum(len(arn) for arn in layer.managed_arns)
    if policy > _POLICY_CHARACTERS:
        raise _too_large(policy)
    policy_share = -(-100 * policy // _POLICY_CHARACTERS)
    tag_share = -(-100 * sum(len(key) + len(value) for key, value in tags) // _TAG_CHARACTERS)
    if tag_share > 100:
        raise refusal("PackedPolicyTooLarge", f"Packed size of session tags consumes {tag_share}% of allotted space.")
    return max(policy_share, tag_share, 1)


def check_token_size(session: Session) -> None:
    """Raise PackedPolicyTooLarge if the session's policies and tags would not fit into its token."""
    size = session_token_size(session)
    if size > MAX_TOKEN:
        raise refusal(
            "PackedPolicyTooLarge", f"The session token would have {size} bytes, and the maximum is {MAX_TOKEN} bytes."
        )


def _too_large(characters: int) -> SandboxRefusal:
    share = -(-100 * characters // _POLICY_CHARACTERS)
    return refusal("PackedPolicyTooLarge", f"Packed policy consumes {share}% of allotted space")


def _inherited(session: Session | None) -> Tags:
    if session is None or not session.transitive_keys:
        return ()
    carried = {lower_case(key) for key in session.transitive_keys}
    return tuple((key, value) for key, value in session.tags if lower_case(key) in carried)
