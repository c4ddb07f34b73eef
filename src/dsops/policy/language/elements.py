"""The Action and Resource elements of a statement, compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dsops.policy.language.letters import lower_case
from dsops.policy.language.match import (
    ArnPredicate,
    Predicate,
    anything,
    compile_arn,
    compile_glob,
    split_arn,
    split_sections,
)
from dsops.policy.language.tokens import (
    ANY_RUN,
    Context,
    PolicyVariable,
    Resolved,
    Token,
    Wildcard,
    is_static,
    resolve,
    tokenize,
)
from dsops.startup import NamedTuple


class Actions(NamedTuple):
    """A compiled Action or NotAction element."""

    written: tuple[str, ...]
    is_negated: bool
    matches: Predicate
    """Whether the element matches an action, which is passed in lower case."""

    @property
    def element(self) -> str:
        """The element's name in the policy document."""
        return "NotAction" if self.is_negated else "Action"


ResourceTest = Callable[[str, Sequence[str] | None, Callable[[], Context]], bool]
"""A test of a resource.

It takes the resource, the six parts of its ARN (None if it is not an ARN), and a function that returns the context.
"""


class ResourceElement(NamedTuple):
    """A compiled Resource or NotResource element."""

    written: tuple[str, ...]
    is_negated: bool
    matches: ResourceTest

    @property
    def element(self) -> str:
        """The element's name in the policy document."""
        return "NotResource" if self.is_negated else "Resource"


def check_action(text: str) -> None:
    """Raise ValueError unless the text is `service:Name` (wildcards anywhere) or `*`."""
    if text and not text.strip("*"):
        return
    service, colon, name = text.partition(":")
    if not colon:
        raise ValueError(f"`{text}` names no service: an action is `service:Name` or `*`")
    if not service or not name or ":" in name or text.split() != [text]:
        raise ValueError(f"`{text}` is not an action: `service:Name` or `*`")


def compile_actions(patterns_written: Sequence[str], *, is_negated: bool) -> Actions:
    """Compile actions that `check_action` accepted. Service prefix and action name are case-insensitive."""
    exact: set[str] = set()
    tests: list[Predicate] = []
    for text in patterns_written:
        lower = lower_case(text)
        if "*" in lower or "?" in lower:
            # `${...}` is no variable in an action: policy variables work in Resource and Condition only.
            tests.append(compile_glob(_wildcards_only(lower)))
        else:
            exact.add(lower)
    return Actions(tuple(patterns_written), is_negated, _any_action(frozenset(exact), tests, is_negated=is_negated))


def _wildcards_only(text: str) -> list[Resolved]:
    return [
        token
        for token in tokenize(text, has_variables=False, has_wildcards=True)
        if not isinstance(token, PolicyVariable)
    ]


def _any_action(exact: frozenset[str], tests: Sequence[Predicate], *, is_negated: bool) -> Predicate:
    if is_negated:
        return lambda action: action not in exact and not any(test(action) for test in tests)
    if anything in tests:
        return anything
    if not tests:
        return exact.__contains__
    if not exact and len(tests) == 1:
        return tests[0]

    def matches(action: str) -> bool:
        if action in exact:
            return True
        for test in tests:  # noqa: SIM110 - a generator costs as much as three tests
            if test(action):
                return True
        return False

    return matches


_WILDCARDS: Final = frozenset("*?")


class _Pattern(NamedTuple):
    """One compiled resource pattern. Exactly one of the fields is set."""

    is_everything: bool = False
    whole: Predicate | None = None
    parts: ArnPredicate | None = None
    dynamic: _Dynamic | None = None


class _Dynamic(NamedTuple):
    """A compiled resource pattern with a variable, which can only be in the last part of the ARN."""

    head: ArnPredicate
    tail: tuple[Token, ...]


def compile_resources(
    texts: Sequence[str], *, is_negated: bool, is_deny: bool, has_variables: bool, completes: bool = False
) -> ResourceElement:
    """Compile a Resource or NotResource element. Raises ValueError for a text that is not an ARN pattern.

    With `completes`, an ARN with fewer than six parts gets `*` for the missing parts.

    A pattern matches nothing if it contains a variable that has no value in the request (AWS IAM User Guide,
    "Variables and tags": the whole statement can become invalid). In NotResource, such a pattern excludes the resource
    from an Allow and includes it in a Deny.
    """
    patterns = [_compile_resource(text, has_variables=has_variables, completes=completes) for text in texts]
    test = _any_resource(patterns, is_negated=is_negated, when_unset=is_negated and is_deny)
    return ResourceElement(tuple(texts), is_negated, test)


def _compile_resource(text: str, *, has_variables: bool, completes: bool) -> _Pattern:
    """Compile one resource pattern, part by part.

    A wildcard matches only within its part of the ARN. Rules:

    - A `*` at the very end also covers missing parts: `arn:aws:ec2:*` (AWS IAM User Guide, "Resource": a `*` at the
      end of a segment can expand beyond the colon).
    - Without that `*`, AWS completes a short ARN only in an identity policy (AWS IAM User Guide, "Incomplete ARNs").
    - The partition may be a wildcard, as in 145 resources of AWS's managed policies. The service may not.
    """
    if text == "*":
        return _Pattern(is_everything=True)
    parts = split_arn(text)
    if parts is not None and "$" not in text and _WILDCARDS.isdisjoint("".join(parts[:5])):
        # This is the most frequent form: only the last part has wildcards.
        tokens = tokenize(text, has_variables=False, has_wildcards=True)
        return _Pattern(whole=compile_glob(_only_resolved(tokens)))
    try:
        tokens = tokenize(text, has_variables=has_variables, has_wildcards=True)
    except ValueError as cause:
        raise ValueError(f"in `{text}` {cause}") from cause
    sections = _completed(split_sections(tokens)) if completes else split_sections(tokens)
    if sections[0] != ["arn"]:
        raise ValueError(f"`{text}` is neither an ARN nor `*`")
    if len(sections) < 6 and (len(sections) < 4 or sections[-1][-1:] != [ANY_RUN]):
        raise ValueError(f"`{text}` is not an ARN: it has {len(sections)} of six parts")
    if any(isinstance(token, Wildcard) for token in sections[2]):
        raise ValueError(f"`{text}` has a wildcard in the place of the service")
    head = [[_as_literal(token) for token in section] for section in sections[:5]]
    if len(sections) < 6:
        return _Pattern(parts=_expanding(head))
    if not is_static(sections[5]):
        first = compile_arn(_only_resolved(_joined([*head, [ANY_RUN]])))
        return _Pattern(dynamic=_Dynamic(first, tuple(sections[5])) if first is not None else None)
    resolved = [*head, [_as_literal(token) for token in sections[5]]]
    if all(isinstance(token, str) for section in head for token in section):
        # The first five parts have no `*`. So a test of the whole text gives the same result as a test of each part.
        return _Pattern(whole=compile_glob(_only_resolved(_joined(resolved))))
    return _Pattern(parts=compile_arn(_only_resolved(_joined(resolved))))


def _completed(sections: list[list[Token]]) -> list[list[Token]]:
    """Append `*` for missing parts if the ARN names a service and its last part does not end in `*`."""
    if sections[2:] in ([], [[]]) or sections[-1][-1:] == [ANY_RUN]:
        return sections
    return sections + [[ANY_RUN]] * (6 - len(sections))


def _as_literal(token: Token) -> Resolved:
    """Return a token, with a variable replaced by its literal text `${...}`.

    AWS does not expand variables before the fifth colon of an ARN. No real ARN contains `${...}` there, so the pattern
    matches nothing.
    """
    return token.written if isinstance(token, PolicyVariable) else token


def _only_resolved(tokens: Sequence[Token]) -> list[Resolved]:
    return [token for token in tokens if not isinstance(token, PolicyVariable)]


def _joined(sections: Sequence[Sequence[Token]]) -> list[Token]:
    tokens: list[Token] = []
    for index, section in enumerate(sections):
        tokens.extend((":", *section) if index else section)
    return tokens


def _expanding(sections: Sequence[Sequence[Resolved]]) -> Callable[[Sequence[str]], bool]:
    """Compile an ARN pattern of four or five parts that ends in `*`. That `*` also matches the missing parts."""
    last = len(sections) - 1
    tests = [compile_glob(section) for section in sections]
    return lambda parts: (
        all(tests[index](parts[index]) for index in range(last)) and tests[last](":".join(parts[last:]))
    )


def _any_resource(patterns: Sequence[_Pattern], *, is_negated: bool, when_unset: bool) -> ResourceTest:
    if any(pattern.is_everything for pattern in patterns):
        return lambda _resource, _parts, _context: not is_negated
    wholes = [pattern.whole for pattern in patterns if pattern.whole]
    in_parts = [pattern.parts for pattern in patterns if pattern.parts]
    dynamic = [pattern.dynamic for pattern in patterns if pattern.dynamic]
    if len(wholes) == 1 and not in_parts and not dynamic and not is_negated:
        only = wholes[0]
        return lambda resource, _parts, _context: only(resource)

    def matches(resource: str, parts: Sequence[str] | None, context: Callable[[], Context]) -> bool:
        for whole in wholes:
            if whole(resource):
                return not is_negated
        if parts is None:
            return is_negated
        for test in in_parts:
            if test(parts):
                return not is_negated
        if dynamic:
            answer = _any_dynamic(dynamic, parts, context, is_negated=is_negated)
            return when_unset if answer is None else answer is not is_negated
        return is_negated

    return matches


def _any_dynamic(
    dynamic: Sequence[_Dynamic], parts: Sequence[str], context: Callable[[], Context], *, is_negated: bool
) -> bool | None:
    """Whether one of the patterns matches; None if none matches and one contains a variable without a value.

    In NotResource, a variable without a value gives None even if the rest of its pattern does not match the resource.
    """
    answer: bool | None = False
    for head, tail in dynamic:
        is_here = head(parts)
        if not is_here and not is_negated:
            continue
        resolved = resolve(tail, context())
        if resolved is None:
            answer = None
        elif is_here and compile_glob(resolved)(parts[5]):
            return True
    return answer
