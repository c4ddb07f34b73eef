"""Contract tests for stores of dsops and of plugins.

Subclass a contract and override its fixture `subject`; pytest collects the tests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dsops.credentials import Credentials
from dsops.errors import CredentialsError, DsopsError, FieldMissing, SecretNotFound
from dsops.plan import SecretReference, Step
from dsops.schema import StoreType
from dsops.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dsops.stores.interface import CredentialStore, SecretStore


class SecretSubject(NamedTuple):
    """A secret store to test, and the data for the tests."""

    store: SecretStore
    fetch: Callable[[Sequence[SecretReference]], Mapping[SecretReference, Secret | DsopsError]]
    """A function that calls `store.fetch` with a suitable step, credentials and context."""
    plain: Mapping[str, str]
    """At least two existing keys with their values. One of the values must be a JSON object with a field `user`."""
    json_key: str
    missing_key: str
    """A key that does not exist; "" if the store has a value for every possible key."""
    requests: Callable[[], int] | None = None
    """A function that returns the number of requests made so far; None if the store makes no requests."""


class SecretStoreContract(ABC):
    """Contract tests of a SecretStore, which returns the values of a batch of references at once."""

    @pytest.fixture
    @abstractmethod
    def subject(self) -> SecretSubject:
        """Return the store and its test data."""

    def test_it_has_a_type(self, subject: SecretSubject) -> None:
        """The store has a type, which defines the keys that its configuration may contain."""
        assert isinstance(subject.store.store_type, StoreType)
        assert subject.store.store_type.gives_secrets

    def test_every_reference_is_answered_and_no_other(self, subject: SecretSubject) -> None:
        """Every reference of a batch gets its own value, and the result contains no other reference."""
        references = [SecretReference(key, "", "") for key in subject.plain]
        outcomes = subject.fetch(references)
        assert {reference: _value(outcome) for reference, outcome in outcomes.items()} == {
            SecretReference(key, "", ""): value for key, value in subject.plain.items()
        }

    def test_nothing_asked_for_is_nothing(self, subject: SecretSubject) -> None:
        """The store makes no request for an empty batch."""
        before = subject.requests() if subject.requests else 0
        assert dict(subject.fetch([])) == {}
        assert (subject.requests() if subject.requests else 0) == before

    def test_a_field_of_a_json_value(self, subject: SecretSubject) -> None:
        """A reference can name a field of a JSON value by path or by name, which needs no additional request."""
        whole, path, name = (SecretReference(subject.json_key, "", field) for field in ("", ".user", "user"))
        before = subject.requests() if subject.requests else 0
        outcomes = subject.fetch([whole, path, name])
        assert _value(outcomes[path]) == _value(outcomes[name])
        assert _value(outcomes[path]) in _value(outcomes[whole])
        assert (subject.requests() if subject.requests else 0) - before <= 1

    def test_a_missing_field_is_that_references_error(self, subject: SecretSubject) -> None:
        """The outcome of a reference to a missing field is an error, which is not raised and shows no value."""
        wrong = SecretReference(subject.json_key, "", ".no_such_field")
        right = SecretReference(subject.json_key, "", ".user")
        outcomes = subject.fetch([wrong, right])
        error = outcomes[wrong]
        assert isinstance(error, FieldMissing)
        assert ".no_such_field" in error.message
        assert _value(outcomes[right]) not in f"{error.message}{error.why}{error.hint}"

    def test_a_missing_secret_is_that_references_error(self, subject: SecretSubject) -> None:
        """If one secret is missing, its error names the key, and the other references still get their values."""
        if not subject.missing_key:
            pytest.skip("every key that may be asked for exists")
        missing = SecretReference(subject.missing_key, "", "")
        there = SecretReference(subject.json_key, "", "")
        outcomes = subject.fetch([missing, there])
        error = outcomes[missing]
        assert isinstance(error, SecretNotFound)
        assert subject.missing_key in error.message
        assert isinstance(outcomes[there], Secret)

    def test_outcomes_never_print_values(self, subject: SecretSubject) -> None:
        """The repr of the outcomes does not contain any secret value."""
        outcomes = subject.fetch([SecretReference(key, "", "") for key in subject.plain])
        printed = f"{outcomes!r} {outcomes}"
        assert not any(len(value) > 3 and value in printed for value in subject.plain.values())


class CredentialSubject(NamedTuple):
    """A credential store to test, and the data for the tests."""

    store: CredentialStore
    issue: Callable[[Credentials | None], Credentials]
    """A function that calls `store.issue` with a suitable step and context."""
    source: Credentials | None
    """The credentials that sign the store's call; None if the store needs none."""
    refuse: Callable[[], None]
    """A function that makes the issuer deny all further calls."""


class CredentialStoreContract(ABC):
    """Contract tests of a CredentialStore, which issues one set of credentials at a time."""

    @pytest.fixture
    @abstractmethod
    def subject(self) -> CredentialSubject:
        """Return the store, and the credentials that sign its call."""

    def test_it_has_a_type(self, subject: CredentialSubject) -> None:
        """The store has a type, which defines the keys that its configuration may contain."""
        assert isinstance(subject.store.store_type, StoreType)
        assert subject.store.store_type.gives_credentials

    def test_it_gives_a_whole_session(self, subject: CredentialSubject) -> None:
        """Issued credentials have a key id and a secret; an expiration, if there is one, has a time zone.

        The repr of the credentials hides the secrets.
        """
        session = subject.issue(subject.source)
        assert session.access_key_id
        assert session.secret_access_key.reveal()
        assert session.expiration is None or session.expiration.tzinfo is not None
        assert session.secret_access_key.reveal() not in repr(session)
        assert session.session_token is None or session.session_token.reveal() not in repr(session)

    def test_each_issue_is_a_new_one(self, subject: CredentialSubject) -> None:
        """Each call of `issue` returns new credentials, because the store does not cache them."""
        assert subject.issue(subject.source) is not subject.issue(subject.source)

    def test_it_does_not_work_without_a_source(self, subject: CredentialSubject) -> None:
        """If a store needs source credentials and gets none, it raises CredentialsError."""
        if subject.source is None:
            pytest.skip("it needs none")
        with pytest.raises(CredentialsError):
            subject.issue(None)

    def test_a_refusal_is_a_credentials_error(self, subject: CredentialSubject) -> None:
        """If the issuer denies the call, the store raises a CredentialsError with a hint and without secrets."""
        subject.refuse()
        with pytest.raises(CredentialsError) as caught:
            subject.issue(subject.source)
        assert caught.value.hint
        if subject.source is not None:
            printed = f"{caught.value.message}{caught.value.why}{caught.value.hint}"
            assert subject.source.secret_access_key.reveal() not in printed


def step_of(store_type: StoreType, **settings: object) -> Step:
    """Return a plan step of that store type, to test a store without a configuration."""
    from dsops.errors import Where
    from dsops.plan import Fingerprint
    from dsops.schema.operation import operation_of

    operation = operation_of(store_type, settings, settings.get("operation"))
    return Step(
        name="subject",
        type=store_type,
        settings=settings,  # type: ignore[arg-type]
        region="us-east-1",
        credentials_from="",
        profile="",
        fingerprint=Fingerprint("subject"),
        is_chained=None,
        where=Where("dsops.yaml", 2),
        operation=operation.name if operation else "",
    )


def _value(outcome: Secret | DsopsError) -> str:
    assert isinstance(outcome, Secret), outcome
    return outcome.reveal()
