"""The keyring of a client: its backends, in the order in which they are tried for a new secret.

`index` says which backend has an entry, so a secret is read from that backend only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence

from dsops.errors import DsopsError, ExtraMissing, KeyringUnavailable, UsageError
from dsops.keyring.backend import DEFAULT_ORDER, DESKTOP, FILE, KERNEL, ONE_PASSWORD, PASS, Backend, parse_order
from dsops.keyring.index import VARIABLE, is_off
from dsops.runtime import Runtime, no_prompt
from dsops.secret import Secret
from dsops.startup import NamedTuple


class Kept(NamedTuple):
    """Where a new secret was stored."""

    backend: str
    label: str
    """Where the secret is stored, in words for messages."""
    left_in: str = ""
    """The backend that still contains the previous secret, because its deletion failed; "" if there is none."""


class Keyring(NamedTuple):
    """The backends of the keyring, for a client with these environment variables, working directory and terminal."""

    environ: Mapping[str, str]
    folder: str
    ask: Callable[[str], Secret | None] = no_prompt
    run_memory: MutableMapping[str, object] | None = None
    order: tuple[str, ...] = DEFAULT_ORDER

    @classmethod
    def of(cls, runtime: Runtime, order: tuple[str, ...] = DEFAULT_ORDER) -> Keyring:
        """Return the keyring for the runtime's user. `order` lists the backends to try when a new secret is stored."""
        return cls(runtime.environ, runtime.folder, runtime.ask, runtime.run_memory, order)

    def get(self, service: str, account: str, backend: str) -> Secret | None:
        """Return the secret that the backend has under that name, or None if it has none."""
        return self._allowed(backend).get(service, account)

    def put(self, service: str, account: str, value: Secret, backend: str = "") -> Kept:
        """Store a secret in the given backend, or in the first backend of the order that this machine can use.

        If that backend is locked or fails, the error is raised. No further backend is tried, because the user would
        not expect the secret there.
        """
        if backend:
            return Kept(backend, self._allowed(backend).put(service, account, value))
        self._require_on()
        failures: list[tuple[str, DsopsError]] = []
        for name in self.order:
            try:
                return Kept(name, self.backend(name).put(service, account, value))
            except (KeyringUnavailable, ExtraMissing) as error:
                failures.append((name, error))
        raise failures[0][1] if len(failures) == 1 else _none_works(failures)

    def delete_previous(self, service: str, account: str, kept: Kept, backend: str) -> Kept:
        """Delete the secret that `kept` replaces, if it is in another backend.

        `backend` is the backend of the replaced secret. If the deletion fails, it is recorded in the returned `kept`.
        """
        if backend in {"", kept.backend}:
            return kept
        try:
            self.delete(service, account, backend)
        except DsopsError:
            return kept._replace(left_in=backend)
        return kept

    def delete(self, service: str, account: str, backend: str) -> None:
        """Delete a secret. Does nothing if the backend has no secret of that name."""
        self._allowed(backend).delete(service, account)

    def check(self) -> list[tuple[str, str]]:
        """Return each backend of the order with the reason why it can't be used, or "". Shows no prompt."""
        return [(name, self.backend(name).check()) for name in self.order]

    def backend(self, name: str) -> Backend:
        """Return the backend of that name, from an order or from the index. Its module is imported on first use."""
        kind, _, vault = name.partition(":")
        if kind == DESKTOP:
            from dsops.keyring.desktop import DesktopKeyring

            return DesktopKeyring(self.environ, self.folder)
        if kind == KERNEL:
            from dsops.keyring.kernel import KernelKeyring

            return KernelKeyring()
        if kind == PASS:
            from dsops.keyring.pass_store import PassStore

            return PassStore(self.environ, self.folder)
        if kind == ONE_PASSWORD:
            from dsops.keyring.one_password import OnePassword

            return OnePassword(self.environ, self.folder, vault)
        if kind == FILE:
            from dsops.keyring.sealed_file import SealedFile

            return SealedFile(self.environ, self.ask, self.run_memory)
        raise KeyringUnavailable(
            f"this version of dsops has no keyring backend `{kind}`",
            why="it is in dsops' list of keyring entries, so a newer version of dsops wrote the list",
            hint="update dsops",
        )

    def _allowed(self, name: str) -> Backend:
        self._require_on()
        return self.backend(name)

    def _require_on(self) -> None:
        if is_off(self.environ):
            raise KeyringUnavailable(
                "the keyring is disabled",
                why=f"{VARIABLE} is set; a sandbox sets it for its commands",
                hint=f"outside of a sandbox, unset {VARIABLE}",
            )


def order_of(environ: Mapping[str, str], configured: tuple[str, ...]) -> tuple[str, ...]:
    """Return the order of backends: that of DSOPS_KEYRING, else of the user's configuration, else the default.

    Raises UsageError if the variable is invalid.
    """
    text = environ.get(VARIABLE, "")
    if not text or is_off(environ):
        return configured or DEFAULT_ORDER
    try:
        return parse_order([word.strip() for word in text.split(",")])
    except ValueError as error:
        raise UsageError(
            f"{VARIABLE} is invalid", why=str(error), hint=f"write for example {VARIABLE}=pass,file"
        ) from error


def _none_works(failures: Sequence[tuple[str, DsopsError]]) -> KeyringUnavailable:
    """Return one error with the reasons of all backends."""
    reasons = [f"{name}: {error.message}" for name, error in failures]
    hints = [error.hint for _, error in failures if isinstance(error, ExtraMissing)]
    return KeyringUnavailable(
        "none of the keyring's backends can be used here",
        why="; ".join(reasons),
        hint=hints[0]
        if hints
        else "run the command at a terminal, or without a keyring: `mfa_process` for codes, a profile for keys",
    )
