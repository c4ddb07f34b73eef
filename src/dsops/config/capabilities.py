"""List what a configuration can do when it is run: roles, commands, addresses, files, variables.

Values are shown as written, so that no value of an environment variable appears. Values of secret keys are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import join

from dsops.config.steering import is_credential, steering
from dsops.document import Mapping as MappingNode
from dsops.document import Node, Scalar, Sequence
from dsops.errors import Where
from dsops.interpolate import TIMESTAMP, names_in
from dsops.model import Config, Environment, Field, Reference, StoreEntry, Variable
from dsops.schema import BUILTIN_TYPES, StoreType
from dsops.startup import NamedTuple

_ASSUMED = ("role_arn", "principal_arn", "target_principal", "task_policy_arn", "federated_user_name")
_USED = {
    "profile": "your AWS profile {}",
    "sso_session": "your login {}",
    "key_name": "your key {} of the keyring",
    "serial_number": (
        "a code of your MFA device {}, computed if the keyring has the seed, or the session of an earlier code"
    ),
    "prefix": "your environment variables {}*",
    "web_identity": "the platform's identity token: {}",
    "web_identity_audience": "an identity token for the audience {}",
    "spiffe_id": "the SPIFFE identity {}",
}
_BY_KIND = {"command": "runs", "url": "calls", "page": "opens", "file": "reads"}


class Power(NamedTuple):
    """One thing that a configuration can do."""

    does: str
    """The verb: `assumes`, `uses`, `reads`, `sends`, `calls`, `opens`, `runs`, `sets` or `steers`."""
    text: str
    path: str
    """The dotted path, such as `secretStores.prod.mfa_process` or `envs.production.LD_PRELOAD`."""
    where: Where
    family: str = ""
    """For a variable: the program that reads it, and the variable's family, such as `Python (PYTHON*)`."""

    @property
    def line(self) -> str:
        """The power on one line, without its line number in the file, so that moved lines do not count as a change."""
        return f"{self.does:<8} {f'{self.family} by ' if self.family else ''}{self.text}"


def powers_of(config: Config, types: Mapping[str, StoreType]) -> list[Power]:
    """Return everything that the configuration can do.

    The most dangerous powers come last, next to the prompt, where users read them.
    """
    files = {file.shown for file in config.files}
    # The user's own stores need no permission, but the review lists them, because the project uses them.
    of_project = {name: store for name, store in config.stores.items() if store.where.file in files}
    environments = {
        name: environment for name, environment in config.environments.items() if environment.where.file in files
    }
    project = config._replace(environments=environments)
    powers = [power for store in of_project.values() for power in _of_store(store, types.get(store.type))]
    powers += _of_environments(project, types)
    powers += [
        Power("uses", f"your own store {used} ({user})", path, where)
        for used, user, path, where in _uses(of_project, environments)
        if used in config.stores and used not in of_project
    ]
    # Paths are absolute, so that the line is the same from every folder.
    powers += [Power("reads", f"{file.written}, a part of it", "", Where(file.shown)) for file in config.files[1:]]
    order = ("assumes", "uses", "reads", "sends", "sets", "calls", "opens", "runs", "steers")
    return sorted({power.line: power for power in powers}.values(), key=lambda power: order.index(power.does))


def _of_store(store: StoreEntry, store_type: StoreType | None) -> Iterator[Power]:
    path = f"secretStores.{store.name}"
    if store.type not in BUILTIN_TYPES:
        yield Power("uses", f"the extension that provides `{store.type}` ({store.name})", path, store.where)
    keys = {key.name: key for key in store_type.keys} if store_type is not None else {}
    if "account_id" in store.fields:
        permission_set = "/".join(_text(store.fields.get(name)) for name in ("account_id", "role_name"))
        yield Power("assumes", f"{permission_set} ({store.name})", f"{path}.role_name", store.where)
    for name, field in store.fields.items():
        key, place = keys.get(name), f"{path}.{name}"
        does = _BY_KIND.get(key.kind, "") if key is not None else ""
        if name in _ASSUMED:
            yield Power("assumes", f"{_text(field)} ({store.name})", place, field.where)
        elif name in _USED:
            yield Power("uses", f"{_USED[name].format(_text(field))} ({store.name})", place, field.where)
        elif name == "start_url":
            yield Power("calls", f"{_text(field)} to log in ({store.name})", place, field.where)
        elif does:
            yield Power(does, f"{_text(field)} ({store.name})", place, field.where)
        if store_type is None or not store_type.is_local:
            for variable in _names(field.node):
                yield Power("sends", f"your ${variable} in {name} ({store.name})", place, field.where)


def _uses(
    stores: Mapping[str, StoreEntry], environments: Mapping[str, Environment]
) -> Iterator[tuple[str, str, str, Where]]:
    """Yield each used store, the store or variable that uses it, and the path and location of that use."""
    for store in stores.values():
        field = store.fields.get("credentials_from")
        if field is not None:
            yield _text(field), store.name, f"secretStores.{store.name}.credentials_from", field.where
    for environment in environments.values():
        for variable in environment.variables.values():
            if variable.reference is not None:
                path = f"envs.{environment.name}.{variable.name}"
                yield variable.reference.store, variable.name, path, variable.where


def _of_environments(config: Config, types: Mapping[str, StoreType]) -> Iterator[Power]:
    """Yield each variable with its source, once for all environments that define it in the same way."""
    sources: dict[tuple[str, str], tuple[list[str], Variable]] = {}
    for environment in config.environments.values():
        for variable in environment.variables.values():
            source = _source(variable, config.stores, types)
            sources.setdefault((variable.name, source), ([], variable))[0].append(environment.name)
            for name in _names_sent(variable):
                path = f"envs.{environment.name}.{variable.name}"
                yield Power("sends", f"your ${name} in the name of a secret ({variable.name})", path, variable.where)
    for (name, source), (environments, variable) in sources.items():
        family, path = steering(name), f"envs.{environments[0]}.{name}"
        text = f"{name}{source} ({', '.join(environments)})"
        yield Power("steers" if family else "sets", text, path, variable.where, family)


def _source(variable: Variable, stores: Mapping[str, StoreEntry], types: Mapping[str, StoreType]) -> str:
    """Return the source of the variable's value.

    A literal is shown only if it steers a program, because other literals may be private.
    """
    is_shown = bool(steering(variable.name)) and not is_credential(variable.name)
    texts = [text.text for text in (variable.literal, variable.default) if text is not None]
    sources = []
    reference = variable.reference
    if reference is not None:
        store_values = _literal_names(reference, stores, types) if is_shown else []
        texts = [*store_values, *texts]
        parts = [part.text for part in (reference.key, reference.field, reference.version) if part is not None]
        sources += [] if store_values else [f"from {reference.store}: {', '.join(parts)}"]
    for text in texts:
        names = [f"${name}" for name in names_in(text)]
        if is_shown:
            sources.append(f"={text}")
        elif names:
            sources.append(f"with your {', '.join(names)}")
    source = " or ".join(sources)
    steps = [":".join(filter(None, (step.name, step.argument, step.replacement))) for step in variable.transforms]
    through = f" through {', '.join(steps)}" if steps and is_shown else ""
    return f"{' ' if source and not source.startswith('=') else ''}{source}{through}"


def _literal_names(reference: Reference, stores: Mapping[str, StoreEntry], types: Mapping[str, StoreType]) -> list[str]:
    """Return the keys of a literal store that the reference may read; a key with `${...}` may match any of them."""
    store = stores.get(reference.store)
    node = store.fields["values"].node if store is not None and "values" in store.fields else None
    store_type = types.get(store.type) if store is not None else None
    if store_type is None or not store_type.is_local or not isinstance(node, MappingNode):
        return []
    key, is_any = reference.key.text, bool(names_in(reference.key.text))
    return [
        value.text
        for name, value in node.entries
        if isinstance(value, Scalar) and (is_any or name.text == key or names_in(name.text))
    ]


def _names_sent(variable: Variable) -> list[str]:
    if variable.reference is None:
        return []
    texts = (variable.reference.key, variable.reference.version, variable.reference.field)
    return [name for text in texts if text is not None for name in names_in(text.text) if name != TIMESTAMP]


def _text(field: Field | None) -> str:
    """Return a field as written; a command includes its arguments, so that two commands never look alike."""
    if field is None:
        return ""
    if isinstance(field.node, Sequence):
        return join(item.text for item in field.node.items if isinstance(item, Scalar))
    return field.node.text if isinstance(field.node, Scalar) else ""


def _names(node: Node) -> list[str]:
    """Return the names of the user's variables that a field uses, without repetition."""
    if isinstance(node, Scalar):
        return [name for name in dict.fromkeys(names_in(node.text)) if name != TIMESTAMP]
    if isinstance(node, MappingNode):
        parts = [part for key, value in node.entries for part in (*_names(key), *_names(value))]
    else:
        parts = [part for item in node.items for part in _names(item)]
    return list(dict.fromkeys(parts))
