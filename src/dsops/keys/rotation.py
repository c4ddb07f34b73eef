"""Key rotation. Each step may fail, and the next run resumes at that step.

The steps are:

- create a key
- store it in the keyring
- test it
- put it into use
- deactivate the old key
- delete the old key

The keyring's list records each step. The key in use works at every moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from dsops.aws.apis.access_keys import (
    AccessKey,
    create_access_key,
    deactivate_access_key,
    delete_access_key,
    list_access_keys,
)
from dsops.aws.apis.iam import Iam
from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.call import make_client
from dsops.credentials import Credentials
from dsops.errors import AccessDenied, CredentialsInvalid, DsopsError, EntityNotFound, KeyRotationStopped, ServiceError
from dsops.keyring import index
from dsops.keyring.index import Contents, KeysEntry
from dsops.keyring.items import Keyring
from dsops.keyring.keys import credentials_of, get_secrets, put_secrets
from dsops.keys.user import iam_of, masked, session_with_mfa, sts_of, user_of
from dsops.runtime import Event, Runtime
from dsops.tasks import Work, pause
from dsops.text import clean

T = TypeVar("T")

_TRIES = 60
_PAUSE_SECONDS = 1.0
"""The pause between retries of a call that a new key signs; calls are retried for a minute.

AWS may not know a new key yet: IAM's changes take seconds to reach every part of AWS (IAM User Guide, "Changes that I
make are not always immediately visible").
"""

_PERMISSIONS = (
    "allow iam:ListAccessKeys, iam:CreateAccessKey, iam:UpdateAccessKey and iam:DeleteAccessKey on "
    "arn:aws:iam::*:user/${aws:username}; where that asks for MFA, name the device: --serial-number"
)


class CarryOut(Protocol):
    """Protocol: runs work that may send requests. It writes the audit trail before it returns the result."""

    def __call__(self, work: Work[T], runtime: Runtime, /) -> T:
        """Run the work and return its result."""


class Rotation:
    """One rotation: its state, and the remaining steps."""

    def __init__(
        self,
        entry: KeysEntry,
        contents: Contents,
        runtime: Runtime,
        carry_out: CarryOut,
        *,
        note: Callable[[str], None],
        deletes_old: bool,
        serial_number: str,
    ) -> None:
        """`note` shows a message to the user; `serial_number` is the MFA device to use, or ""."""
        self.entry = entry
        """The rotation's current state, as in the keyring's list."""
        self._contents = contents
        self._runtime = runtime
        self._carry_out = carry_out
        self._note = note
        self._deletes_old = deletes_old
        self._serial_number = serial_number
        self._keyring = Keyring.of(runtime)
        self._secrets = get_secrets(self._keyring, entry.name, entry.backend)
        self._user = user_of(entry)
        self._session: Credentials | None = None

    def run(self) -> None:
        """Perform the remaining steps."""
        entry = self.entry
        if entry.next_key_id:
            self._note(f"the rotation that was interrupted goes on with the key {masked(entry.next_key_id)}")
        elif not entry.old_key_id or entry.old_is_off:
            self._make_room()
            self._make()
        if self.entry.next_key_id:
            self._use()
        if self.entry.old_key_id and not self.entry.old_is_off:
            self._switch_off()
        if self._deletes_old:
            self._delete_old()

    def _make_room(self) -> None:
        """Make sure that the user has only one key. AWS allows two, and the new key will be the second."""
        entry = self.entry
        try:
            user_keys = self._ask(lambda iam: list_access_keys(iam, self._user))
        except DsopsError as error:
            self._tell_unchanged(error)
            raise
        other = next((key for key in user_keys if key.key_id != entry.key_id), None)
        if entry.old_key_id and (other is None or other.key_id != entry.old_key_id):
            self._forget_old()  # the old key was deleted outside of dsops
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
            why = f"{masked(entry.key_id)} is in use; the other key is {other.key_id}, {state}, created {other.created}"
            hint = (
                f"`aws iam get-access-key-last-used --access-key-id {other.key_id}` shows whether it is used; if not, "
                f"`aws iam delete-access-key --user-name {self._user} --access-key-id {other.key_id}`"
            )
        if other is not None and other.key_id == entry.old_key_id:
            hint = (
                f"delete the key of the earlier rotation: `dsops keys remove {entry.name} --old`, or use --delete-old"
            )
        return KeyRotationStopped(
            f"`{entry.name}` was not rotated: {entry.arn} has two keys, the most that AWS allows", why=why, hint=hint
        )

    def _make(self) -> None:
        """Create a key and store its secret in the keyring. Deletes the key again if that fails."""
        entry = self.entry
        try:
            new_key, created = self._ask(lambda iam: create_access_key(iam, self._user))
        except KeyRotationStopped as error:
            raise self._two_keys(None) from error
        except ServiceError as error:
            self._tell_unchanged(error)
            if error.how_far == "sent":
                error.retell(error.message, why="IAM may still have created a key, whose secret is lost")
            raise
        except DsopsError as error:
            self._tell_unchanged(error)
            raise
        self._report(f"IAM has made the key {masked(new_key.access_key_id)}")
        try:
            self._secrets[new_key.access_key_id] = new_key.secret_access_key
            put_secrets(self._keyring, entry.name, self._secrets, entry.backend)
            self._write(entry._replace(next_key_id=new_key.access_key_id, next_created=created))
        except BaseException:
            self._take_back(new_key.access_key_id)
            raise

    def _take_back(self, key_id: str) -> None:
        """Delete a new key whose secret could not be stored.

        The key is unusable, but it is one of the two keys that AWS allows a user.
        """
        self._secrets.pop(key_id, None)
        try:
            self._ask(lambda iam: delete_access_key(iam, self._user, key_id))
        except (DsopsError, KeyboardInterrupt):
            self._note(
                f"a new key {key_id} was made whose secret is lost: delete it with "
                f"`aws iam delete-access-key --user-name {self._user} --access-key-id {key_id}`"
            )

    def _use(self) -> None:
        """Try the new key. If it works, make it the key in use."""
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
                hint=f"try again in a minute: `dsops keys rotate {entry.name}` continues the rotation",
                aws=error.aws,
            ) from error
        if identity.arn != entry.arn:
            raise KeyRotationStopped(
                f"the new key of `{entry.name}` belongs to {clean(identity.arn)}, not to {entry.arn}",
                hint=f"add the right key: `dsops keys add {entry.name} --replace`",
            )
        self._report(f"the key {masked(entry.next_key_id)} works, and is used from now on")
        tried = entry._replace(key_id=entry.next_key_id, created=entry.next_created, next_key_id="", next_created="")
        added = self._runtime.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._write(tried._replace(old_key_id=entry.key_id, old_is_off=False, added=added))

    def _switch_off(self) -> None:
        """Deactivate the old key.

        The call is signed by the new key. If IAM does not accept the new key, the call fails and the old key stays
        active.
        """
        entry = self.entry
        try:
            self._ask(lambda iam: deactivate_access_key(iam, self._user, entry.old_key_id), is_new=True)
        except EntityNotFound:
            self._forget_old()
            return
        except DsopsError as error:
            self._tell_incomplete(error, "switched off")
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
            self._tell_incomplete(error, "deleted")
            raise
        self._report(f"the key {masked(entry.old_key_id)} is deleted")
        self._forget_old()

    def _forget_old(self) -> None:
        entry = self.entry
        self._secrets.pop(entry.old_key_id, None)
        put_secrets(self._keyring, entry.name, self._secrets, entry.backend)
        self._write(entry._replace(old_key_id="", old_is_off=False))

    def _write(self, entry: KeysEntry) -> None:
        self._contents = self._contents._replace(keys={**self._contents.keys, entry.name: entry})
        index.write(self._runtime.environ, self._contents)
        self.entry = entry

    def _report(self, step: str) -> None:
        self._runtime.report(Event("keys.rotating", {"name": self.entry.name, "step": step}))

    def _ask(self, work: Callable[[Iam], Work[T]], *, is_new: bool = False) -> T:
        """Call IAM, signed by the key in use or by its MFA session.

        `is_new`: retry the call, because IAM may not know the new key yet.
        """
        iam = iam_of(self.entry, self._session or self._signer(), self._runtime)
        return self._patiently(lambda: work(iam)) if is_new else self._carry_out(work(iam), self._runtime)

    def _signer(self) -> Credentials:
        credentials = credentials_of(self.entry, self._secrets)
        if self._serial_number:
            session = session_with_mfa(self.entry, credentials, self._serial_number, self._runtime)
            self._session = self._carry_out(session, self._runtime)
            return self._session
        return credentials

    def _patiently(self, work: Callable[[], Work[T]]) -> T:
        """Run work whose requests the new key signs. Retry as long as AWS does not accept the new key yet."""

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

        return self._carry_out(repeated(), self._runtime)

    def _tell_unchanged(self, error: DsopsError) -> None:
        entry = self.entry
        hint = _PERMISSIONS if isinstance(error, AccessDenied) else ""
        if isinstance(error, CredentialsInvalid):
            hint = f"put a key there that works: `dsops keys add {entry.name} --replace`"
        error.retell(f"`{entry.name}` was not rotated: {error.message}", hint=hint)

    def _tell_incomplete(self, error: DsopsError, what: str) -> None:
        entry = self.entry
        hint = _PERMISSIONS if isinstance(error, AccessDenied) else error.hint
        error.retell(
            f"`{entry.name}` is the key {masked(entry.key_id)} now, but the one before, {masked(entry.old_key_id)}, "
            f"could not be {what}: {error.message}",
            hint=f"{hint}; `dsops keys rotate {entry.name}` continues the rotation" if hint else "",
        )
