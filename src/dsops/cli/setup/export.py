"""`dsops export`: stores for programs that know nothing of dsops, such as profiles of ~/.aws/config."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from subprocess import list2cmdline

from dsops.aws.identity.ambient_files import config_file, content, credentials_file
from dsops.aws_config.processes import Block, ProcessProfile, merge, profile_lines
from dsops.aws_config.profiles import SourceText
from dsops.cli.framework.command import CONFIG, SESSION_ENVIRONMENT, Arguments, Command, Flag, Group
from dsops.cli.framework.output import answer, answer_bytes, note
from dsops.cli.framework.project import load_config
from dsops.cli.framework.replace_file import replace_file
from dsops.document import Scalar
from dsops.errors import ConfigError, StoreUnknown, UsageError, nearest
from dsops.model import Config, StoreEntry
from dsops.plan import find_environment
from dsops.runtime import Runtime
from dsops.schema import OWN_POLICY
from dsops.stores import StoreTypes
from dsops.text import counted

_BACKUP = ".before-dsops"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    # A profile works in every folder, for as long as it stands there: the file is allowed as one that was found.
    config = load_config(arguments, runtime, is_chosen=False)
    path, prefix, environment = config.files[0].path, arguments.text("--prefix"), arguments.text("--env")
    if environment:
        find_environment(config, environment)
    names = _stores(config, arguments.texts("--store"))
    auto = [name for name in names if _is_for_what_is_read(config, name)]
    if auto and not environment:
        names = _without(auto, names, config, is_named=bool(arguments.texts("--store")))
    profiles = [
        ProcessProfile(
            name=f"{prefix}{name}",
            store=name,
            region=_region(config, name),
            environment=environment if name in auto else "",
        )
        for name in names
    ]
    program = own_program(sys.argv[0], sys.executable)
    join = list2cmdline if sys.platform == "win32" else shlex.join
    lines = [(profile.name, tuple(profile_lines(profile, program, path, join))) for profile in profiles]
    block = Block(config=path, profiles=tuple(lines))
    if not arguments.switch("--write"):
        answer_bytes(block.text().encode("utf-8", "surrogateescape"))
        return 0
    _write(block, runtime)
    return 0


def _stores(config: Config, wanted: tuple[str, ...]) -> list[str]:
    """The stores to export: those named, else all that issue a session."""
    types = StoreTypes()
    for name in wanted:
        store = config.stores.get(name)
        if store is None:
            meant = nearest(name, config.stores)
            raise StoreUnknown(f"there is no store `{name}`", hint=f"did you mean `{meant}`?" if meant else "")
        store_type = types[store.type]
        if not store_type.gives_credentials and not store_type.takes_credentials:
            raise UsageError(
                f"store `{name}` has no credentials: its type is {store.type}",
                hint="name a store that assumes a role",
                where=store.where,
            )
    found = wanted or tuple(
        name for name, store in config.stores.items() if store.type in types and types[store.type].gives_credentials
    )
    if not found:
        raise ConfigError(
            f"{config.files[0].shown} has no store that issues a session", hint="one of the type aws.sts does"
        )
    return list(dict.fromkeys(found))


def _without(auto: list[str], names: list[str], config: Config, *, is_named: bool) -> list[str]:
    """The names without those whose session nobody can begin without an environment: a profile would never work."""
    shown = " and ".join(f"`{name}`" for name in auto)
    why = "what their sessions may do (`session_policy: auto`) follows from an environment, and none is named"
    hint = f"name one: `--env {next(iter(config.environments), 'NAME')}`"
    left = [name for name in names if name not in auto]
    if is_named or not left:
        raise UsageError(f"there can be no profile for {shown}", why=why, hint=hint)
    note(f"{shown} left out: {why}; {hint}")
    return left


def _is_for_what_is_read(config: Config, name: str) -> bool:
    """Whether the session that the store has is for what an environment reads, and nothing else."""
    types = StoreTypes()
    for store in _chain(config, name):
        if store.type in types and types[store.type].gives_credentials:
            return _written(store, "session_policy") == OWN_POLICY
    return False


def _region(config: Config, name: str) -> str:
    """The region that the store, or the one it gets its credentials from, has written out."""
    for store in _chain(config, name):
        if "region" in store.fields:
            text = _written(store, "region")
            return "" if "${" in text else text
    return ""


def _chain(config: Config, name: str) -> Iterator[StoreEntry]:
    """The store, the one whose credentials it uses, and so on."""
    seen: set[str] = set()
    while name in config.stores and name not in seen:
        seen.add(name)
        yield config.stores[name]
        name = _written(config.stores[name], "credentials_from")


def _written(store: StoreEntry, key: str) -> str:
    """A field's text as it stands there; "" for none, or what is no text."""
    field = store.fields.get(key)
    return field.node.text if field is not None and isinstance(field.node, Scalar) else ""


def own_program(started_as: str, python: str) -> list[str]:
    """The words that start this dsops again, from any folder."""
    name = os.path.basename(started_as).lower()
    if name in {"dsops", "dsops.exe"} and os.path.isfile(started_as):
        return [os.path.abspath(started_as)]
    # -P: a folder named dsops where the AWS client happens to run is not this one.
    return [os.path.abspath(python), "-P", "-m", "dsops"]


def _write(block: Block, runtime: Runtime) -> None:
    path = config_file(runtime.environ, runtime.folder)
    old = _bytes(path)
    text = _text(old or b"", path)
    credentials = credentials_file(runtime.environ, runtime.folder)
    new = merge(text, _text(content(credentials), credentials), block).encode("utf-8", "surrogateescape")
    if new == old:
        answer(f"{path} has these profiles already")
        return
    kept = replace_file(path, old, new, _BACKUP)
    names = ", ".join(name for name, _ in block.profiles)
    answer(f"{path} has {counted(len(block.profiles), 'profile')} of dsops: {names}")
    if kept:
        note(f"what it was before stands in {kept}")


def _bytes(path: str) -> bytes | None:
    """What the file holds; None where there is none. Raises ConfigUnreadable for what can't be read."""
    return content(path) if os.path.lexists(path) else None


def _text(data: bytes, path: str) -> SourceText:
    # Bytes that are no UTF-8 come back as they were.
    return SourceText(text=data.decode("utf-8", "surrogateescape"), shown=path)


COMMAND = Group(
    help="Writes stores down for programs that know nothing of dsops.",
    commands={
        "aws-config": Command(
            help=(
                "Prints a profile for each store that issues a session.\n\n"
                "A profile's credential_process is `dsops credentials`, so the AWS CLI and the SDKs get sessions\n"
                "from dsops whenever they need one: `aws --profile STORE ...`.\n\n"
                "With --write they go into ~/.aws/config, between two comments that name the configuration: what\n"
                "stood there before is replaced, everything else stays byte for byte, and a copy of the file as\n"
                f"it was stands beside it ({_BACKUP}). A profile of your own of that name is never replaced.\n\n"
                "A store with `session_policy: auto` has a profile for the environment that --env names."
            ),
            run=_run,
            flags=(
                CONFIG,
                SESSION_ENVIRONMENT,
                Flag(
                    "--store", "only this store", value="STORE", own_variable="DSOPS_EXPORT_STORE", is_repeatable=True
                ),
                Flag(
                    "--prefix",
                    "what is put before a store's name to get the profile's",
                    value="TEXT",
                    own_variable="DSOPS_EXPORT_PREFIX",
                ),
                Flag("--write", "write them into ~/.aws/config", "switch", own_variable="DSOPS_EXPORT_WRITE"),
            ),
        )
    },
)
