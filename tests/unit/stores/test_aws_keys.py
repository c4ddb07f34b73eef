"""A user's long-term key in the keyring: its identity, the roles it assumes, and that it is not kept in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsops.errors import (
    DsopsError,
    FieldMissing,
    KeyringEntryMissing,
    KeyringFailed,
    KeyringLocked,
    LimitExceeded,
    NoCredentials,
)
from dsops.keyring import index
from dsops.keyring.index import KeysEntry
from dsops.keyring.items import Keyring
from dsops.keyring.keys import put_secrets
from dsops.secret import Secret
from tests.fakes import Person
from tests.pipeline import Pipeline, words
from tests.stubs.keyrings import StubKeyring

KEY, OTHER_KEY = "AKIAKEYRINGKEYRING01", "AKIAKEYRINGKEYRING02"
USER = "arn:aws:iam::111111111111:user/ada"
ROLE = "arn:aws:iam::222222222222:role"
DEVICE = "arn:aws:iam::111111111111:mfa/ada"
CONFIG = f"""\
secretStores:
  ada: {{type: aws.keys, key_name: ada}}
  r: {{type: aws.sts, role_arn: "{ROLE}/R", credentials_from: ada}}
  q: {{type: aws.sts, role_arn: "{ROLE}/Q", credentials_from: ada}}
envs:
  e:
    ID: {{from: {{store: ada, key: access_key_id}}}}
    ALL: {{from: {{store: ada, key: credentials}}}}
  both:
    R: {{from: {{store: r, key: access_key_id}}}}
    Q: {{from: {{store: q, key: access_key_id}}}}
"""


def keep(stub: StubKeyring, key_id: str, secret: str, name: str = "ada", user: str = USER) -> None:
    """Put a key into the keyring, as `dsops keys add` does."""
    put_secrets(Keyring(stub.environ, "/"), name, {key_id: Secret(secret)})
    with index.changing(stub.environ) as before:
        entry = KeysEntry(name, key_id, user, "2026-11-24T12:00:00Z")
        index.write(stub.environ, before._replace(keys={**before.keys, name: entry}))


@pytest.fixture
def stub(home: Path) -> StubKeyring:
    """A keyring with Ada's key."""
    stub = StubKeyring(home)
    keep(stub, KEY, "kept-secret")
    return stub


@pytest.fixture
def pipeline(stub: StubKeyring) -> Pipeline:
    """A process without any other credentials."""
    pipeline = Pipeline()
    pipeline.environ = {**stub.environ, "AWS_REGION": "us-east-1"}
    pipeline.folder = "/"
    return pipeline


def test_a_role_is_assumed_with_the_key(pipeline: Pipeline) -> None:
    """A store with `credentials_from` a keyring store signs AssumeRole with the keyring's key."""
    pipeline.credentials(CONFIG, "r")
    (call,) = pipeline.aws.calls
    assert (call.access_key_id, call.action) == (KEY, "AssumeRole")


def test_such_a_role_is_no_chained_one(pipeline: Pipeline) -> None:
    """A role assumed with a keyring key is not chained and may last 12 hours.

    A role assumed with that role is chained.
    """
    text = f"""
secretStores:
  ada: {{type: aws.keys, key_name: ada}}
  r: {{type: aws.sts, role_arn: "{ROLE}/R", credentials_from: ada, duration_seconds: 43200}}
  s: {{type: aws.sts, role_arn: "{ROLE}/S", credentials_from: r, duration_seconds: 43200}}
"""
    step = pipeline.plan(text, store="r").steps["r"]
    assert (step.is_chained, step.settings["duration_seconds"]) == (False, 43200)
    with pytest.raises(LimitExceeded, match="1 hour"):
        pipeline.plan(text, store="s")


def test_the_key_itself_can_be_handed_on(pipeline: Pipeline) -> None:
    """A keyring key can be used as credentials without expiry, and its parts can be read as secrets."""
    credentials = pipeline.credentials(CONFIG, "ada")
    assert (credentials.access_key_id, credentials.secret_access_key) == (KEY, Secret("kept-secret"))
    assert (credentials.is_temporary, credentials.expiration, credentials.arn) == (False, None, USER)
    values = pipeline.resolve(CONFIG, "e")
    assert values["ID"] == KEY
    assert '"SecretAccessKey":"kept-secret"' in values["ALL"]
    assert pipeline.aws.calls == []


def test_what_only_a_session_has_is_not_there(pipeline: Pipeline) -> None:
    """The session token of a long-term key is refused in the plan; the hint lists the existing parts."""
    text = CONFIG.replace("key: access_key_id}}\n    ALL", "key: session_token}}\n    ALL")
    (error,) = pipeline.errors(text, "e")
    assert not isinstance(error, FieldMissing)
    assert "it gives access_key_id, secret_access_key, credentials" in words(error)


def test_one_run_asks_the_keyring_once_and_nothing_is_held(pipeline: Pipeline, stub: StubKeyring) -> None:
    """One run reads the keyring once for two roles; afterwards only the role sessions are cached, not the key."""
    pipeline.resolve(CONFIG, "both")
    assert pipeline.reports.names.count("credentials.issued") == 3
    assert sorted(held.store for held in pipeline.cache.held()) == ["q", "r"]
    stub.set_mood("locked")
    with pytest.raises(KeyringLocked):
        pipeline.credentials(CONFIG, "ada")


def test_a_session_that_is_held_needs_no_keyring(pipeline: Pipeline, stub: StubKeyring) -> None:
    """A cached session of the same key is used without reading the keyring."""
    first = pipeline.credentials(CONFIG, "r")
    stub.set_mood("locked")
    assert pipeline.credentials(CONFIG, "r") is first


def test_another_key_of_that_name_is_another_identity(pipeline: Pipeline, stub: StubKeyring) -> None:
    """A session of an earlier key with the same name is not used for the new key."""
    first = pipeline.credentials(CONFIG, "r")
    keep(stub, OTHER_KEY, "other-secret")
    assert pipeline.credentials(CONFIG, "r") is not first
    assert [call.access_key_id for call in pipeline.aws.calls] == [KEY, OTHER_KEY]


def test_a_key_that_is_replaced_while_a_run_begins_is_not_used(pipeline: Pipeline, stub: StubKeyring) -> None:
    """If another user's key replaces the planned one during the run, dsops does not use the new key.

    Otherwise the new key's session would be cached as the former key's.
    """
    plan = pipeline.plan(CONFIG, store="r")
    keep(stub, OTHER_KEY, "other-secret", user=f"{USER}-is-bob")
    with pytest.raises(NoCredentials, match="a different user than when this run was planned"):
        pipeline.time.run(pipeline.resolver(plan).credentials("r"), pipeline.aws)
    assert (pipeline.aws.calls, pipeline.cache.held()) == ([], [])
    pipeline.credentials(CONFIG, "r")
    assert [call.access_key_id for call in pipeline.aws.calls] == [OTHER_KEY]


def test_a_key_that_is_rotated_while_a_run_begins_is_used(pipeline: Pipeline, stub: StubKeyring) -> None:
    """If the same user's key is rotated during the run, dsops uses the new key."""
    plan = pipeline.plan(CONFIG, store="r")
    keep(stub, OTHER_KEY, "other-secret")
    pipeline.time.run(pipeline.resolver(plan).credentials("r"), pipeline.aws)
    assert [call.access_key_id for call in pipeline.aws.calls] == [OTHER_KEY]


def test_two_names_are_two_identities(pipeline: Pipeline, stub: StubKeyring) -> None:
    """Stores with two key names have different fingerprints."""
    keep(stub, OTHER_KEY, "other-secret", "bob")
    fingerprints = [
        pipeline.plan(text, store="r").steps["r"].fingerprint
        for text in (CONFIG, CONFIG.replace("key_name: ada", "key_name: bob"), CONFIG)
    ]
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]


@pytest.mark.parametrize(
    ("mood", "kind"), [("locked", KeyringLocked), ("breaks", KeyringFailed), ("emptied", KeyringEntryMissing)]
)
def test_a_keyring_that_does_not_give_it_is_told_with_the_store(
    pipeline: Pipeline, stub: StubKeyring, mood: str, kind: type[DsopsError]
) -> None:
    """If the keyring does not return the key, the error names the store's line and no call is made."""
    stub.set_mood(mood)
    if mood == "emptied":
        (stub.folder / "secrets.json").write_text("{}")
    with pytest.raises(kind) as caught:
        pipeline.credentials(CONFIG, "r")
    assert caught.value.message.startswith("store `ada`: the keyring")
    assert (str(caught.value.where), bool(caught.value.hint), pipeline.aws.calls) == ("dsops.yaml:2", True, [])


def test_what_dsops_did_not_put_there_is_not_used(pipeline: Pipeline, stub: StubKeyring) -> None:
    """A keyring entry is not used if it is damaged or was written by another program.

    No error shows the entry's content.
    """
    Keyring(stub.environ, "/").put("dsops keys", "ada", Secret("kept-secret?"))
    with pytest.raises(KeyringEntryMissing) as caught:
        pipeline.credentials(CONFIG, "r")
    assert "kept-secret" not in words(caught.value)
    assert caught.value.__cause__ is None


def test_a_name_that_is_not_there_is_told_with_those_that_are(pipeline: Pipeline) -> None:
    """If the keyring has no key of this name, the plan shows that; using it is an error with a suggestion."""
    text = CONFIG.replace("key_name: ada", "key_name: adda")
    step = pipeline.plan(text, store="r").steps["ada"]
    assert step.proof is not None
    assert step.proof.source == "key `adda`, which the keyring does not have"
    with pytest.raises(KeyringEntryMissing) as caught:
        pipeline.credentials(text, "r")
    assert "did you mean `ada`?" in caught.value.hint
    assert "`dsops keys add adda`" in caught.value.hint


MFA = CONFIG.replace("credentials_from: ada}", f"credentials_from: ada, serial_number: '{DEVICE}'}}")


def test_one_code_serves_two_roles_that_start_from_the_key(pipeline: Pipeline) -> None:
    """Two roles that use the keyring's key share one MFA code and one GetSessionToken call."""
    pipeline.person = Person("123456")
    pipeline.resolve(MFA, "both")
    session, r, q = pipeline.aws.calls
    assert (session.action, session.access_key_id) == ("GetSessionToken", KEY)
    assert r.access_key_id == q.access_key_id != KEY
    assert len(pipeline.person.asked) == 1


def test_roles_from_two_keys_share_no_session(pipeline: Pipeline, stub: StubKeyring) -> None:
    """Roles of two keys share no MFA session, since an MFA device belongs to one user."""
    keep(stub, OTHER_KEY, "other-secret", "bob")
    text = MFA.replace("  q: ", "  bob: {type: aws.keys, key_name: bob}\n  q: ")
    text = text.replace('/Q", credentials_from: ada', '/Q", credentials_from: bob')
    pipeline.person = Person("123456", "234567")
    pipeline.resolve(text, "both")
    assert sorted((call.action, call.access_key_id) for call in pipeline.aws.calls) == [
        ("AssumeRole", KEY),
        ("AssumeRole", OTHER_KEY),
    ]


def test_no_region_is_needed(pipeline: Pipeline, stub: StubKeyring) -> None:
    """A key store needs no region; a role assumed with the key uses the default region of its partition."""
    pipeline.environ = stub.environ
    assert pipeline.plan(CONFIG, store="r").steps["r"].region == "us-east-1"
    assert pipeline.plan(CONFIG, store="ada").steps["ada"].region == ""


def test_the_plan_counts_no_call_for_it(pipeline: Pipeline) -> None:
    """The plan counts no AWS call for a key store."""
    assert pipeline.plan(CONFIG, "both").calls == 2
    assert pipeline.plan(CONFIG, "e").calls == 0


OFF = {"DSOPS_KEYRING": "off", "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00001", "AWS_SECRET_ACCESS_KEY": "of-environment"}


def test_a_keyring_that_is_switched_off_has_the_environments_key_stand_in(
    pipeline: Pipeline, stub: StubKeyring
) -> None:
    """With DSOPS_KEYRING=off (as in CI) the environment's key replaces the keyring's key, which the plan notes."""
    stub.set_mood("breaks")
    pipeline.environ = {**pipeline.environ, **OFF}
    pipeline.credentials(CONFIG, "r")
    assert [call.access_key_id for call in pipeline.aws.calls] == ["AKIAENVIRONMENT00001"]
    proof = pipeline.plan(CONFIG, store="r").steps["ada"].proof
    assert proof is not None
    assert proof.source == "the environment's key, in the place of `ada`: DSOPS_KEYRING is off"


def test_what_stands_in_is_an_identity_of_its_own(pipeline: Pipeline) -> None:
    """A key that replaces the keyring's is a separate identity: sessions that another key has cached are not used."""
    others = [{}, OFF, {**OFF, "AWS_SECRET_ACCESS_KEY": "another"}, {**OFF, "AWS_SESSION_TOKEN": "a-session"}]
    environ, fingerprints = pipeline.environ, set()
    for other in others:
        pipeline.environ = {**environ, **other}
        fingerprints.add(pipeline.plan(CONFIG, store="r").steps["r"].fingerprint)
    assert len(fingerprints) == 4


def test_a_session_that_stands_in_can_not_make_a_role_of_twelve_hours(pipeline: Pipeline) -> None:
    """If a session replaces the keyring's key, a 12-hour role is refused before the call."""
    pipeline.environ = {**pipeline.environ, **OFF, "AWS_SESSION_TOKEN": "a-session"}
    text = CONFIG.replace('/R", credentials_from: ada', '/R", credentials_from: ada, duration_seconds: 43200')
    with pytest.raises(LimitExceeded):
        pipeline.credentials(text, "r")
    assert pipeline.aws.calls == []


def test_with_nothing_to_stand_in_it_says_what_to_set(pipeline: Pipeline) -> None:
    """With DSOPS_KEYRING=off and no key in the environment, the error names the variables to set."""
    pipeline.environ = {**pipeline.environ, "DSOPS_KEYRING": "off"}
    with pytest.raises(NoCredentials) as caught:
        pipeline.credentials(CONFIG, "r")
    assert "unset DSOPS_KEYRING" in caught.value.hint
    assert str(caught.value.where) == "dsops.yaml:2"
