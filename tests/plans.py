"""Makes plans for tests from a configuration's text, an environment and a base identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsops.document import Mapping, Node, Scalar, parse_yaml
from dsops.errors import Where
from dsops.model import Config, Environment, Field, Reference, SourceFile, StoreEntry, Text, Variable
from dsops.plan import Ambient, Plan, Proof, make_plan, plan_store
from dsops.plan.types import no_proof, no_recording
from dsops.schema import BUILTIN_TYPES
from dsops.transform import parse_transforms

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as MappingOf

    from dsops.schema import Settings, StoreType

FILE = "dsops.yaml"

LONG_TERM = Ambient("environment", "digest-of-ada", is_temporary=False)
TEMPORARY = Ambient("environment", "digest-of-a-session", is_temporary=True)
UNKNOWN = Ambient("default chain", "digest-of-a-machine", is_temporary=None)


def config_of(text: str, *, is_allowed: bool = True) -> Config:
    """Parse a plain YAML text that has only `secretStores`, `envs` and long references."""
    document = parse_yaml(text, FILE)
    assert not document.problems, document.problems
    stores: dict[str, StoreEntry] = {}
    for name, node in _entries(document.root, "secretStores"):
        fields = {key.text: Field(value, Where(FILE, key.line)) for key, value in _pairs(node)}
        kind = fields.pop("type").node
        assert isinstance(kind, Scalar)
        stores[name.text] = StoreEntry(name.text, kind.text, fields, Where(FILE, name.line))
    environments = {
        name.text: Environment(
            name.text, {key.text: _variable(key, value) for key, value in _pairs(node)}, Where(FILE, name.line)
        )
        for name, node in _entries(document.root, "envs")
    }
    default = next(iter(environments), "")
    return Config(stores, environments, default, (SourceFile(FILE, "", FILE),), is_allowed=is_allowed, notes=())


def plan_of(
    text: str,
    environment: str = "",
    *,
    store: str = "",
    environ: MappingOf[str, str] | None = None,
    user: str = "ada",
    timestamp: str = "20261124T120000Z",
    ambient: Ambient | Callable[[str], Ambient] = LONG_TERM,
    store_types: MappingOf[str, StoreType] = BUILTIN_TYPES,
    is_allowed: bool = True,
    also: str = "",
    lasts: bool = False,
    proof: Callable[[str, Settings], Proof] = no_proof,
    reason: str = "",
    recorded: Callable[[str], str] = no_recording,
) -> Plan:
    """The plan of an environment (by default the first), or of one store."""
    config = config_of(text, is_allowed=is_allowed)
    find = (lambda _profile: ambient) if isinstance(ambient, Ambient) else ambient
    environ = {"AWS_REGION": "us-east-1"} if environ is None else environ
    if store:
        return plan_store(
            config,
            store,
            environ=environ,
            user=user,
            timestamp=timestamp,
            ambient=find,
            store_types=store_types,
            lasts=lasts,
            proof=proof,
            reason=reason,
            recorded=recorded,
        )
    return make_plan(
        config,
        environment,
        environ=environ,
        user=user,
        timestamp=timestamp,
        ambient=find,
        store_types=store_types,
        also=also,
        lasts=lasts,
        proof=proof,
        reason=reason,
        recorded=recorded,
    )


def _entries(root: Node | None, section: str) -> tuple[tuple[Scalar, Node], ...]:
    assert isinstance(root, Mapping)
    node = root.get(section)
    return () if node is None else _pairs(node)


def _pairs(node: Node) -> tuple[tuple[Scalar, Node], ...]:
    assert isinstance(node, Mapping), node
    return node.entries


def _variable(name: Scalar, node: Node) -> Variable:
    where = Where(FILE, name.line)
    assert isinstance(node, Mapping)
    source, transform = node.get("from"), node.get("transform")
    optional = node.get("optional")
    reference = None
    if source is not None:
        assert isinstance(source, Mapping)
        store = source.get("store")
        key = _text(source.get("key"))
        assert isinstance(store, Scalar)
        assert key is not None
        reference = Reference(store.text, key, _text(source.get("version")), _text(source.get("field")), where)
    return Variable(
        name=name.text,
        reference=reference,
        literal=_text(node.get("literal")),
        default=_text(node.get("default")),
        optional=isinstance(optional, Scalar) and optional.text == "true",
        transforms=() if transform is None else parse_transforms(transform, FILE, name.text)[0],
        where=where,
    )


def _text(node: Node | None) -> Text | None:
    if node is None:
        return None
    assert isinstance(node, Scalar)
    return Text(node.text, Where(FILE, node.line))
