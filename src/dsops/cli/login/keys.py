"""`dsops keys`: keep long-term access keys of IAM users in the keyring."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime

from dsops.aws.identity.ambient import load_ambient
from dsops.cli.framework.command import Arguments, Command, Flag, Group, Operand
from dsops.cli.framework.output import answer, answer_json, answer_sentence, note, table
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.secret_input import FROM_FILE, ask_for, piped_or_in_file
from dsops.cli.login.keyring_backend import BACKEND, keyring_for_adding, note_left
from dsops.credentials import Credentials
from dsops.errors import KeyringEntryMissing, KeysRefused, UsageError
from dsops.keyring import index
from dsops.keyring.index import KeysEntry
from dsops.keyring.items import Keyring
from dsops.keyring.keys import SERVICE, credentials_of, entry_named, get_secrets, put_secrets
from dsops.keys.formats import KeyInput, check_key_id, read_key
from dsops.keys.rotation import Rotation
from dsops.keys.user import delete_key, entry_of, masked
from dsops.pipeline.execution import carry_out
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.text import clean

_NAME = r"[A-Za-z0-9_+=,.@-]{1,64}"


def _add(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.operand("NAME")
    if not re.fullmatch(_NAME, name, re.ASCII) or re.match(r"(AKIA|ASIA)[A-Z0-9]{12}", name):
        # The error does not repeat the word: it may be part of the key.
        raise UsageError(
            "this is not a valid key name: use up to 64 letters, digits and _+=,.@-",
            why="the name is the value of `key_name` in dsops.yaml; the key itself does not belong on a command line",
            hint="write a name, such as `dsops keys add ada`: dsops then asks for the key",
        )
    replaces, keyring = arguments.switch("--replace"), keyring_for_adding(arguments, runtime)
    _refuse_known(index.contents(runtime.environ).keys.get(name), replaces=replaces)
    credentials = _credentials(arguments, runtime, name)
    entry = carry_out(entry_of(credentials, name, runtime), runtime)
    with index.changing(runtime.environ) as before:
        previous = before.keys.get(name)
        _refuse_known(previous, replaces=replaces)
        _note_lost(previous, entry)
        kept = put_secrets(keyring, name, {entry.key_id: credentials.secret_access_key})
        entry = entry._replace(backend=kept.backend)
        index.write(runtime.environ, before._replace(keys={**before.keys, name: entry}))
        kept = keyring.delete_previous(SERVICE, name, kept, previous.backend if previous is not None else "")
    runtime.report(DONE)
    answer_sentence(f"the keyring ({kept.label}) has the key {masked(entry.key_id)} of {entry.arn} as `{name}`")
    note_left(kept)
    note(f"use it: `credentials_from` a store with `type: aws.keys` and `key_name: {name}`")
    profile = arguments.text("--from-profile")
    if profile:
        note(f"the profile `{profile}` still contains the secret: remove it from ~/.aws/credentials")
    return 0


def _credentials(arguments: Arguments, runtime: Runtime, name: str) -> Credentials:
    profile = arguments.text("--from-profile")
    if not profile:
        pair = _key_input(arguments.text("--from-file"), runtime, f"dsops keys add {name}")
        return Credentials(pair.key_id, pair.secret)
    if arguments.text("--from-file"):
        raise UsageError("`--from-file` and `--from-profile` can't be used together", hint="leave one of them out")
    credentials = load_ambient(runtime.environ, runtime.folder, profile, now=runtime.now())
    if credentials.is_temporary:
        raise KeysRefused(
            f"profile `{clean(profile)}` has a session, not a long-term key",
            why="sessions expire; the keyring stores long-term keys only",
            hint=f"use the profile in a store instead: `profile: {clean(profile)}`",
        )
    KeyInput(credentials.access_key_id, credentials.secret_access_key).check()
    return credentials


def _key_input(path: str, runtime: Runtime, command: str) -> KeyInput:
    """Read the key from the file, a pipe, or the terminal. Raises KeysRefused."""
    piped = piped_or_in_file(path)
    if piped is not None:
        return read_key(piped)
    key_id = ask_for("Access key id", runtime, command).reveal().strip()
    check_key_id(key_id)  # The id is checked before the user is asked for the secret.
    secret = ask_for("Secret access key", runtime, command).reveal().strip()
    return KeyInput(key_id, Secret(secret)).check()


def _refuse_known(entry: KeysEntry | None, *, replaces: bool) -> None:
    if entry is not None and not replaces:
        raise UsageError(
            f"the keyring has a key named `{entry.name}` already: {masked(entry.key_id)} of {entry.arn}",
            why="the secret of that key would be overwritten",
            hint=f"choose another name, or replace the key: `dsops keys add {entry.name} --replace`",
        )


def _note_lost(entry: KeysEntry | None, new: KeysEntry) -> None:
    """Show a note for each key of an unfinished rotation whose secret is lost because the entry was replaced."""
    for key_id in (entry.next_key_id, entry.old_key_id) if entry is not None else ():
        if key_id and key_id != new.key_id:
            note(f"the secret of {key_id}, of a rotation, is gone from the keyring: delete that key in AWS")


def _list(arguments: Arguments, runtime: Runtime) -> int:
    entries, now = index.contents(runtime.environ).keys.values(), runtime.now()
    if arguments.switch("--json"):
        answer_json(
            [
                {
                    "name": entry.name,
                    "key_id": masked(entry.key_id),
                    "arn": entry.arn,
                    "added": entry.added,
                    "created": entry.created or None,
                    "rotation": _rotation(entry) or None,
                    "backend": entry.backend,
                }
                for entry in entries
            ]
        )
    elif entries:
        rows = [
            (each.name, masked(each.key_id), each.arn, _age(each, now), each.backend, _rotation(each))
            for each in entries
        ]
        answer(table(("NAME", "KEY", "USER", "AGE", "BACKEND", "ROTATION"), rows, least=("USER", "BACKEND", "KEY")))
    else:
        note("the keyring has no keys of dsops; `dsops keys add NAME` adds one")
    return 0


def _age(entry: KeysEntry, now: datetime) -> str:
    """Return the age of the key: `90 days`, or `90 days or more` if only its date in the keyring is known."""
    try:
        days = (now - datetime.fromisoformat(entry.created or entry.added)).days
    except (ValueError, TypeError):
        return "unknown"
    return f"{days} day{'' if days == 1 else 's'}{'' if entry.created else ' or more'}"


def _rotation(entry: KeysEntry) -> str:
    """Describe the state of an unfinished rotation; "" if there is none."""
    if entry.next_key_id:
        return f"interrupted: {masked(entry.next_key_id)} is not used yet"
    if entry.old_key_id:
        return f"{masked(entry.old_key_id)} is {'inactive' if entry.old_is_off else 'still active'}"
    return ""


def _rotate(arguments: Arguments, runtime: Runtime) -> int:
    """Rotate the key of that name, or continue an interrupted rotation."""
    name = arguments.operand("KEY")
    with index.changing(runtime.environ) as before:
        rotation = Rotation(
            entry_named(before, name),
            before,
            runtime,
            carry_out,
            note=note,
            deletes_old=arguments.switch("--delete-old"),
            serial_number=arguments.text("--serial-number"),
        )
        rotation.run()
    entry = rotation.entry
    runtime.report(DONE)
    if arguments.switch("--json"):
        answer_json(
            {
                "name": name,
                "key_id": masked(entry.key_id),
                "old_key_id": masked(entry.old_key_id) if entry.old_key_id else None,
            }
        )
        return 0
    answer_sentence(f"`{name}` is the key {masked(entry.key_id)} of {entry.arn} now")
    if entry.old_key_id:
        note(
            f"the old key {masked(entry.old_key_id)} is inactive; once nothing uses it, "
            f"`dsops keys remove {name} --old` deletes it"
        )
    return 0


def _remove(arguments: Arguments, runtime: Runtime) -> int:
    name, environ = arguments.operand("KEY"), runtime.environ
    keyring = Keyring.of(runtime)
    with index.changing(environ) as before:
        entry = entry_named(before, name)
        if arguments.switch("--old"):
            result = _remove_old(entry, keyring, before, runtime)
        else:
            result = _remove_all(entry, keyring, before, runtime, from_aws=arguments.switch("--from-aws"))
    runtime.report(DONE)
    note(result)
    return 0


def _remove_old(entry: KeysEntry, keyring: Keyring, before: index.Contents, runtime: Runtime) -> str:
    """Delete the old key that a rotation has replaced."""
    if not entry.old_key_id:
        raise UsageError(
            f"`{entry.name}` has no old key left by a rotation", hint="`dsops keys list` shows the old keys"
        )
    if not entry.old_is_off:
        raise UsageError(
            f"the old key {masked(entry.old_key_id)} of `{entry.name}` is still active",
            why="programs that use it would fail at once, and a deleted key can't be restored",
            hint=f"`dsops keys rotate {entry.name}` continues the rotation and deactivates it",
        )
    secrets = get_secrets(keyring, entry.name, entry.backend)
    carry_out(delete_key(entry, entry.old_key_id, credentials_of(entry, secrets), runtime), runtime)
    put_secrets(keyring, entry.name, {entry.key_id: secrets[entry.key_id]}, entry.backend)
    after = entry._replace(old_key_id="", old_is_off=False)
    index.write(runtime.environ, before._replace(keys={**before.keys, entry.name: after}))
    return f"the old key {masked(entry.old_key_id)} of `{entry.name}` is deleted in AWS"


def _remove_all(entry: KeysEntry, keyring: Keyring, before: index.Contents, runtime: Runtime, *, from_aws: bool) -> str:
    result = f"the keyring has no key `{entry.name}` any more; AWS still accepts {masked(entry.key_id)}"
    if from_aws:
        credentials = credentials_of(entry, get_secrets(keyring, entry.name, entry.backend))
        # The key that signs these calls is deleted after the other keys.
        for key_id in (entry.old_key_id, entry.next_key_id, entry.key_id):
            if key_id:
                carry_out(delete_key(entry, key_id, credentials, runtime), runtime)
        result = f"neither AWS nor the keyring has the key {masked(entry.key_id)} of {entry.arn} any more"
    with suppress(KeyringEntryMissing):
        keyring.delete(SERVICE, entry.name, entry.backend)
    keys = {name: each for name, each in before.keys.items() if name != entry.name}
    index.write(runtime.environ, before._replace(keys=keys))
    return clean(result)


_KEY = Operand("KEY", "the name of the key in the keyring")

COMMAND = Group(
    help=(
        "Keep long-term access keys of IAM users in the keyring instead of a plain file: in the desktop's\n"
        "keyring, `pass`, an encrypted file, the Linux kernel, or 1Password. A store with `type: aws.keys`\n"
        "provides a key to the stores that name it in `credentials_from`. The desktop's keyring and the file\n"
        "need the extra `keyring`; without it, the error says how to install it."
    ),
    commands={
        "add": Command(
            help=(
                "Add an access key to the keyring, after asking AWS which user it belongs to.\n"
                "Type the access key id and the secret (they are not shown), or pipe them in: on two lines, as the\n"
                "JSON of `aws iam create-access-key`, or as the CSV file of the console."
            ),
            run=_add,
            changes_who=True,
            flags=(
                FROM_FILE,
                BACKEND,
                Flag("--from-profile", "take the key of this AWS profile", value="NAME"),
                Flag("--replace", "replace an existing key of this name", "switch"),
            ),
            operands=(Operand("NAME", "the name of the key: `key_name` in dsops.yaml"),),
            hides_words=True,
        ),
        "list": Command(help="List the keys with their users and ages, without opening the keyring.", run=_list),
        "rotate": Command(
            help=(
                "Create a new access key, store it in the keyring, and deactivate the old key.\n"
                "An interrupted rotation continues where it stopped. At least one key always works. The user needs\n"
                "iam:ListAccessKeys, CreateAccessKey, UpdateAccessKey and DeleteAccessKey on\n"
                "arn:aws:iam::*:user/${aws:username}."
            ),
            run=_rotate,
            changes_who=True,
            flags=(
                Flag("--delete-old", "delete the old key, and any key left by an earlier rotation", "switch"),
                Flag("--serial-number", "use this MFA device, if IAM requires MFA for the rotation", value="SERIAL"),
            ),
            operands=(_KEY,),
        ),
        "remove": Command(
            help="Remove a key from the keyring; AWS still accepts it, unless --from-aws is given.",
            run=_remove,
            changes_who=True,
            flags=(
                Flag("--from-aws", "delete the key in AWS first", "switch"),
                Flag("--old", "delete only the key that a rotation has replaced, in AWS and in the keyring", "switch"),
            ),
            operands=(_KEY,),
        ),
    },
)
