"""AWS STS: AssumeRole and its kin, in AWS's order of checks and with AWS's words.

https://docs.aws.amazon.com/STS/latest/APIReference/. The texts and the order were measured on live AWS in July 2026
where they could be: the schema before the role, the role before the durations, MaxSessionDuration before the limit of
chaining, and no difference between a role that refuses and one that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from dsops.arn import parse_arn
from dsops.iam.evaluate import Principal
from dsops.sandbox import identifiers, totp
from dsops.sandbox.answers import Moment, Value
from dsops.sandbox.authorize import Judge, Question, denied
from dsops.sandbox.backends import PolicyText
from dsops.sandbox.caller import Caller, overlay
from dsops.sandbox.context import Context, request_tags, source_ip, tag_keys
from dsops.sandbox.messages import Messages
from dsops.sandbox.refusals import access_denied, refusal, validation
from dsops.sandbox.session_policy import PassedTags, packed_size, read_policies, read_tags
from dsops.sandbox.sessions import Issued, Session, Sessions
from dsops.sandbox.turn import Turn
from dsops.sandbox.world import Role, World

HOUR = 3600
NO_ROLE = PolicyText(
    "no role has this ARN",
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "nobody.invalid"}, '
    '"Action": "sts:AssumeRole"}}',
)


class Sts:
    """The service, over one world."""

    def __init__(self, world: World, sessions: Sessions, judge: Judge) -> None:
        self._world = world
        self._sessions = sessions
        self._judge = judge
        self.messages = Messages()
        """Those that DecodeAuthorizationMessage reads."""
        self._operations: dict[str, Callable[[Turn], dict[str, Value]]] = {
            "AssumeRole": self._assume_role,
            "DecodeAuthorizationMessage": self._decode_authorization_message,
            "GetAccessKeyInfo": self._get_access_key_info,
            "GetCallerIdentity": self._get_caller_identity,
            "GetFederationToken": self._get_federation_token,
            "GetSessionToken": self._get_session_token,
        }

    @property
    def operations(self) -> frozenset[str]:
        """What is served; the other operations of AWS's STS are answered as unknown."""
        return frozenset(self._operations)

    def perform(self, turn: Turn) -> dict[str, Value]:
        """The result of the operation. Raises SandboxRefusal."""
        return self._operations[turn.operation](turn)

    # --- who am I ----------------------------------------------------------------------------------------------

    def _get_caller_identity(self, turn: Turn) -> dict[str, Value]:
        """Needs no permission, and no policy can deny it."""
        caller = turn.caller
        return {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}

    def _get_access_key_info(self, turn: Turn) -> dict[str, Value]:
        self._refuse_restricted(turn)
        self._require(turn, Question("sts:GetAccessKeyInfo", "*", turn.caller.account, turn.context))
        key_id = turn.text("AccessKeyId")
        known = self._world.long_term_key(key_id)
        account = identifiers.account_of_key(key_id) if known is None else known.user.account
        if account is None:
            raise validation(f"{key_id} is not a valid access key id")
        return {"Account": account}

    def _decode_authorization_message(self, turn: Turn) -> dict[str, Value]:
        """What a message of the caller's own account says; see `messages`."""
        self._refuse_restricted(turn)
        self._require(turn, Question("sts:DecodeAuthorizationMessage", "*", turn.caller.account, turn.context))
        decoded = self.messages.decode(turn.text("EncodedMessage"), turn.caller.account)
        if decoded is None:
            raise refusal("InvalidAuthorizationMessageException", "The message could not be decoded.")
        return {"DecodedMessage": decoded}

    # --- AssumeRole ----------------------------------------------------------------------------------------------

    def _assume_role(self, turn: Turn) -> dict[str, Value]:
        caller = turn.caller
        role_arn = turn.text("RoleArn")
        if caller.principal.kind == "root":
            raise access_denied("Roles may not be assumed by root accounts.")
        if caller.principal.kind == "federated-session":
            self._refuse(turn, "sts:AssumeRole", role_arn)
        tags = read_tags(turn)
        source_identity = self._source_identity(turn)
        role = self._world.role_at(role_arn)
        layer = read_policies(turn, self._world, caller.account if role is None else role.account)
        mfa_at = self._check_mfa(turn)
        role = self._authorize_role(turn, role_arn, role, tags, source_identity, mfa_at)
        duration = self._role_duration(turn, role)
        size = packed_size(layer, tags.all)
        session = Session(
            "role", role.account, role.unique_id, turn.text("RoleSessionName"), int(turn.now), int(turn.now) + duration,
            None, tags.all, tags.transitive_keys, source_identity, layer, source_ip(self._world, caller),
        )
        name = session.name
        partition = self._world.partitions[role.account]
        result: dict[str, Value] = {
            "AssumedRoleUser": {
                "AssumedRoleId": f"{role.unique_id}:{name}",
                "Arn": f"arn:{partition}:sts::{role.account}:assumed-role/{role.name}/{name}",
            },
            "Credentials": credentials(self._sessions.issue(session)),
        }
        if size is not None:
            result["PackedPolicySize"] = size
        if source_identity:
            result["SourceIdentity"] = source_identity
        return result

    def _authorize_role(
        self, turn: Turn, role_arn: str, role: Role | None, tags: PassedTags, source_identity: str, mfa_at: float | None
    ) -> Role:
        """The role, when the caller may assume it so. All the actions are judged in the same context."""
        trust = NO_ROLE if role is None else PolicyText(f"the trust policy of role {role.name}", role.trust)
        owner = parse_arn(role_arn)
        account = turn.caller.account if owner is None else owner.account
        context = _role_context(turn, role, tags, source_identity, mfa_at)
        actions = ["sts:AssumeRole"]
        if source_identity and role is not None:
            # A value that the trust policy does not want is reported as this action's refusal (measured).
            actions.insert(0, "sts:SetSourceIdentity")
        if tags.all:
            actions.append("sts:TagSession")
        for action in actions:
            self._require(turn, Question(action, role_arn, account, context, trust))
        if role is None:
            self._refuse(turn, "sts:AssumeRole", role_arn)
        return role

    def _source_identity(self, turn: Turn) -> str:
        """The one passed or inherited; once set it stays the same along a chain."""
        passed = turn.text("SourceIdentity")
        session = turn.caller.session
        inherited = "" if session is None else session.source_identity
        if passed and inherited and passed != inherited:
            raise validation("The source identity is already set for this assume role session")
        return passed or inherited

    def _role_duration(self, turn: Turn, role: Role) -> int:
        duration = turn.number("DurationSeconds", HOUR)
        if duration > role.max_session_duration:
            raise validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        if turn.caller.session is not None and duration > HOUR:
            raise validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
            )
        return duration

    # --- GetSessionToken, GetFederationToken ---------------------------------------------------------------------

    def _get_session_token(self, turn: Turn) -> dict[str, Value]:
        """Needs no permission, and a policy that names it has no effect."""
        caller = turn.caller
        if caller.session is not None:
            raise access_denied("Cannot call GetSessionToken with session credentials")
        mfa_at = self._check_mfa(turn)
        session = Session(
            "user" if caller.user is not None else "root", caller.account, caller.unique_id, "", int(turn.now),
            int(turn.now) + _own_duration(turn), mfa_at, source_ip=source_ip(self._world, caller),
        )
        return {"Credentials": credentials(self._sessions.issue(session))}

    def _get_federation_token(self, turn: Turn) -> dict[str, Value]:
        caller = turn.caller
        if caller.session is not None:
            raise access_denied("Cannot call GetFederationToken with session credentials")
        name = turn.text("Name")
        arn = f"arn:{caller.partition}:sts::{caller.account}:federated-user/{name}"
        layer = read_policies(turn, self._world, caller.account)
        tags = read_tags(turn)
        context = {**turn.context, **request_tags(tags.passed)}
        for action in ["sts:GetFederationToken"] + (["sts:TagSession"] if tags.passed else []):
            self._require(turn, Question(action, arn, caller.account, context))
        size = packed_size(layer, tags.passed)
        session = Session(
            "federated", caller.account, caller.unique_id, name, int(turn.now),
            int(turn.now) + _own_duration(turn), None, tags.passed, (), "", layer, source_ip(self._world, caller),
        )
        return {
            "Credentials": credentials(self._sessions.issue(session)),
            "FederatedUser": {"FederatedUserId": f"{caller.account}:{name}", "Arn": arn},
            "PackedPolicySize": size or 0,
        }

    # --- what the container endpoint asks for ------------------------------------------------------------------

    def issue_to_service(self, role: Role, service: str, now: float, request_id: str) -> Issued:
        """A session of a role whose trust policy lets this AWS service assume it. Raises SandboxRefusal."""
        principal = Principal("service", "", "", federated=service)
        caller = Caller(principal, self._world.partitions[role.account], "", "", "", None, None, None, {})
        trust = PolicyText(f"the trust policy of role {role.name}", role.trust)
        context = {"aws:PrincipalIsAWSService": ("true",), "aws:PrincipalServiceName": (service,)}
        question = Question("sts:AssumeRole", role.arn, role.account, context, trust)
        decision = self._judge.decide(caller, question, request_id, now)
        if not decision.is_allowed:
            raise denied(decision)
        name = request_id.replace("-", "")
        return self._sessions.issue(
            Session("role", role.account, role.unique_id, name, int(now), int(now) + HOUR)
        )

    # --- shared --------------------------------------------------------------------------------------------------

    def _check_mfa(self, turn: Turn) -> float | None:
        """When a code was shown with this call: now; None without one. A code is good once."""
        serial, code = turn.text("SerialNumber"), turn.text("TokenCode")
        if not serial and not code:
            return None
        if not serial or not code:
            raise access_denied(
                "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
            )
        user = turn.caller.user
        devices = [] if user is None else self._world.mfa_devices_of(user)
        device = next((device for device in devices if device.serial == serial), None)
        if device is None:
            raise access_denied(
                "MultiFactorAuthentication failed, unable to validate MFA code.  "
                "Please verify your MFA serial number is valid and associated with this user."
            )
        step = totp.step_of(device.seed, code, turn.now)
        if step is None or not self._world.use_step(serial, step):
            raise access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
        return turn.now

    def _require(self, turn: Turn, question: Question) -> None:
        self._judge.require(turn.caller, question, turn.request_id, turn.now)

    def _refuse_restricted(self, turn: Turn) -> None:
        """A GetSessionToken session may call AssumeRole and GetCallerIdentity, a federated user's only the latter."""
        session = turn.caller.session
        if session is not None and session.kind != "role":
            self._refuse(turn, f"sts:{turn.operation}", "")

    def _refuse(self, turn: Turn, action: str, resource: str) -> NoReturn:
        where = f" on resource: {resource}" if resource else ""
        raise access_denied(f"User: {turn.caller.arn} is not authorized to perform: {action}{where}")


def check_role_arn(fields: Mapping[str, str]) -> None:
    """A role's ARN that is long enough but none is refused before anything else of the schema (recorded)."""
    arn = fields.get("RoleArn", "")
    if 20 <= len(arn) <= 2048 and parse_arn(arn) is None:
        raise validation(f"{arn} is invalid")


def _role_context(
    turn: Turn, role: Role | None, tags: PassedTags, source_identity: str, mfa_at: float | None
) -> Context:
    context = dict(turn.context)
    context["sts:RoleSessionName"] = (turn.text("RoleSessionName"),)
    for key, value in (("sts:ExternalId", turn.text("ExternalId")), ("sts:SourceIdentity", source_identity)):
        if value:
            context[key] = (value,)
    if mfa_at is not None:
        # Within this very call; the role's session carries no MFA.
        context["aws:MultiFactorAuthPresent"] = ("true",)
        context["aws:MultiFactorAuthAge"] = ("0",)
    passed_keys = {key.lower() for key, _ in tags.passed}
    transitive = tuple(key for key in tags.transitive_keys if key.lower() in passed_keys)
    if transitive:
        context["sts:TransitiveTagKeys"] = transitive
    context |= request_tags(tags.passed)
    if role is not None:
        # Inherited transitive tags stand in for the role's own while its trust policy is judged.
        own = overlay(dict(role.tags), dict(tags.inherited))
        context |= tag_keys(("aws:ResourceTag", "iam:ResourceTag"), own.items())
        context["aws:ResourceAccount"] = (role.account,)
    return context


def _own_duration(turn: Turn) -> int:
    """Up to 36 hours for a user; a root user's is cut to one hour without a word."""
    if turn.caller.principal.kind == "root":
        return min(turn.number("DurationSeconds", HOUR), HOUR)
    return turn.number("DurationSeconds", 12 * HOUR)


def credentials(issued: Issued) -> dict[str, Value]:
    """`Credentials` of an answer."""
    return {
        "AccessKeyId": issued.access_key_id,
        "SecretAccessKey": issued.secret_access_key,
        "SessionToken": issued.session_token,
        "Expiration": Moment(issued.expires_at),
    }


