"""Finds values that AWS would refuse, as far as they are visible without environment variables."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Mapping as MappingOf

from dsops.config import Examined
from dsops.document import Document, Mapping, Node, Scalar, Sequence, parse_json
from dsops.errors import Problem, Where
from dsops.interpolate import InterpolationNames, expand_node, has_names
from dsops.model import Config, Field, StoreEntry
from dsops.schema import (
    OF_A_USER,
    OWN_POLICY,
    StoreKey,
    StoreType,
    chained_seconds,
    check_setting,
    check_shape,
    check_store,
    fitted,
    operation_for,
    user_session_of_session,
)
from dsops.startup import NamedTuple


def every_problem(examined: Examined, types: MappingOf[str, StoreType]) -> tuple[Problem, ...]:
    """Return every problem and violated limit that is visible without environment variables, in the order of files."""
    problems = examined.problems
    problems.extend(check_limits(examined.config, types, parts=examined.parts, bases=examined.bases))
    return problems.in_order([file.shown for file in examined.config.all_files])


def check_limits(
    config: Config, types: MappingOf[str, StoreType], *, parts: Iterable[StoreEntry] = (), bases: Collection[str] = ()
) -> tuple[Problem, ...]:
    """Return one problem for each violated limit, in the order of stores. An inherited field is reported once.

    `parts` are stores that lack inherited fields, and `bases` are the names of stores that are only extended; for
    both, missing keys are not reported.
    """
    problems: dict[tuple[int, str], Problem] = {}
    whole = [(store, store.name not in bases) for store in config.stores.values()]
    for store, is_whole in (*whole, *[(part, False) for part in parts]):
        if store.type in types:
            chain = _check_chain(store, config, types) if is_whole else ()
            for problem in (*_check(store, types[store.type], is_whole=is_whole), *chain):
                field = store.fields.get(problem.path.removeprefix(f"secretStores.{store.name}."))
                problems.setdefault((id(field), problem.message), problem)
    return tuple(problems.values())


def _check(store: StoreEntry, store_type: StoreType, *, is_whole: bool) -> tuple[Problem, ...]:
    path = f"secretStores.{store.name}"
    store_type = fitted(store_type, store.fields)
    unknown = {name: field for name, field in store.fields.items() if has_names(field.node)}
    names = InterpolationNames({})
    expanded = {
        name: Field(expand_node(field.node, names, field.where.file, f"{path}.{name}"), field.where)
        for name, field in store.fields.items()
        if name not in unknown
    }
    checked = check_store(store_type, expanded, store.where, path, unknown=unknown, is_whole=is_whole)
    keys = {key.name: key for key in store_type.keys}
    partly = [
        check_setting(keys[name], Field(part, field.where), f"{path}.{name}").limits
        for name, field in unknown.items()
        if name in keys and (part := _known_part(keys[name], field.node)) is not None
    ]
    is_written = checked.settings.get("session_policy", OWN_POLICY) != OWN_POLICY
    policy = expanded.get("session_policy") if is_written else None
    is_readable = policy is not None and not any(broken.path == f"{path}.session_policy" for broken in checked.limits)
    policy_problems = check_session_policy(policy, f"{path}.session_policy").problems if policy and is_readable else ()
    return (*checked.limits, *[limit for limits in partly for limit in limits], *policy_problems)


def _check_chain(store: StoreEntry, config: Config, types: MappingOf[str, StoreType]) -> tuple[Problem, ...]:
    """Return the problems of a store whose request is signed with another store's session."""
    operation = operation_for(types[store.type], store.fields)
    source = config.stores.get(store.text_of("credentials_from"))
    source_type = types.get(source.type) if source is not None else None
    is_session = source_type is not None and source_type.issues_sessions
    if operation is None or not operation.is_signed or source is None or not is_session:
        return ()
    path, why = f"secretStores.{store.name}", f"its credentials come from `{source.name}`"
    if operation.name in OF_A_USER:
        return (Problem(store.where, path, *user_session_of_session(operation.name, why)),)
    seconds = store.text_of("duration_seconds")
    too_long = chained_seconds(int(seconds), why) if operation.name == "AssumeRole" and seconds.isdecimal() else None
    if too_long is None:
        return ()
    return (Problem(store.fields["duration_seconds"].where, f"{path}.duration_seconds", *too_long),)


def _known_part(key: StoreKey, node: Node) -> Node | None:
    """Return a map or list without the entries that contain `${NAME}`; None for any other or invalid value."""
    if check_shape(key, Field(node, Where("")), ""):
        return None
    if key.kind == "map" and isinstance(node, Mapping):
        without_names = [entry for entry in node.entries if not has_names(entry[0]) and not has_names(entry[1])]
        return Mapping(tuple(without_names), node.line)
    if key.kind == "texts" and isinstance(node, Sequence):
        return Sequence(tuple([item for item in node.items if not has_names(item)]), node.line)
    return None


class SessionPolicy(NamedTuple):
    """The result of checking a session policy that is JSON."""

    problems: tuple[Problem, ...]
    only_denies: bool
    """Whether the policy only denies, so that a session with this policy may do nothing.

    A session may do only what both its policy and the role's policies allow.
    """


def check_session_policy(field: Field, path: str) -> SessionPolicy:
    """Check an inline session policy and return the result."""
    # Imported only for a session policy, because importing the policy language would cost every cold run milliseconds.
    from dsops.policy import check_policy

    text = field.node.text if isinstance(field.node, Scalar) else ""
    document = parse_json(text, field.where.file) if text else Document(field.node, ())
    checked = check_policy(document, "session", file=field.where.file)
    problems = []
    for problem in checked.problems:
        # The policy's line numbers can't be added to the key's: a block scalar starts on the line after its key, any
        # other string on the key's line.
        where = field.where if text else problem.where
        line = f" (line {problem.where.line} of the policy)" if text else ""
        problems.append(Problem(where, path, f"{problem.message}{line}", problem.hint))
    denies = checked.policy is not None and all(statement.effect == "Deny" for statement in checked.policy.statements)
    return SessionPolicy(tuple(problems), denies)
