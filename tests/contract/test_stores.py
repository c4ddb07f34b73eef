"""Built-in stores fulfil the contract that stores of plugins must fulfil."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest

from dsops.cache import CredentialCache
from dsops.credentials import Credentials
from dsops.keyring import index
from dsops.keyring.items import Keyring
from dsops.keyring.keys import put_secrets
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.stores import credential_store, secret_store
from dsops.testing import CredentialStoreContract, CredentialSubject, SecretStoreContract, SecretSubject, step_of
from tests.anywhere import ANCHOR, ANYWHERE_PROFILE, ROLE
from tests.anywhere_in_memory import make_pipeline, write_files
from tests.aws_in_memory import Refusal
from tests.center_in_memory import ADA, REGION, START_URL, InMemoryCenter
from tests.pipeline import Pipeline
from tests.stubs.keyrings import StubKeyring

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dsops.errors import DsopsError
    from dsops.plan import SecretReference, Step
    from dsops.stores.interface import Context

VALUES = {"prod-db": '{"user": "the-app", "n": 1}', "prod-token": "a-token-value", "prod-empty": ""}


def key_of(name: str) -> Credentials:
    """A long-term key."""
    return Credentials(f"AKIA{name:0>16}", Secret("a-secret-access-key"))


def subject_of(
    step: Step,
    values: Mapping[str, str],
    *,
    json_key: str,
    missing_key: str,
    credentials: Credentials | None = None,
    pipeline: Pipeline | None = None,
) -> SecretSubject:
    """A store of the step's type whose values are held in memory."""
    world = pipeline or Pipeline()
    store = secret_store(step.type.name)

    def fetch(references: Sequence[SecretReference]) -> Mapping[SecretReference, Secret | DsopsError]:
        return world.time.run(store.fetch(step, references, credentials, context_of(world, step)), world.aws)

    return SecretSubject(store, fetch, values, json_key, missing_key, lambda: len(world.aws.calls))


def context_of(pipeline: Pipeline, step: Step) -> Context:
    """The context that a store receives."""
    from dsops.aws.http.call import make_client
    from dsops.stores.interface import Context

    assert step.region
    runtime = pipeline.runtime()
    return Context(runtime, make_client(runtime), pipeline.cache.memory)


class TestLiteral(SecretStoreContract):
    """`literal`."""

    @pytest.fixture
    def subject(self) -> SecretSubject:
        """A store whose values are in the step."""
        values = tuple((name, Secret(value)) for name, value in VALUES.items())
        step = step_of(secret_store("literal").store_type, values=values)
        return subject_of(step, VALUES, json_key="prod-db", missing_key="prod-nothing")


class TestEnv(SecretStoreContract):
    """`env`."""

    @pytest.fixture
    def subject(self) -> SecretSubject:
        """A store whose values are in environment variables."""
        pipeline = Pipeline()
        pipeline.environ = VALUES
        step = step_of(secret_store("env").store_type)
        return subject_of(step, VALUES, json_key="prod-db", missing_key="prod-nothing", pipeline=pipeline)


class TestSecretsManager(SecretStoreContract):
    """`aws.secretsmanager` with single reads."""

    @pytest.fixture
    def subject(self) -> SecretSubject:
        """A store with three secrets."""
        pipeline = Pipeline()
        pipeline.aws.secrets = dict(VALUES)
        step = step_of(secret_store("aws.secretsmanager").store_type)
        return subject_of(
            step, VALUES, json_key="prod-db", missing_key="prod-nothing", credentials=key_of("A"), pipeline=pipeline
        )


class TestSecretsManagerInBatches(SecretStoreContract):
    """`aws.secretsmanager` with enough secrets for batches."""

    @pytest.fixture
    def subject(self) -> SecretSubject:
        """A store with forty-three secrets, which need more than one batch."""
        values = VALUES | {f"key-{number}": f"value-{number}" for number in range(40)}
        pipeline = Pipeline()
        pipeline.aws.secrets = dict(values)
        step = step_of(secret_store("aws.secretsmanager").store_type)
        return subject_of(
            step, values, json_key="prod-db", missing_key="prod-nothing", credentials=key_of("A"), pipeline=pipeline
        )


class TestParameterStore(SecretStoreContract):
    """`aws.ssm`."""

    @pytest.fixture
    def subject(self) -> SecretSubject:
        """A store with twenty-three parameters."""
        values = VALUES | {f"/key/{number}": f"value-{number}" for number in range(20)}
        pipeline = Pipeline()
        pipeline.aws.parameters = dict(values)
        step = step_of(secret_store("aws.ssm").store_type)
        return subject_of(
            step, values, json_key="prod-db", missing_key="prod-nothing", credentials=key_of("A"), pipeline=pipeline
        )


class TestStsAsCredentials(CredentialStoreContract):
    """`aws.sts`."""

    @pytest.fixture
    def subject(self) -> CredentialSubject:
        """A store that assumes a role, with the user's key that signs the call."""
        pipeline = Pipeline()
        store = credential_store("aws.sts")
        step = step_of(
            store.store_type,
            role_arn="arn:aws:iam::222222222222:role/R",
            role_session_name="session",
            duration_seconds=3600,
        )._replace(operation="AssumeRole")

        def issue(source: Credentials | None) -> Credentials:
            return pipeline.time.run(store.issue(step, source, context_of(pipeline, step)), pipeline.aws)

        def refuse() -> None:
            message = "User: SESSION is not authorized to perform: sts:AssumeRole on resource: RESOURCE"
            pipeline.aws.rule = lambda _call: Refusal("AccessDenied", message, 403)

        return CredentialSubject(store, issue, key_of("A"), refuse)


class TestSsoAsCredentials(CredentialStoreContract):
    """`aws.sso`."""

    @pytest.fixture
    def subject(self, tmp_path: Path) -> CredentialSubject:
        """A store with a permission set, and a login that has it."""
        pipeline = Pipeline()
        pipeline.environ = {"HOME": str(tmp_path)}
        pipeline.aws = center = InMemoryCenter(pipeline.clock)
        pipeline.cache = CredentialCache(pipeline.clock, is_of_one_run=True)
        center.log_in(tmp_path)
        store = credential_store("aws.sso")
        step = step_of(
            store.store_type, start_url=START_URL, sso_region=REGION, account_id="012345678901", role_name="Admin"
        )

        def issue(source: Credentials | None) -> Credentials:
            return pipeline.time.run(store.issue(step, source, context_of(pipeline, step)), center)

        return CredentialSubject(store, issue, None, center.assigned[ADA].clear)


class TestRolesAnywhereAsCredentials(CredentialStoreContract):
    """`aws.rolesanywhere`."""

    @pytest.fixture
    def subject(self, tmp_path: Path) -> CredentialSubject:
        """A store with a machine's certificate, refused once the trust anchor is disabled."""
        pipeline, aws = make_pipeline()
        write_files(tmp_path)
        store = credential_store("aws.rolesanywhere")
        settings = {"trust_anchor_arn": ANCHOR, "profile_arn": ANYWHERE_PROFILE, "role_arn": ROLE}
        files = {"certificate": f"{tmp_path}/machine.pem", "private_key": f"{tmp_path}/machine.key"}
        step = step_of(store.store_type, **settings, **files)

        def issue(source: Credentials | None) -> Credentials:
            return pipeline.time.run(store.issue(step, source, context_of(pipeline, step)), aws)

        def refuse() -> None:
            identifier = ANCHOR.rpartition("/")[2]
            aws.lab.user("admin").call("rolesanywhere", "DisableTrustAnchor", trustAnchorId=identifier)

        return CredentialSubject(store, issue, None, refuse)


class TestProfileAsCredentials(CredentialStoreContract):
    """`aws.profile`."""

    @pytest.fixture
    def subject(self) -> CredentialSubject:
        """A store with a profile's temporary credentials, refused once the profile has a long-term key."""
        pipeline = Pipeline()
        store = credential_store("aws.profile")
        step = step_of(store.store_type, profile="work")
        session = Credentials("ASIAPROFILEPROFILE01", Secret("session-secret"), Secret("session-token"))
        provided = [session]

        def issue(source: Credentials | None) -> Credentials:
            credentials = provided[0] if source else None
            return pipeline.time.run(store.issue(step, credentials, context_of(pipeline, step)), pipeline.aws)

        def refuse() -> None:
            provided[0] = key_of("A")

        return CredentialSubject(store, issue, session, refuse)


class TestKeysAsCredentials(CredentialStoreContract):
    """`aws.keys`."""

    @pytest.fixture
    def subject(self, home: Path) -> CredentialSubject:
        """A store with a key in the keyring, refused once the keyring has lost the key."""
        stub = StubKeyring(home)
        pipeline = Pipeline()
        pipeline.environ = {**stub.environ, "AWS_REGION": "us-east-1"}
        pipeline.folder = "/"
        key_id = "AKIAKEYRINGKEYRING01"
        put_secrets(Keyring(stub.environ, "/"), "ada", {key_id: Secret("kept-secret")})
        entry = index.KeysEntry("ada", key_id, "arn:aws:iam::111111111111:user/ada", "2026-11-24T12:00:00Z")
        with index.changing(stub.environ) as before:
            index.write(stub.environ, before._replace(keys={"ada": entry}))
        store = credential_store("aws.keys")
        step = step_of(store.store_type, key_name="ada")

        def issue(source: Credentials | None) -> Credentials:
            return pipeline.time.run(store.issue(step, source, context_of(pipeline, step)), pipeline.aws)

        def refuse() -> None:
            with index.changing(stub.environ) as before:
                index.write(stub.environ, before._replace(keys={}))

        return CredentialSubject(store, issue, None, refuse)


def test_each_built_in_type_has_a_contract() -> None:
    """Every built-in store type has a test class in this file, which checks the common contract."""
    contracts = [*SecretStoreContract.__subclasses__(), *CredentialStoreContract.__subclasses__()]
    sources = [inspect.getsource(contract) for contract in contracts if contract.__module__ == __name__]
    tested = {name for source in sources for name in re.findall(r'(?:secret|credential)_store\("([\w.]+)"\)', source)}
    missing = BUILTIN_TYPES.keys() - tested
    assert not missing, f"add a class with a subject to tests/contract/test_stores.py for: {missing}"
