"""`dsops keys rotate`: a new key in the place of the old one, in steps of which any may fail.

make -> keep -> try -> use -> switch the old one off -> delete it. The list of what the keyring has says after each step
where a rotation stands, so the next run goes on from there; at every moment the key that is used is one that works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dsops.aws.apis.access_keys import (
    AccessKey,
    create_access_key,
    deactivate_access_key,
    delete_access_key,
    list_access_keys,
)
from dsops.aws.apis.iam import Iam
from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.client import make_client
from dsops.cli.framework.command import Arguments
from dsops.cli.framework.output import answer, answer_json, clean, note
from dsops.cli.framework.world import DONE
from dsops.cli.login.keys_place import iam_of, masked, sts_of, user_of
from dsops.cli.login.keys_signer import session_with_mfa
from dsops.credentials import Credentials
from dsops.errors import AccessDenied, CredentialsInvalid, DsopsError, EntityNotFound, KeyRotationStopped, ServiceError
from dsops.keyring import index
from dsops.keyring.index import Contents, KeysEntry
from dsops.keyring.items import Keyring
from dsops.keyring.keys import credentials_of, entry_named, get_secrets, put_secrets
from dsops.pipeline.execution import carry_out
from dsops.runtime import Event, Runtime
from dsops.tasks import Work, pause

T = TypeVar("T")

_TRIES = 60
_PAUSE_SECONDS = 1.0
"""IAM's changes take seconds to reach every part of AWS (IAM User Guide, "Changes that I make are not always
immediately visible"): for a minute a new key that is not known may just be too new."""

_PERMISSIONS = (
    "allow iam:ListAccessKeys, iam:CreateAccessKey, iam:UpdateAccessKey and iam:DeleteAccessKey on "
    "arn:aws:iam::*:user/${aws:username}; where that asks for MFA, name the device: --serial-number"
)


def rotate(arguments: Arguments, runtime: Runtime) -> int:
    """Rotates the key of that name, or goes on with a rotation that was interrupted."""
    name = arguments.operand("KEY")
    with index.changing(runtime.environ) as before:
        rotation = Rotation(entry_named(before, name), before, arguments, runtime)
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
    answer(clean(f"`{name}` is the key {masked(entry.key_id)} of {entry.arn} now"))
    if entry.old_key_id:
        note(
            f"the old key {masked(entry.old_key_id)} is inactive; when nothing misses it, "
            f"`dsops keys remove {name} --old` deletes it"
        )
    return 0


class Rotation:
    """One rotation: where it stands, and its steps."""

    def __init__(self, entry: KeysEntry, contents: Contents, arguments: Arguments, runtime: Runtime) -> None:
        self.entry = entry
        """As the list has it."""
        self._contents = contents
        self._runtime = runtime
        self._deletes_old = arguments.switch("--delete-old")
        self._serial_number = arguments.text("--serial-number")
        self._keyring = Keyring(runtime.environ, runtime.folder)
        self._secrets = get_secrets(self._keyring, entry.name)
        self._user = user_of(entry)
        self._session: Credentials | None = None

    def run(self) -> None:
        """All steps that are left."""
        entry = self.entry
        if entry.next_key_id:
            note(f"the rotation that was interrupted goes on with the key {masked(entry.next_key_id)}")
        elif not entry.old_key_id or entry.old_is_off:
            self._make_room()
            self._make()
        if self.entry.next_key_id:
            self._use()
        if self.entry.old_key_id and not self.entry.old_is_off:
            self._switch_off()
        if self._deletes_old:
            self._delete_old()

    # --- steps -------------------------------------------------------------------------------------------------

    def _make_room(self) -> None:
        """A user has two keys at the most: a third one is not to be had."""
        entry = self.entry
        try:
            listed = self._ask(lambda iam: list_access_keys(iam, self._user))
        except DsopsError as error:
            self._tell_unchanged(error)
            raise
        other = next((key for key in listed if key.key_id != entry.key_id), None)
        if entry.old_key_id and (other is None or other.key_id != entry.old_key_id):
            self._forget_old()  # somebody has deleted it
        elif other is not None and entry.old_key_id and self._deletes_old:
            self._delete_old()
            return
        if other is not None:
            raise self._two_keys(other)

    def _two_keys(self, other: AccessKey | None) -> KeyRotationStopped:
        entry = self.entry
        why = "only one of them is in this keyring"
        hint = "`aws iam list-access-keys` shows the other one, `aws iam delete-access-key` deletes it"
        if other is not None:
            state = "active" if other.is_active else "inactive"
            why = f"besides {masked(entry.key_id)}, used here, there is {other.key_id}, {state}, of {other.created}"
            hint = (
                f"`aws iam get-access-key-last-used --access-key-id {other.key_id}` shows whether it is used; if not, "
                f"`aws iam delete-access-key --user-name {self._user} --access-key-id {other.key_id}`"
            )
        if other is not None and other.key_id == entry.old_key_id:
            hint = f"it is the one before: `dsops keys remove {entry.name} --old`, or rotate with --delete-old"
        return KeyRotationStopped(
            f"`{entry.name}` was not rotated: {entry.arn} has two keys, the most that AWS allows", why=why, hint=hint
        )

    def _make(self) -> None:
        """A new key, and its secret in the keyring; one that can't be kept is deleted again."""
        entry = self.entry
        try:
            made, created = self._ask(lambda iam: create_access_key(iam, self._user))
        except KeyRotationStopped as error:
            raise self._two_keys(None) from error
        except ServiceError as error:
            self._tell_unchanged(error)
            if error.how_far == "sent":
                error.retell(error.message, why="IAM may have made a key all the same, of which nobody has the secret")
            raise
        except DsopsError as error:
            self._tell_unchanged(error)
            raise
        self._report(f"IAM has made the key {masked(made.access_key_id)}")
        try:
            self._secrets[made.access_key_id] = made.secret_access_key
            put_secrets(self._keyring, entry.name, self._secrets)
            self._write(entry._replace(next_key_id=made.access_key_id, next_created=created))
        except BaseException:
            self._take_back(made.access_key_id)
            raise

    def _take_back(self, key_id: str) -> None:
        """Deletes a key whose secret could not be kept: nobody has it, and it takes the place of another."""
        self._secrets.pop(key_id, None)
        try:
            self._ask(lambda iam: delete_access_key(iam, self._user, key_id))
        except (DsopsError, KeyboardInterrupt):
            note(
                f"a new key {key_id} was made whose secret is lost: delete it with "
                f"`aws iam delete-access-key --user-name {self._user} --access-key-id {key_id}`"
            )

    def _use(self) -> None:
        """Tries the new key, and has it used from then on."""
        entry = self.entry
        credentials = credentials_of(entry, self._secrets, entry.next_key_id)
        endpoint = sts_of(entry, self._runtime)
        try:
            client = make_client(self._runtime)
            identity = self._patiently(lambda: get_caller_identity(client, credentials, endpoint))
        except CredentialsInvalid as error:
            raise KeyRotationStopped(
                f"the new key {masked(entry.next_key_id)} of `{entry.name}` does not work yet",
                why=f"{error.why or error.message}; the key in use is still {masked(entry.key_id)}",
                hint=f"try again in a minute: `dsops keys rotate {entry.name}` goes on from here",
                aws=error.aws,
            ) from error
        if identity.arn != entry.arn:
            raise KeyRotationStopped(
                f"the new key of `{entry.name}` is one of {clean(identity.arn)}, not of {entry.arn}",
                hint=f"put the right key there: `dsops keys add {entry.name} --replace`",
            )
        self._report(f"the key {masked(entry.next_key_id)} works, and is used from now on")
        tried = entry._replace(key_id=entry.next_key_id, created=entry.next_created, next_key_id="", next_created="")
        added = self._runtime.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._write(tried._replace(old_key_id=entry.key_id, old_is_off=False, added=added))

    def _switch_off(self) -> None:
        """Signed by the new key: it has to be good for this, too."""
        entry = self.entry
        try:
            self._ask(lambda iam: deactivate_access_key(iam, self._user, entry.old_key_id), is_new=True)
        except EntityNotFound:
            self._forget_old()
            return
        except DsopsError as error:
            self._tell_half(error, "switched off")
            raise
        self._report(f"the key {masked(entry.old_key_id)} is switched off")
        self._write(entry._replace(old_is_off=True))

    def _delete_old(self) -> None:
        entry = self.entry
        if not entry.old_key_id:
            return
        try:
            self._ask(lambda iam: delete_access_key(iam, self._user, entry.old_key_id))
        except EntityNotFound:
            pass
        except DsopsError as error:
            self._tell_half(error, "deleted")
            raise
        self._report(f"the key {masked(entry.old_key_id)} is deleted")
        self._forget_old()

    def _forget_old(self) -> None:
        entry = self.entry
        self._secrets.pop(entry.old_key_id, None)
        put_secrets(self._keyring, entry.name, self._secrets)
        self._write(entry._replace(old_key_id="", old_is_off=False))

    # --- means -------------------------------------------------------------------------------------------------

    def _write(self, entry: KeysEntry) -> None:
        self._contents = self._contents._replace(keys={**self._contents.keys, entry.name: entry})
        index.write(self._runtime.environ, self._contents)
        self.entry = entry

    def _report(self, step: str) -> None:
        self._runtime.report(Event("keys.rotating", {"name": self.entry.name, "step": step}))

    def _ask(self, work: Callable[[Iam], Work[T]], *, is_new: bool = False) -> T:
        """What IAM answers to the key in use, or to its session with MFA; `is_new`: it may not be known there yet."""
        iam = iam_of(self.entry, self._session or self._signer(), self._runtime)
        return self._patiently(lambda: work(iam)) if is_new else carry_out(work(iam), self._runtime)

    def _signer(self) -> Credentials:
        credentials = credentials_of(self.entry, self._secrets)
        if self._serial_number:
            self._session = session_with_mfa(self.entry, credentials, self._serial_number, self._runtime)
            return self._session
        return credentials

    def _patiently(self, work: Callable[[], Work[T]]) -> T:
        """The result of work that a new key signs: for a while AWS may not know it everywhere."""

        async def repeated() -> T:
            for left in reversed(range(_TRIES)):
                try:
                    return await work()
                except CredentialsInvalid:
                    if not left:
                        raise
                self._runtime.report(Event("keys.waiting", {"name": self.entry.name}))
                await pause(_PAUSE_SECONDS)
            raise AssertionError

        return carry_out(repeated(), self._runtime)

    def _tell_unchanged(self, error: DsopsError) -> None:
        entry = self.entry
        hint = _PERMISSIONS if isinstance(error, AccessDenied) else ""
        if isinstance(error, CredentialsInvalid):
            hint = f"put a key there that works: `dsops keys add {entry.name} --replace`"
        error.retell(f"`{entry.name}` was not rotated: {error.message}", hint=hint)

    def _tell_half(self, error: DsopsError, what: str) -> None:
        entry = self.entry
        hint = _PERMISSIONS if isinstance(error, AccessDenied) else error.hint
        error.retell(
            f"`{entry.name}` is the key {masked(entry.key_id)} now, but the one before, {masked(entry.old_key_id)}, "
            f"could not be {what}: {error.message}",
            hint=f"{hint}; `dsops keys rotate {entry.name}` goes on from here" if hint else "",
        )
