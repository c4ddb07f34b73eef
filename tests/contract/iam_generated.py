"""Generates policies and requests from a few values, so that every element, operator and principal often decides.

A world is one caller, one action and the policies that apply to them, with requests that differ in their context.
Most policies allow everything, so that they do not decide; one or two statements are drawn freely.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from dsops.policy import Principal
from tests.contract.iam_alphabet import (
    ANONYMOUS,
    FAMILIES,
    FEDERATED,
    MODIFIERS,
    NUMBERS,
    OPERATORS,
    ORDINARY,
    PERSON,
    PRINCIPAL_FORMS,
    RESOURCES,
    ROOT,
    SERVICE,
    SESSION,
    SET_KEYS,
    SIGNED,
    STRANGERS,
    TEXT_KEYS,
    TEXTS,
    USER,
    WORKFLOW,
    Json,
)
from tests.unit.policy.policies import ACCOUNT, OTHER


class World(NamedTuple):
    """One example: a caller, an action, policies by place (empty for none), and contexts."""

    caller: Principal
    action: str
    resource: str
    account: str
    """The account that owns the resource."""
    identity: list[Json]
    boundary: list[Json]
    session: list[Json]
    resource_policy: list[Json]
    scp: list[list[Json]]
    rcp: list[list[Json]]
    contexts: list[dict[str, list[str]]]

    @property
    def is_trust(self) -> bool:
        """Whether the resource policy is a role's trust policy."""
        return self.action.startswith("sts:AssumeRole")


# --- actions and resources -----------------------------------------------------------------------------------


def _with_wildcards(text: str) -> tuple[str, ...]:
    """Patterns with wildcards, some of which match the text."""
    head, colon, tail = text.rpartition(":")
    return (
        text,
        text,
        f"{text[:-2]}*",
        f"{text[:-1]}?",
        f"{text}?",
        f"{head}{colon}{tail[:2]}*{tail[-2:]}",
        f"{text}x",
    )


def _action_patterns(action: str) -> tuple[str, ...]:
    service = action.partition(":")[0]
    return ("*", f"{service}:*", action.lower(), *_with_wildcards(action), f"{service}:Create*")


def _resource_patterns(resource: str) -> tuple[str, ...]:
    if resource == "*":
        return ("*", "*", "*", "arn:aws:s3:::bucket/*")
    parts = resource.split(":", 5)
    elsewhere = ":".join([*parts[:5], "elsewhere/*"])
    any_part = ":".join([*parts[:3], "*", "*", parts[5]])
    tail = parts[5]
    variables = tuple(
        ":".join([*parts[:5], tail.replace("a", variable, 1)])
        for variable in ("${aws:username}", "${aws:username, 'a'}", "${aws:PrincipalTag/Team}*")
    )
    return ("*", *_with_wildcards(resource), any_part, elsewhere, *variables, *variables)


# --- conditions ---------------------------------------------------------------------------------------------


def _lists(values: tuple[str, ...]) -> st.SearchStrategy[Json]:
    some = st.sampled_from(values)
    return some | some | st.lists(some, min_size=1, max_size=3, unique=True)


@st.composite
def conditions(draw: st.DrawFn, first: str) -> tuple[Json, list[tuple[str, tuple[str, ...]]]]:
    """A condition block, mostly of one operator, and its keys with the values that a request may have."""
    block: dict[str, Json] = {}
    request_asked: list[tuple[str, tuple[str, ...]]] = []
    for number in range(draw(st.sampled_from((1, 1, 1, 2)))):
        operator = first if first and not number else draw(st.sampled_from(OPERATORS))
        if operator == "Null":
            key = draw(st.sampled_from((*TEXT_KEYS, *SET_KEYS, "aws:MultiFactorAuthAge")))
            block["Null"] = {key: draw(st.sampled_from(("true", "false")))}
            request_asked.append((key, NUMBERS if key == "aws:MultiFactorAuthAge" else TEXTS))
            continue
        family = next(family for family in FAMILIES if operator in family.operators)
        key = draw(st.sampled_from(family.keys))
        modifier = draw(st.sampled_from(MODIFIERS))
        if key in SET_KEYS and not modifier.startswith("For") and draw(st.integers(0, 3)):
            modifier = draw(st.sampled_from(MODIFIERS[2:]))
        name = f"{modifier}{operator}" if modifier.startswith("For") else f"{operator}{modifier}"
        if draw(st.integers(0, 9)) == 0 and modifier.startswith("For"):
            name += "IfExists"
        block.setdefault(name, {})[key] = draw(_lists(family.wanted))
        request_asked.append((key, family.actual))
    return block, request_asked


# --- policies -----------------------------------------------------------------------------------------------


class _Maker:
    """Draws the policies of one world, and records the context keys that they use."""

    def __init__(self, draw: st.DrawFn, topic: Topic, caller: Principal, action: str, resource: str) -> None:
        self._draw = draw
        self._topic = topic
        self._caller = caller
        self._action = action
        self._resource = resource
        self.asked: list[tuple[str, tuple[str, ...]]] = [
            ("aws:username", ("a", "a", "b", "A", "")),
            ("aws:PrincipalTag/Team", ("a", "a", "b", "A", "")),
        ]

    def _pick(self, *choices: Json) -> Json:
        return self._draw(st.sampled_from(choices))

    def document(self, kind: str, *, is_focus: bool) -> Json:
        """A policy: statements of the example's topic are drawn freely, other policies mostly allow everything."""
        statements = []
        if not is_focus:
            statements.append(self._statement(kind, "Allow", is_plain=True))
        else:
            for _ in range(self._pick(1, 1, 2)):
                effect = self._pick("Allow", "Allow", "Deny")
                if effect == "Deny" and not statements:
                    statements.append(self._statement(kind, "Allow", is_plain=True))
                statements.append(self._statement(kind, effect, is_plain=False))
        document = {"Statement": statements[0] if len(statements) == 1 and self._pick(0, 1) else statements}
        version = self._pick("2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17", None)
        if kind in ("scp", "rcp"):
            version = "2012-10-17"
        return document if version is None else {"Version": version} | document

    def _statement(self, kind: str, effect: str, *, is_plain: bool) -> Json:
        statement: dict[str, Json] = {"Effect": effect, "Action": "*"}
        is_trust = kind == "resource" and self._action.startswith("sts:AssumeRole")
        if not is_trust:
            statement["Resource"] = "*"
        if kind == "resource":
            statement["Principal"] = self._pick("*", self._principal())
            if is_trust:
                statement["Action"] = "sts:*"
        if kind == "rcp":
            statement["Principal"] = "*"
            statement["Action"] = f"{self._action.partition(':')[0]}:*"
        if is_plain:
            return statement
        if kind == "resource" and (self._topic.principal or self._pick(1, 1, 0)):
            del statement["Principal"]
            is_negated = not is_trust and self._pick(0, 0, 1)
            statement["NotPrincipal" if is_negated else "Principal"] = self._principal()
        if self._pick(0, 1):
            self._narrow(statement, kind, is_trust=is_trust)
        if self._topic.operator or self._pick(0, 1, 1):
            block, asked = self._draw(conditions(self._topic.operator))
            statement["Condition"] = block
            self.asked += asked
        return statement

    def _narrow(self, statement: dict[str, Json], kind: str, *, is_trust: bool) -> None:
        """Narrow a statement's Action or Resource, or replace them by NotAction or NotResource."""
        if is_trust or self._pick(0, 1):
            patterns = _action_patterns(self._action)
            can_negate = kind != "rcp" and not (kind == "scp" and statement["Effect"] == "Allow")
            if kind == "rcp":
                patterns = tuple(pattern for pattern in patterns if pattern != "*")
            del statement["Action"]
            key = "NotAction" if can_negate and self._pick(0, 0, 1) else "Action"
            statement[key] = self._draw(_lists(patterns))
        else:
            del statement["Resource"]
            key = self._pick("Resource", "Resource", "NotResource")
            statement[key] = self._draw(_lists(_resource_patterns(self._resource)))

    def _principal(self) -> Json:
        """A principal, mostly one related to the caller."""
        if self._topic.principal and self._pick(1, 1, 0):
            return PRINCIPAL_FORMS[self._topic.principal]
        near = [form for form in PRINCIPAL_FORMS.values() if _concerns(form, self._caller)]
        # `*` is drawn often enough elsewhere, so exact forms are preferred here.
        exact = [form for form in near if form not in ("*", {"AWS": "*"})]
        everything = [*near, *exact, *exact, *exact, *PRINCIPAL_FORMS.values(), *STRANGERS]
        chosen = self._pick(*everything)
        other = self._pick(None, None, None, *everything)
        if not isinstance(chosen, dict) or not isinstance(other, dict):
            return chosen
        return _merged(chosen, other)


def _concerns(form: Json, caller: Principal) -> bool:
    if form in ("*", {"AWS": "*"}):
        return True
    (text,) = form.values()
    return text in (caller.arn, caller.issuer_arn, caller.federated) or (
        bool(caller.account) and text in (ACCOUNT, ROOT.arn)
    )


def _merged(left: dict[str, Json], right: dict[str, Json]) -> Json:
    merged: dict[str, list[str]] = {}
    for form in (left, right):
        for kind, text in form.items():
            if text not in merged.setdefault(kind, []):
                merged[kind].append(text)
    return {kind: texts[0] if len(texts) == 1 else texts for kind, texts in merged.items()}


# --- worlds -------------------------------------------------------------------------------------------------


class Topic(NamedTuple):
    """The topic of a world; fields that the topic leaves empty are drawn freely."""

    operator: str = ""
    principal: str = ""
    """A key of PRINCIPAL_FORMS."""
    place: str = ""
    """The place whose statements are drawn freely: identity, boundary, session, resource, trust, scp, rcp."""


TOPICS = (
    *(Topic(operator=operator) for operator in OPERATORS),
    *(Topic(principal=form) for form in PRINCIPAL_FORMS),
    *(Topic(place=place) for place in ("identity", "boundary", "session", "resource", "trust", "scp", "rcp")),
)


@st.composite
def worlds(draw: st.DrawFn, topic: Topic, requests: int) -> World:
    """A world: a caller, an action, policies, and this many contexts."""
    caller, action = _who_and_what(draw, topic)
    account = draw(st.sampled_from((ACCOUNT, ACCOUNT, ACCOUNT, OTHER)))
    resource = RESOURCES[action].format(account=account)
    maker = _Maker(draw, topic, caller, action, resource)
    places = _places(draw, caller)
    focus = topic.place.replace("trust", "resource") or draw(st.sampled_from(places))
    if topic.principal:
        focus = "resource"

    def documents(place: str, *, is_there: bool) -> list[Json]:
        if place == focus:
            more = draw(st.sampled_from((0, 0, 1))) if place == "identity" else 0
            return [maker.document(place, is_focus=True) for _ in range(1 + more)]
        return [maker.document(place, is_focus=False)] if is_there else []

    identity = documents("identity", is_there=draw(st.integers(0, 5)) > 0) if caller.account else []
    is_there = action.startswith(("sts:", "kms:")) or account != ACCOUNT or not caller.account
    is_there = is_there and draw(st.integers(0, 9)) > 0
    resource_policy = documents("resource", is_there=is_there or draw(st.integers(0, 5)) == 0)
    if action == "s3:ListAllMyBuckets":
        resource_policy = []
    boundary = documents("boundary", is_there="boundary" in places)
    session = documents("session", is_there="session" in places and draw(st.integers(0, 7)) > 0)
    scp = [[document] for document in documents("scp", is_there="scp" in places)]
    if draw(st.integers(0, 1)) and scp:
        scp.insert(draw(st.integers(0, 1)), [maker.document("scp", is_focus=False)])
    rcp = [[_denying(document)] for document in documents("rcp", is_there=False)]
    contexts = [_context(draw, maker.asked) for _ in range(requests)]
    return World(caller, action, resource, account, identity, boundary, session, resource_policy, scp, rcp, contexts)


def _places(draw: st.DrawFn, caller: Principal) -> list[str]:
    """The places that have policies; places that should decide more often are listed twice."""
    if not caller.account:
        return ["resource"]
    places = ["identity", "identity", "resource", "resource"]
    places += [place for place in ("boundary", "session", "scp", "rcp") if draw(st.integers(0, 3)) == 0]
    if caller.kind == "federated-session":
        places.append("session")
    # A user or root has no session policy, and the root user has no boundary either.
    absent = {"user": ["session"], "root": ["session", "boundary"]}.get(caller.kind, [])
    return [place for place in places if place not in absent]


_WEB, _SAML = "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"
_WHO: dict[str, tuple[Principal, ...]] = {
    "user": (USER,),
    "role": (SESSION,),
    "role session": (SESSION,),
    "federated user": (FEDERATED,),
    "user who federated": (FEDERATED,),
    "service": (SERVICE,),
    "identity provider": (WORKFLOW,),
    "SAML provider": (PERSON,),
    "session": (SESSION, FEDERATED),
    "boundary": SIGNED,
    "identity": SIGNED,
    "scp": SIGNED,
    "account id": SIGNED,
    "account root": SIGNED,
}
"""The callers of a topic; all callers if it names none."""


def _who_and_what(draw: st.DrawFn, topic: Topic) -> tuple[Principal, str]:
    others = (ROOT, SERVICE, ANONYMOUS, WORKFLOW, PERSON)
    everybody = (*SIGNED, *SIGNED, *SIGNED, *others)
    caller = draw(st.sampled_from(_WHO.get(topic.principal or topic.place, everybody)))
    if caller == WORKFLOW:
        return caller, _WEB
    if caller == PERSON:
        return caller, _SAML
    actions: tuple[str, ...] = ORDINARY
    if topic.place == "trust":
        actions = ("sts:AssumeRole",)
    elif caller.kind == "anonymous" or topic.place == "resource":
        actions = ORDINARY[:4]
    elif caller.account and not topic.principal:
        actions = (*ORDINARY, *ORDINARY, "s3:ListAllMyBuckets")
    return caller, draw(st.sampled_from(actions))


def _denying(document: Json) -> Json:
    """The document as a resource control policy, which can only deny."""
    statements = document["Statement"]
    listed = statements if isinstance(statements, list) else [statements]
    return document | {"Statement": [statement | {"Effect": "Deny"} for statement in listed[-1:]]}


def _context(draw: st.DrawFn, asked: list[tuple[str, tuple[str, ...]]]) -> dict[str, list[str]]:
    context: dict[str, list[str]] = {}
    for key, values in asked:
        if draw(st.integers(0, 4)) == 0:
            context.pop(key, None)
            continue
        if key in SET_KEYS:
            context[key] = draw(st.lists(st.sampled_from(values), min_size=0, max_size=3))
        else:
            context[key] = [draw(st.sampled_from(values))]
    return context
