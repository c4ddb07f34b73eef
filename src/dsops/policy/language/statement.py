"""Parse one statement by the grammar for the kind of policy."""

from __future__ import annotations

from typing import Final, get_args

from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.policy.language.conditions import SECRET_KEYS, Condition, compile_condition
from dsops.policy.language.elements import Actions, ResourceElement, check_action, compile_actions, compile_resources
from dsops.policy.language.letters import lower_case
from dsops.policy.language.notes import Notes
from dsops.policy.language.operators import nearest_operator, parse_operator
from dsops.policy.language.policy import KIND_WORDS, Effect, PolicyKind, Statement
from dsops.policy.language.principals import Principals, Type, Written, check_principal, compile_principals
from dsops.startup import NamedTuple

_STATEMENT_ELEMENTS: Final = tuple(
    """
    Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition
    """.split()
)
_PRINCIPAL_TYPES: Final[tuple[Type, ...]] = get_args(Type)


# IAM's message when it refuses CreateRole and UpdateAssumeRolePolicy, quoted from users' reports and provider tests.
_NO_STS_ACTION: Final = "AssumeRole policy may only specify STS AssumeRole actions."


class Rules(NamedTuple):
    """The grammar rules for one kind of policy."""

    prohibited: tuple[str, ...]
    has_id: bool = False
    is_resource_optional: bool = False
    completes_arns: bool = False
    """Whether missing parts at the end of an ARN match any value."""
    has_strict_sids: bool = True
    """Whether Sids must be alphanumeric and unique. IAM requires this, but the policy language does not."""
    needs_2012: bool = False


_WITHOUT_PRINCIPAL: Final = Rules(prohibited=("Principal", "NotPrincipal"))
RULES: Final[dict[PolicyKind, Rules]] = {
    "identity": _WITHOUT_PRINCIPAL._replace(completes_arns=True),
    "session": _WITHOUT_PRINCIPAL,
    # A boundary is a managed policy, so it has the rules of identity policies.
    "boundary": _WITHOUT_PRINCIPAL._replace(completes_arns=True),
    "trust": Rules(prohibited=("Resource", "NotResource", "NotPrincipal"), has_id=True, is_resource_optional=True),
    "resource": Rules(prohibited=(), has_id=True, is_resource_optional=True, has_strict_sids=False),
    # Since September 2025 an SCP may use every element of the language (AWS Security Blog, "full IAM language").
    "scp": Rules(prohibited=("Principal", "NotPrincipal"), has_strict_sids=False, needs_2012=True),
    "rcp": Rules(prohibited=("NotPrincipal", "NotAction"), has_strict_sids=False, needs_2012=True),
}


class StatementReader(Notes):
    """Reads the statements of one document."""

    def __init__(self, kind: PolicyKind, file: str) -> None:
        super().__init__(file)
        self.rules = RULES[kind]
        self.has_variables = False
        self._kind = kind

    def statement(self, node: Mapping, path: str) -> Statement | None:
        """Read a statement; None when it has problems."""
        before = len(self.problems)
        for key, _ in node.entries:
            if key.text not in _STATEMENT_ELEMENTS:
                self.unknown(key, path, _STATEMENT_ELEMENTS)
            elif key.text in self.rules.prohibited:
                self._prohibited(key, path)
        sid = self._sid(node.get("Sid"), f"{path}.Sid")
        effect = self._effect(node, path)
        principals = self._principals(node, path, effect)
        actions = self._actions(node, path)
        resources = self._resources(node, path, is_deny=effect == "Deny")
        conditions = self._conditions(node.get("Condition"), f"{path}.Condition")
        if len(self.problems) > before or actions is None:
            return None
        statement = Statement(sid, effect, principals, actions, resources, conditions, node.line)
        if self._kind == "rcp":
            self._check_rcp(statement, path)
        return statement

    def unknown(self, key: Scalar, path: str, known_names: tuple[str, ...]) -> None:
        """Add a problem for an unknown key."""
        from difflib import get_close_matches

        near = get_close_matches(key.text.capitalize(), known_names, n=1) or [
            element for element in known_names if lower_case(element) == lower_case(key.text)
        ]
        self.note(
            key.line,
            f"{path}.{key.text}".lstrip("."),
            f"`{key.text}` is not an element of a policy",
            hint=f"did you mean `{near[0]}`?" if near else "",
        )

    def _prohibited(self, key: Scalar, path: str) -> None:
        if key.text in ("Resource", "NotResource"):
            hint = "remove it: the resource of a trust policy is its role"
        elif key.text == "NotAction":
            hint = "write `Action`"
        elif "Principal" in self.rules.prohibited:
            hint = "remove it: the policy applies to the users and roles that it is attached to"
        else:
            hint = "write `Principal`"
        words = KIND_WORDS[self._kind]
        article = "an" if words.startswith("i") else "a"
        self.note(
            key.line,
            f"{path}.{key.text}",
            f"`{key.text}` does not belong in {article} {words}",
            hint=hint,
            aws=f"Has prohibited field {key.text}",
        )

    def _sid(self, node: Node | None, path: str) -> str:
        if node is None:
            return ""
        sid = self.text(node, path)
        if self.rules.has_strict_sids and sid and not (sid.isascii() and sid.isalnum()):
            self.note(node.line, path, f"the Sid `{sid}` has something other than letters and digits in it")
        return sid

    def _effect(self, node: Mapping, path: str) -> Effect:
        effect = node.get("Effect")
        if effect is None:
            self.note(node.line, f"{path}.Effect", "`Effect` is missing", hint="write `Allow` or `Deny`")
            return "Deny"
        text = self.text(effect, f"{path}.Effect")
        if text == "Allow":
            return "Allow"
        if text != "Deny":
            message = f"`{text}` is neither `Allow` nor `Deny`"
            self.note(effect.line, f"{path}.Effect", message, hint="case counts here")
        return "Deny"

    def _one_of(self, node: Mapping, path: str, positive: str, *, is_required: bool) -> tuple[Node, str, bool] | None:
        """Return the element or its Not... form, its path, and whether it is the Not... form.

        Returns None if the element is missing or invalid.
        """
        first, second = node.get(positive), node.get(f"Not{positive}")
        if first is not None and second is not None:
            self.note(
                max(first.line, second.line),
                f"{path}.Not{positive}",
                f"a statement has either `{positive}` or `Not{positive}`",
            )
            return None
        if first is not None:
            return first, f"{path}.{positive}", False
        if second is not None:
            return second, f"{path}.Not{positive}", True
        if is_required:
            self.note(
                node.line, f"{path}.{positive}", f"`{positive}` is missing", aws=f"Missing required field {positive}"
            )
        return None

    def _principals(self, node: Mapping, path: str, effect: Effect) -> Principals | None:
        if "Principal" in self.rules.prohibited:
            return None
        named = self._one_of(node, path, "Principal", is_required=True)
        if named is None:
            return None
        element, path, is_negated = named
        entries: list[Written] = []
        if isinstance(element, Mapping):
            if not element.entries:
                self.note(element.line, path, "no principal is named")
            for key, values in element.entries:
                entries += self._principals_of_type(key, values, f"{path}.{key.text}")
        elif self.text(element, path) == "*":
            entries.append(("AWS", "*"))
        elif isinstance(element, Scalar) and element.kind == "text":
            self.note(
                element.line,
                path,
                f"`{element.text}` says no type of principal",
                hint=f'write `{{"AWS": "{element.text}"}}`',
                aws=f"Invalid principal in policy: {element.text}",
            )
        return compile_principals(entries, is_negated=is_negated, is_deny=effect == "Deny")

    def _principals_of_type(self, key: Scalar, values: Node, path: str) -> list[Written]:
        kind = next((principal_type for principal_type in _PRINCIPAL_TYPES if principal_type == key.text), None)
        if kind is None:
            self.note(
                key.line,
                path,
                f"`{key.text}` is not a type of principal",
                hint="AWS, Federated, Service or CanonicalUser",
                aws=f"Invalid principal in policy: {key.text}",
            )
            return []
        texts = self.texts(values, path)
        for scalar in texts:
            self.attempt(
                scalar,
                path,
                lambda text: check_principal(kind, text, takes_cloudfront=self._kind == "resource"),
                aws=f'Invalid principal in policy: "{kind}":"{scalar.text}"',
            )
        return [(kind, scalar.text) for scalar in texts]

    def _actions(self, node: Mapping, path: str) -> Actions | None:
        named = self._one_of(node, path, "Action", is_required=True)
        if named is None:
            return None
        element, path, is_negated = named
        texts = self.texts(element, path)
        for scalar in texts:
            self.attempt(scalar, path, check_action)
            if self._kind == "trust":
                self.attempt(scalar, path, _check_trusted_action, aws=_NO_STS_ACTION)
        return compile_actions([scalar.text for scalar in texts], is_negated=is_negated)

    def _resources(self, node: Mapping, path: str, *, is_deny: bool) -> ResourceElement | None:
        if "Resource" in self.rules.prohibited:
            return None
        named = self._one_of(node, path, "Resource", is_required=not self.rules.is_resource_optional)
        if named is None:
            return None
        element, path, is_negated = named
        texts = self.texts(element, path)

        texts_written = [scalar.text for scalar in texts]
        try:
            return self._compiled(texts_written, is_negated=is_negated, is_deny=is_deny)
        except ValueError:
            for scalar in texts:
                self.attempt(scalar, path, self._check_resource, aws=_resource_words(scalar.text))
            return None

    def _check_resource(self, text: str) -> None:
        self._compiled([text], is_negated=False, is_deny=False)

    def _compiled(self, texts: list[str], *, is_negated: bool, is_deny: bool) -> ResourceElement:
        return compile_resources(
            texts,
            is_negated=is_negated,
            is_deny=is_deny,
            has_variables=self.has_variables,
            completes=self.rules.completes_arns,
        )

    def _conditions(self, node: Node | None, path: str) -> tuple[Condition, ...]:
        if node is None:
            return ()
        if not isinstance(node, Mapping):
            self.note(node.line, path, "a condition block is an object: operator, key, values")
            return ()
        conditions: list[Condition] = []
        for operator, keys in node.entries:
            at = f"{path}.{operator.text}"
            try:
                parse_operator(operator.text)
            except ValueError as error:
                near = nearest_operator(operator.text)
                self.note(operator.line, at, str(error), hint=f"did you mean `{near}`?" if near else "")
                continue
            if not isinstance(keys, Mapping):
                self.note(keys.line, at, "an operator holds an object: condition key and values")
                continue
            for key, values in keys.entries:
                conditions += self._condition(operator.text, key, values, f"{at}.{key.text}")
        return tuple(conditions)

    def _condition(self, operator: str, key: Scalar, values: Node, path: str) -> list[Condition]:
        if not key.text or key.text != key.text.strip():
            self.note(key.line, path, f"`{key.text}` is not a condition key")
            return []
        items = values.items if isinstance(values, Sequence) else (values,)
        texts = []
        for item in items:
            if not isinstance(item, Scalar) or item.kind == "null":
                self.note(item.line, path, "a condition's values are texts, numbers, `true` or `false`")
                return []
            texts.append(item.text)
        try:
            return [compile_condition(operator, key.text, texts, key.line, has_variables=self.has_variables)]
        except ValueError as error:
            # The value of a secret key is never shown, even a malformed value.
            is_secret = lower_case(key.text) in SECRET_KEYS
            message = f"the value of `{key.text}` can't be used with {operator}" if is_secret else str(error)
            self.note(values.line, path, message)
            return []

    def _check_rcp(self, statement: Statement, path: str) -> None:
        principals, resources = statement.principals, statement.resources
        if principals is not None and not principals.is_everyone:
            message = 'the principal of a resource control policy is "*"'
            self.note(statement.line, f"{path}.Principal", message)
        is_everything = statement.actions.written == ("*",)
        if statement.effect == "Deny" and is_everything:
            self.note(
                statement.line,
                f"{path}.Action",
                "a resource control policy names the services that it is for",
                hint="write `s3:*`, `sts:*` ... instead of `*`",
            )
        is_full_access = (
            is_everything and resources is not None and resources.written == ("*",) and not statement.conditions
        )
        if statement.effect == "Allow" and not is_full_access:
            self.note(
                statement.line,
                f"{path}.Effect",
                "a resource control policy only denies: Allow is for AWS's own RCPFullAWSAccess",
            )


def _resource_words(text: str) -> str:
    """Return IAM's message for an invalid resource."""
    parts = text.split(":")
    if len(parts) > 2 and ("*" in parts[2] or "?" in parts[2]):
        return "Resource vendor must be fully qualified and cannot contain regexes."
    return f'Resource {text} must be in ARN format or "*".'


def _check_trusted_action(text: str) -> None:
    service, colon, _ = text.partition(":")
    if colon and lower_case(service) != "sts":
        raise ValueError(f"`{text}` is no action of STS: a trust policy says who may assume the role")
