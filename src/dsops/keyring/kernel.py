"""The backend `kernel`: the user keyring of the Linux kernel, by system calls.

The secrets are in the kernel's own memory, which is never swapped to a disk. They are lost at a reboot, and may be
lost when the user's last process ends. No program and no package is needed.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType

from dsops.errors import KeyringFailed, KeyringUnavailable
from dsops.input_file import reason
from dsops.secret import Secret

_GENERIC = (217, 219)
_CALLS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "x86_64": (248, 250),
        "aarch64": _GENERIC,
        "riscv64": _GENERIC,
        "loongarch64": _GENERIC,
        "ppc64le": (269, 271),
        "s390x": (278, 280),
    }
)
"""The numbers of add_key(2) and keyctl(2), from the kernel's system call tables."""

_GET_KEYRING_ID, _SETPERM, _SEARCH, _READ, _INVALIDATE = 0, 5, 10, 11, 21
_USER_KEYRING = -4
_TYPE = b"user"
_MOST_BYTES = 32767
_PERMISSIONS = 0x3F3F0000
"""All permissions for the possessor and for this user, and none for other users.

Some sessions of the user, such as a service's, do not possess the user keyring. Without the user's permissions, they
could find a key but not read it.
"""
_MISSING = (errno.ENOKEY, errno.EKEYEXPIRED, errno.EKEYREVOKED)
_LABEL = "kernel, until the next reboot"


class KernelKeyring:
    """The kernel's user keyring of the user who runs this process."""

    def get(self, service: str, account: str) -> Secret | None:
        """Return the secret stored under that name, or None if there is none."""
        serial = self._find(service, account)
        if serial is None:
            return None
        import ctypes

        buffer = ctypes.create_string_buffer(_MOST_BYTES)
        size = self._keyctl(_READ, serial, buffer, _MOST_BYTES)
        value = Secret.from_bytes(buffer.raw[:size])
        ctypes.memset(buffer, 0, _MOST_BYTES)
        return value

    def put(self, service: str, account: str, value: Secret) -> str:
        """Store a secret, replacing any secret of that name. Returns where it is stored, for messages."""
        data = value.reveal_bytes()
        if len(data) > _MOST_BYTES:
            raise KeyringFailed(
                "the secret is too long for the kernel's keyring",
                why=f"the limit is {_MOST_BYTES} bytes",
                hint="name another backend",
            )
        numbers = _numbers()
        serial = _call(numbers[0], _TYPE, _description(service, account), data, len(data), _USER_KEYRING)
        self._keyctl(_SETPERM, serial, _PERMISSIONS)
        return _LABEL

    def delete(self, service: str, account: str) -> None:
        """Delete a secret. Does nothing if there is no secret of that name."""
        serial = self._find(service, account)
        if serial is not None:
            self._keyctl(_INVALIDATE, serial)

    def check(self) -> str:
        """Return why this machine can't use the kernel's keyring, or ""."""
        try:
            self._keyctl(_GET_KEYRING_ID, _USER_KEYRING, 1)
        except KeyringFailed as error:
            return f"{error.message}: {error.why}" if error.why else error.message
        return ""

    def _find(self, service: str, account: str) -> int | None:
        try:
            return self._keyctl(_SEARCH, _USER_KEYRING, _TYPE, _description(service, account), 0)
        except KeyringFailed as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _MISSING:
                return None
            raise

    def _keyctl(self, operation: int, *arguments: object) -> int:
        return _call(_numbers()[1], operation, *arguments)


def _description(service: str, account: str) -> bytes:
    return f"{service}:{account}".encode()


def _numbers() -> tuple[int, int]:
    """Return the numbers of the two system calls. Raises KeyringUnavailable."""
    if sys.platform != "linux":
        raise KeyringUnavailable("only Linux has a keyring in its kernel", hint="name another backend")
    numbers = _CALLS.get(os.uname().machine) if sys.maxsize > 2**32 else None
    if numbers is None:
        raise KeyringUnavailable(
            f"dsops does not know the kernel keyring's system calls on {os.uname().machine} processors",
            hint="name another backend",
        )
    return numbers


def _call(number: int, *arguments: object) -> int:
    """Make a system call and return its result. Raises KeyringFailed, whose cause is the OSError."""
    import ctypes

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    # A plain int would be passed as 32 bits only.
    words = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result: int = syscall(ctypes.c_long(number), *words)
    if result >= 0:
        return result
    error = OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if error.errno in {errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP}:
        raise KeyringUnavailable(
            "the kernel's keyring can't be used here",
            why="the kernel was built without it, or this container forbids its system calls",
            hint="name another backend",
        ) from error
    hint = (
        "`cat /proc/key-users` shows your quota" if error.errno == errno.EDQUOT else "`keyctl show @u` lists its keys"
    )
    raise KeyringFailed("the kernel's keyring failed", why=reason(error), hint=hint) from error
