"""Find a secret by name or ARN without a scan of all secrets.

moto compares a name or ARN with the name and ARN of each secret, about ten times in one call of PutSecretValue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from moto.secretsmanager import models as moto_secrets

    Stored = moto_secrets.FakeSecret | moto_secrets.ReplicaSecret


LAST_ACCESS: Final = "dsops.last_access"
"""The key under which moto's content of a version has the day of the version's last access."""
_STAGES_BY_VERSION: Final = frozenset({"VersionIdsToStages", "SecretVersionsToStages"})


class SecretTable(dict[str, "Stored"]):
    """Secrets by name and replicas by ARN, with an index of both; replaces moto's dictionary of secrets.

    moto never changes the name or ARN of a secret. It removes some replicas without a call of this class, so the index
    may contain keys of removed replicas.
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: dict[str, dict[str, None]] = {}
        """Name or ARN -> the keys of the secrets with this name or ARN."""

    def __setitem__(self, key: str, secret: Stored) -> None:
        self._drop(key)
        super().__setitem__(key, secret)
        for text in (secret.name, secret.arn):
            self._keys.setdefault(text, {})[key] = None

    def __getitem__(self, key: str) -> Stored:
        secret = self.get(key)
        if secret is None:
            raise KeyError(key)
        return secret

    def __contains__(self, key: object) -> bool:
        return self.get(str(key)) is not None

    def get(self, key: str) -> Stored | None:  # type: ignore[override]  # moto's signature
        """Return the first secret with this name or ARN, or else the secret with this partial ARN."""
        keys = self._keys.get(key, ())
        if len(keys) > 1:
            return next((secret for secret in self.values() if key in {secret.name, secret.arn}), None)
        secret = next((dict.get(self, only) for only in keys), None)
        return dict.get(self, _name_in(key)) if secret is None else secret

    def pop(self, key: str) -> Stored | None:  # type: ignore[override]  # moto's signature
        """Remove the secret with this name, ARN or partial ARN; return it, or None if it does not exist."""
        secret = self.get(key) if key in self._keys else None
        name = _name_in(key if secret is None else secret.name)
        self._drop(name)
        return super().pop(name, None)

    def named(self, name: str) -> Stored | None:
        """Return the secret that is stored under this name, or else the first secret with this name."""
        for key in (name, *self._keys.get(name, ())):
            secret = dict.get(self, key)
            if secret is not None and secret.name == name:
                return secret
        return None

    def _drop(self, key: str) -> None:
        """Remove a key from the index."""
        secret = dict.get(self, key)
        if secret is not None:
            for text in (secret.name, secret.arn):
                self._keys[text].pop(key, None)
                if not self._keys[text]:
                    del self._keys[text]


def _name_in(key: str) -> str:
    """Return the name in a partial ARN, or else the key itself."""
    from moto.secretsmanager.utils import get_secret_name_from_partial_arn

    return get_secret_name_from_partial_arn(key)


def keep_secrets_by_name(models: Any) -> None:  # Any: a module of moto, which has no static type
    """Let moto keep secrets in a SecretTable, and return when each secret was last read."""
    models.SecretsStore = SecretTable
    secret_class = models.FakeSecret
    described = secret_class.to_dict
    if hasattr(described, "has_access"):
        return

    def to_dict(self: Any) -> dict[str, Any]:
        answer: dict[str, Any] = described(self)
        accesses = [version[LAST_ACCESS] for version in self.versions.values() if LAST_ACCESS in version]
        answer["LastAccessedDate"] = max(accesses, default=None)
        for name in _STAGES_BY_VERSION & answer.keys():
            # AWS does not list versions without staging labels.
            answer[name] = {version: stages for version, stages in answer[name].items() if stages}
        return answer

    to_dict.has_access = True  # type: ignore[attr-defined]
    secret_class.to_dict = to_dict


def secret_named(backend: moto_secrets.SecretsManagerBackend, name: str) -> Stored | None:
    """Return the secret of that name, or else the replica of that name; None if neither exists."""
    return cast("SecretTable", backend.secrets).named(name)
