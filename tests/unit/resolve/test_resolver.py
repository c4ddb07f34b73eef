"""Resolve a plan into values: which calls are made, in which order and how often, and the errors."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsops.aws.http.wire import WireRequest, unreachable
from dsops.errors import (
    AssumeRoleDenied,
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    FailedOperation,
    FieldMissing,
    Hop,
    LimitExceeded,
    NoCredentials,
    SecretAccessDenied,
    SecretDeleted,
    SecretNotFound,
    Throttled,
    TooLittleTimeLeft,
    TransformFailed,
    Unreachable,
)
from tests.aws_in_memory import DENIED, UNKNOWN_TOKEN, Call, Refusal
from tests.pipeline import ADA, RUNNER, Pipeline, words

CHAIN = """
secretStores:
  jump: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Jump"}
  target: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/Target", credentials_from: jump}
  secrets: {type: aws.secretsmanager, credentials_from: target}
envs:
  e:
    DATABASE_URL: {from: {store: secrets, key: db}}
    PASSWORD: {from: {store: secrets, key: "json#.password"}}
    USER_NAME: {from: {store: secrets, key: json, field: user}}
    GREETING: {literal: hello}
"""

TWO_ROLES = """
secretStores:
  one: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/One"}
  two: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/Two"}
  first: {type: aws.secretsmanager, credentials_from: one}
  second: {type: aws.secretsmanager, credentials_from: two, region: eu-west-1}
  third: {type: aws.ssm, credentials_from: one}
envs:
  e:
    A: {from: {store: first, key: a}}
    B: {from: {store: second, key: b}}
    C: {from: {store: third, key: /c}}
"""


@pytest.fixture
def pipeline() -> Pipeline:
    """A process with Ada's key, and the secrets of these tests."""
    pipeline = Pipeline()
    pipeline.aws.secrets = {"db": "postgres://", "json": '{"user": "app", "password": "p4ss"}', "a": "1", "b": "2"}
    pipeline.aws.parameters = {"/c": "3"}
    return pipeline


# --- values that are kept -------------------------------------------------------------------------------------

KEPT = CHAIN.replace("credentials_from: target", "credentials_from: target, cache_seconds: 60")


def test_values_are_kept_where_the_store_says_so(pipeline: Pipeline) -> None:
    """Values are cached for the store's `cache_seconds`: within that time no AWS call is made.

    Afterwards the values are read again.
    """
    first = pipeline.resolve(KEPT)
    pipeline.aws.calls.clear()
    pipeline.cache._held.clear()
    pipeline.clock.advance(59)

    assert pipeline.resolve(KEPT) == first
    assert pipeline.aws.actions == []

    pipeline.clock.advance(2)
    pipeline.aws.secrets["db"] = "mysql://"
    assert pipeline.resolve(KEPT)["DATABASE_URL"] == "mysql://"


def test_values_are_not_kept_by_default(pipeline: Pipeline) -> None:
    """By default values are not cached, so each run reads them again."""
    pipeline.resolve(CHAIN)
    pipeline.aws.secrets["db"] = "mysql://"
    assert pipeline.resolve(CHAIN)["DATABASE_URL"] == "mysql://"
    assert len(pipeline.cache.values) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("cache_seconds: 60", "cache_seconds: 60, region: eu-west-1"),
        lambda text: text.replace("cache_seconds: 60", 'cache_seconds: 60, endpoint_url: "http://127.0.0.1:1"'),
        lambda text: text.replace("role/Target", "role/Other"),
    ],
    ids=["region", "endpoint", "role"],
)
def test_another_place_or_reader_has_values_of_its_own(pipeline: Pipeline, change: Callable[[str], str]) -> None:
    """Cached values are not used for another role, region or endpoint."""
    pipeline.resolve(KEPT)
    pipeline.aws.secrets["db"] = "mysql://"
    assert pipeline.resolve(change(KEPT))["DATABASE_URL"] == "mysql://"


def test_another_identity_has_values_of_its_own(pipeline: Pipeline) -> None:
    """Cached values are not used for other base credentials or another endpoint in the environment."""
    pipeline.resolve(KEPT)
    pipeline.aws.secrets["db"] = "mysql://"
    pipeline.environ = {**ADA, "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1"}
    assert pipeline.resolve(KEPT)["DATABASE_URL"] == "mysql://"
    pipeline.aws.secrets["db"] = "oracle://"
    pipeline.environ = RUNNER
    assert pipeline.resolve(KEPT)["DATABASE_URL"] == "oracle://"


def test_a_missing_value_is_read_again(pipeline: Pipeline) -> None:
    """A missing value is not cached, so the next run reads it again."""
    value = pipeline.aws.secrets.pop("db")
    [error] = pipeline.errors(KEPT)
    assert isinstance(error, SecretNotFound)
    pipeline.aws.secrets["db"] = value
    assert pipeline.resolve(KEPT)["DATABASE_URL"] == "postgres://"


# --- what is called -----------------------------------------------------------------------------------------


def test_a_chain_gives_the_values_in_the_order_written(pipeline: Pipeline) -> None:
    """The values have the order of the variables; hops are called in order, then each secret is read once."""
    assert pipeline.resolve(CHAIN) == {
        "DATABASE_URL": "postgres://",
        "PASSWORD": "p4ss",
        "USER_NAME": "app",
        "GREETING": "hello",
    }
    assert pipeline.aws.rounds == [
        ["AssumeRole Jump"],
        ["AssumeRole Target"],
        ["GetSecretValue db", "GetSecretValue json"],
    ]


def test_the_plan_knows_how_many_calls_a_cold_run_makes(pipeline: Pipeline) -> None:
    """The number of calls in the plan equals the number of calls of a run without cache."""
    for text in (CHAIN, TWO_ROLES):
        pipeline.aws.calls.clear()
        pipeline.cache.clear()
        pipeline.resolve(text)
        assert len(pipeline.aws.calls) == pipeline.plan(text).calls


def test_each_call_is_signed_by_the_session_of_its_own_source(pipeline: Pipeline) -> None:
    """Each call is signed with the session of the store's own source."""
    pipeline.resolve(TWO_ROLES)
    signers = {
        str(call): pipeline.aws.issued.get(call.access_key_id, call.access_key_id) for call in pipeline.aws.calls
    }
    assert signers["AssumeRole One"] == signers["AssumeRole Two"] == ADA["AWS_ACCESS_KEY_ID"]
    assert signers["GetSecretValue a"].startswith("arn:aws:sts::111111111111:assumed-role/One/")
    assert signers["GetParameters"].startswith("arn:aws:sts::111111111111:assumed-role/One/")
    assert signers["GetSecretValue b"].startswith("arn:aws:sts::222222222222:assumed-role/Two/")


def test_independent_stores_go_side_by_side(pipeline: Pipeline) -> None:
    """Independent stores are called concurrently.

    The first round has both roles, and the second has all reads, each in its store's region.
    """
    assert pipeline.resolve(TWO_ROLES) == {"A": "1", "B": "2", "C": "3"}
    assert [sorted(calls) for calls in pipeline.aws.rounds] == [
        ["AssumeRole One", "AssumeRole Two"],
        ["GetParameters", "GetSecretValue a", "GetSecretValue b"],
    ]
    assert {(str(call), call.host) for call in pipeline.aws.calls} >= {
        ("GetSecretValue a", "secretsmanager.us-east-1.amazonaws.com"),
        ("GetSecretValue b", "secretsmanager.eu-west-1.amazonaws.com"),
    }


def test_a_cached_target_means_that_the_jump_role_is_not_touched(pipeline: Pipeline) -> None:
    """If the target's session is cached, a run makes no call to STS, even if the jump role's session has ended."""
    pipeline.resolve(CHAIN)
    jump = pipeline.plan(CHAIN).steps["jump"].fingerprint
    held_credentials = pipeline.cache.peek(jump)
    assert held_credentials is not None
    pipeline.cache.evict(jump, held_credentials)
    pipeline.aws.calls.clear()
    pipeline.resolve(CHAIN)
    assert pipeline.aws.actions == ["GetSecretValue db", "GetSecretValue json"]


def test_a_jump_role_shared_by_two_targets_is_assumed_once(pipeline: Pipeline) -> None:
    """A jump role that two targets use is assumed once, even if both need it at the same time."""
    text = """
secretStores:
  jump: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Jump"}
  one: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/One", credentials_from: jump}
  two: {type: aws.sts, role_arn: "arn:aws:iam::333333333333:role/Two", credentials_from: jump}
  first: {type: aws.secretsmanager, credentials_from: one}
  second: {type: aws.secretsmanager, credentials_from: two}
envs: {e: {A: {from: {store: first, key: a}}, B: {from: {store: second, key: b}}}}
"""
    pipeline.resolve(text)
    assert pipeline.aws.rounds[0] == ["AssumeRole Jump"]
    assert sorted(pipeline.aws.rounds[1]) == ["AssumeRole One", "AssumeRole Two"]
    assert len(pipeline.aws.rounds) == 3


def test_two_stores_of_one_role_share_its_session(pipeline: Pipeline) -> None:
    """Two stores of one role in two regions share one AssumeRole call, as the AWS STS page promises."""
    text = """
secretStores:
  us: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::123456789012:role/RegionalRole"}
  eu: {type: aws.sts, region: eu-west-1, role_arn: "arn:aws:iam::123456789012:role/RegionalRole"}
  secrets-us: {type: aws.secretsmanager, region: us-east-1, credentials_from: us}
  secrets-eu: {type: aws.secretsmanager, region: eu-west-1, credentials_from: eu}
envs: {e: {A: {from: {store: secrets-us, key: a}}, B: {from: {store: secrets-eu, key: b}}}}
"""
    assert pipeline.resolve(text) == {"A": "1", "B": "2"}
    assert pipeline.aws.actions.count("AssumeRole RegionalRole") == 1


def test_a_session_for_signing_and_output_is_issued_once(pipeline: Pipeline) -> None:
    """A session that is used for signing and as output is issued once, with the stricter minimum lifetime.

    If AWS denies the role, there is one call and one error.
    """
    text = CHAIN.replace("    GREETING: {literal: hello}", "    ROLE: {from: {store: target, key: assumed_role_arn}}")
    pipeline.aws.rule = lambda call: (
        Refusal("AccessDenied", DENIED.message, 403) if str(call) == "AssumeRole Target" else None
    )
    (error,) = pipeline.errors(text)
    assert error.message.endswith("(for DATABASE_URL, PASSWORD, USER_NAME, ROLE)")
    assert pipeline.aws.actions == ["AssumeRole Jump", "AssumeRole Target"]
    pipeline.aws.rule = lambda _call: None
    first = pipeline.resolve(text)["ROLE"]
    pipeline.clock.advance(3600 - 899)
    pipeline.aws.calls.clear()
    assert pipeline.resolve(text)["ROLE"] == first
    assert pipeline.aws.actions.count("AssumeRole Target") == 1


def test_an_environment_of_literals_makes_no_call(pipeline: Pipeline) -> None:
    """An environment of literals makes no call and needs no credentials."""
    pipeline.environ = {}
    assert pipeline.resolve("envs: {e: {A: {literal: x}, B: {literal: ''}}}") == {"A": "x", "B": ""}
    assert pipeline.aws.calls == []


def test_an_empty_secret_is_a_value(pipeline: Pipeline) -> None:
    """An empty secret is a value; it does not count as missing."""
    pipeline.aws.secrets["db"] = ""
    assert pipeline.resolve(CHAIN)["DATABASE_URL"] == ""


def test_progress_shows_each_hop_and_no_value(pipeline: Pipeline) -> None:
    """The progress output shows caller, role, expiry and masked key of each hop, then the reads, and no value."""
    pipeline.resolve(CHAIN)
    jump, target = pipeline.reports.facts("credentials.issued")
    assert (jump["store"], jump["hop"], jump["caller"]) == ("jump", "1", "AKIA...ADA1")
    assert target["caller"] == jump["session"]
    assert jump["session"].startswith("arn:aws:sts::111111111111:assumed-role/Jump/dsops-")
    assert (target["hop"], target["role"]) == ("2", "arn:aws:iam::222222222222:role/Target")
    assert target["expires"] == "2026-11-24T13:00:00Z"
    assert pipeline.reports.facts("secrets.fetched") == [{"store": "secrets", "count": "3", "of": "3"}]
    event_text = str(pipeline.reports.events)
    assert not any(text in event_text for text in ("p4ss", "postgres", "secret-ASIA", "token-ASIA", "adas-key"))


def test_timeout_ms_is_the_stores_own(pipeline: Pipeline) -> None:
    """A store's `timeout_ms` applies only to the requests of that store."""
    limits: dict[str, int] = {}
    start = pipeline.aws.start

    def noting(request: object, token: object) -> None:
        assert isinstance(request, WireRequest)
        start(request, token)
        limits[pipeline.aws.actions[-1]] = request.total_timeout_ms

    pipeline.aws.start = noting  # type: ignore[method-assign]
    pipeline.resolve(CHAIN.replace('Target",', 'Target", timeout_ms: 1500,'))
    assert limits["AssumeRole Target"] <= 1500
    assert limits["AssumeRole Jump"] > 20_000


# --- defaults and transforms --------------------------------------------------------------------------------

OPTIONAL = """
secretStores: {s: {type: aws.secretsmanager}}
envs:
  e:
    WITH_DEFAULT: {from: {store: s, key: "missing"}, default: "fallback", transform: base64_encode}
    LEFT_OUT: {from: {store: s, key: "json#.missing"}, optional: true}
    THERE: {from: {store: s, key: "json#.user"}, default: "fallback", optional: true, transform: base64_encode}
"""


def test_defaults_stand_in_for_what_does_not_exist(pipeline: Pipeline) -> None:
    """If a secret or field is missing, the variable gets its default as written, without transforms."""
    assert pipeline.resolve(OPTIONAL) == {"WITH_DEFAULT": "fallback", "THERE": "YXBw"}


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (DENIED, SecretAccessDenied),
        (
            Refusal(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            ),
            SecretDeleted,
        ),
    ],
)
def test_defaults_hide_no_refusal(pipeline: Pipeline, refusal: Refusal, kind: type[DsopsError]) -> None:
    """A denied secret, or one scheduled for deletion, is an error even if the variable is optional."""
    pipeline.aws.rule = lambda call: refusal if str(call) == "GetSecretValue missing" else None
    (error,) = pipeline.errors(OPTIONAL)
    assert isinstance(error, kind)
    assert "WITH_DEFAULT" in error.message


def test_transforms_are_applied(pipeline: Pipeline) -> None:
    """Transforms apply to secrets and literals.

    A transform's error names the variable and shows no part of the value.
    """
    text = """
secretStores: {s: {type: aws.secretsmanager}}
envs:
  e:
    A: {from: {store: s, key: json}, transform: "json_extract:.password | base64_encode"}
    B: {literal: " x ", transform: trim}
  f: {A: {from: {store: s, key: db}, transform: "json_extract:.password"}}
"""
    assert pipeline.resolve(text, "e") == {"A": "cDRzcw==", "B": "x"}
    (error,) = pipeline.errors(text, "f")
    assert isinstance(error, TransformFailed)
    assert "(for A)" in error.message
    assert "postgres" not in words(error)


# --- failures -----------------------------------------------------------------------------------------------


def test_one_denied_role_is_one_error_that_names_its_variables(pipeline: Pipeline) -> None:
    """If a role is denied, its twenty variables get one error that names them."""
    lines = "".join(f"    V{number}: {{from: {{store: secrets, key: k{number}}}}}\n" for number in range(20))
    pipeline.aws.rule = lambda call: (
        Refusal("AccessDenied", DENIED.message, 403) if call.action == "AssumeRole" else None
    )
    (error,) = pipeline.errors(CHAIN.partition("  e:\n")[0] + "  e:\n" + lines)
    assert isinstance(error, AssumeRoleDenied)
    assert error.message == (
        "store `jump` may not assume arn:aws:iam::111111111111:role/Jump (for V0, V1, V2, V3, V4 and 15 more)"
    )
    assert str(error.where) == "dsops.yaml:3"


@pytest.mark.parametrize(
    "outcome",
    [
        Refusal("AccessDenied", DENIED.message, 403),
        unreachable(WireRequest("POST", "https://sts.example/"), "no route"),
    ],
)
def test_a_failing_jump_role_of_two_targets_is_one_error(pipeline: Pipeline, outcome: Refusal | BaseException) -> None:
    """If a role that two chains share fails, one error reports it for everything that depends on it."""
    text = """
secretStores:
  jump: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Jump"}
  one: {type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/One", credentials_from: jump}
  two: {type: aws.sts, role_arn: "arn:aws:iam::333333333333:role/Two", credentials_from: jump}
  first: {type: aws.secretsmanager, credentials_from: one}
  second: {type: aws.secretsmanager, credentials_from: two}
envs: {e: {A: {from: {store: first, key: a}}, B: {from: {store: second, key: b}}}}
"""
    pipeline.aws.rule = lambda _call: outcome
    (error,) = pipeline.errors(text)
    assert error.message.endswith("(for A, B)")
    assert set(pipeline.aws.actions) == {"AssumeRole Jump"}


def test_a_failing_hop_is_named_with_the_one_before(pipeline: Pipeline) -> None:
    """The error of a failed hop names the hop, its caller, and the results of the hops before it."""
    pipeline.aws.rule = lambda call: (
        Refusal("AccessDenied", DENIED.message, 403) if str(call) == "AssumeRole Target" else None
    )
    (error,) = pipeline.errors(CHAIN)
    assert error.message.startswith("store `target` may not assume arn:aws:iam::222222222222:role/Target")
    session = "arn:aws:sts::111111111111:assumed-role/Jump/dsops-ada-20261124T120000Z"
    assert error.why.startswith(f"AWS gives no reason to {session}")
    assert error.tried == FailedOperation(
        "AssumeRole",
        session,
        "target",
        "arn:aws:iam::222222222222:role/Target",
        hop=2,
        hops=2,
        before=(Hop("jump", session, "2026-11-24T13:00:00Z"),),
        region="us-east-1",
        endpoint="sts.us-east-1",
        asks=("--env", "e", "target"),
    )


def test_a_failing_first_hop_is_reported(pipeline: Pipeline) -> None:
    """If the first of two hops fails, the error says `hop 1 of 2` and lists no earlier hop."""
    pipeline.aws.rule = lambda _call: Refusal("AccessDenied", DENIED.message, 403)
    (error,) = pipeline.errors(CHAIN)
    assert error.tried is not None
    assert (error.tried.store, error.tried.hop, error.tried.hops, error.tried.before) == ("jump", 1, 2, ())
    assert "arn:aws:iam::111111111111:user/ada" == error.tried.caller


def test_a_failing_read_names_reader_and_hops(pipeline: Pipeline) -> None:
    """The error of a failed read names the secret and the reader's hops; the read itself is not a hop."""
    pipeline.aws.rule = lambda call: (
        Refusal("AccessDeniedException", "no", 400) if str(call) == "GetSecretValue db" else None
    )
    (error,) = pipeline.errors(CHAIN)
    tried = error.tried
    assert tried is not None
    assert (tried.operation, tried.store, tried.secret, tried.hop) == ("GetSecretValue", "secrets", "db", 0)
    assert ["jump", "target"] == [hop.store for hop in tried.before]
    assert tried.before[-1].session == tried.caller


def test_failures_come_in_the_order_of_variables(pipeline: Pipeline) -> None:
    """Errors are sorted by variable, and the denial of one store does not hide the errors of another store."""
    text = TWO_ROLES + "    D: {from: {store: second, key: missing}}\n    E: {from: {store: second, key: 'b#.x'}}\n"
    pipeline.aws.rule = lambda call: (
        Refusal("AccessDenied", DENIED.message, 403) if str(call) == "AssumeRole One" else None
    )
    errors = pipeline.errors(text)
    assert [type(error) for error in errors] == [AssumeRoleDenied, SecretNotFound, FieldMissing]
    assert ["(for A, C)" in errors[0].message, "(for D)" in errors[1].message, "(for E)" in errors[2].message] == [
        True
    ] * 3


def test_a_denied_secret_leaves_the_others_alone(pipeline: Pipeline) -> None:
    """If one secret is denied, the others are read; the error has the secret, its variables and AWS's message."""
    pipeline.aws.rule = lambda call: DENIED if str(call) == "GetSecretValue json" else None
    (error,) = pipeline.errors(CHAIN)
    assert isinstance(error, SecretAccessDenied)
    assert "`json`" in error.message
    assert error.message.endswith("(for PASSWORD, USER_NAME)")
    assert "assumed-role/Target/" in error.why


def test_an_unreachable_endpoint_is_one_error(pipeline: Pipeline) -> None:
    """An unreachable endpoint gives one error for all variables that need it."""
    pipeline.environ = {**ADA, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    pipeline.aws.rule = lambda call: unreachable(WireRequest("POST", "http://127.0.0.1:1/"), f"refused {call.action}")
    (error,) = pipeline.errors(CHAIN)
    assert isinstance(error, Unreachable)
    assert error.message.startswith("store `jump`: could not reach 127.0.0.1:1")


def test_a_store_that_is_not_reachable_is_one_error(pipeline: Pipeline) -> None:
    """Ten reads that fail for one reason give one error; a failure of another store gives another error."""
    pipeline.aws.rule = lambda call: (
        unreachable(WireRequest("POST", f"https://{call.host}/"), "no route") if call.service != "sts" else None
    )
    text = TWO_ROLES + "    D: {from: {store: first, key: d}}\n    E: {from: {store: first, key: e}}\n"
    errors = pipeline.errors(text)
    assert [error.message.partition(" (for ")[2] for error in errors] == ["A, D, E)", "B)", "C)"]


def test_throttling_is_retried_and_then_an_error(pipeline: Pipeline) -> None:
    """Throttling is retried until the call's total time is used up; then the call fails with Throttled."""
    pipeline.aws.rule = lambda call: (
        Refusal("ThrottlingException", "Rate exceeded") if str(call) == "GetSecretValue db" else None
    )
    (error,) = pipeline.errors(CHAIN)
    assert isinstance(error, Throttled)
    assert pipeline.aws.actions.count("GetSecretValue db") > 4
    assert 25 < pipeline.time.seconds <= 30


# --- credentials that AWS no longer takes -------------------------------------------------------------------


def test_a_held_session_that_aws_rejects_is_replaced_once(pipeline: Pipeline) -> None:
    """If AWS rejects a cached session (its role was recreated), dsops replaces the session once."""
    pipeline.resolve(CHAIN)
    dead = pipeline.cache.peek(pipeline.plan(CHAIN).steps["target"].fingerprint)
    assert dead is not None
    pipeline.aws.calls.clear()
    pipeline.aws.rule = lambda call: UNKNOWN_TOKEN if call.access_key_id == dead.access_key_id else None
    assert pipeline.resolve(CHAIN)["DATABASE_URL"] == "postgres://"
    assert pipeline.aws.actions == [
        "GetSecretValue db",
        "GetSecretValue json",
        "AssumeRole Target",
        "GetSecretValue db",
        "GetSecretValue json",
    ]
    assert pipeline.reports.names.count("credentials.evicted") == 1


def test_a_rejected_jump_session_is_replaced_too(pipeline: Pipeline) -> None:
    """If AWS rejects the jump role's cached session, dsops replaces that session and assumes the target again."""
    pipeline.resolve(CHAIN)
    steps = pipeline.plan(CHAIN).steps
    jump, target = pipeline.cache.peek(steps["jump"].fingerprint), pipeline.cache.peek(steps["target"].fingerprint)
    assert jump is not None
    assert target is not None
    pipeline.cache.evict(steps["target"].fingerprint, target)
    pipeline.aws.calls.clear()
    expired = Refusal("ExpiredToken", "The security token included in the request is expired", 403)
    pipeline.aws.rule = lambda call: expired if call.access_key_id == jump.access_key_id else None
    pipeline.resolve(CHAIN)
    assert pipeline.aws.actions[:3] == ["AssumeRole Target", "AssumeRole Jump", "AssumeRole Target"]


def test_a_new_session_that_aws_refuses_is_not_tried_again(pipeline: Pipeline) -> None:
    """If AWS rejects a session that was issued in this run, dsops does not retry: a new one would not help."""
    pipeline.aws.rule = lambda call: UNKNOWN_TOKEN if call.service == "secretsmanager" else None
    (error,) = pipeline.errors(CHAIN)
    assert isinstance(error, CredentialsInvalid)
    assert error.message.endswith("(for DATABASE_URL, PASSWORD, USER_NAME)")
    assert pipeline.aws.actions.count("AssumeRole Target") == 1


def test_keys_unknown_to_aws_are_their_own_error(pipeline: Pipeline) -> None:
    """Keys that AWS does not know are a separate error with the masked key; dsops does not retry."""
    invalid = Refusal("InvalidClientTokenId", UNKNOWN_TOKEN.message, 403)
    pipeline.aws.rule = lambda _call: invalid
    (error,) = pipeline.errors(CHAIN)
    assert isinstance(error, CredentialsInvalid)
    assert "AKIA...ADA1" in error.message
    assert pipeline.aws.actions == ["AssumeRole Jump"]
    assert "adas-key" not in words(error)


def test_expired_base_credentials_are_an_error_before_any_call(pipeline: Pipeline) -> None:
    """If AWS_CREDENTIAL_EXPIRATION is in the past, dsops raises an error before any call."""
    pipeline.environ = {**RUNNER, "AWS_CREDENTIAL_EXPIRATION": "2026-11-24T11:59:00Z"}
    (error,) = pipeline.errors(CHAIN)
    assert isinstance(error, CredentialsExpired)
    assert pipeline.aws.calls == []


def test_expired_base_credentials_that_only_aws_knows_of(pipeline: Pipeline) -> None:
    """If only AWS knows that the base credentials have expired, the error is the same as for a known expiry."""
    pipeline.environ = RUNNER
    expired = Refusal("ExpiredToken", "The security token included in the request is expired", 403)
    pipeline.aws.rule = lambda _call: expired
    (error,) = pipeline.errors(CHAIN)
    assert isinstance(error, CredentialsExpired)


# --- freshness ----------------------------------------------------------------------------------------------


def test_a_signing_session_is_used_to_its_last_minute(pipeline: Pipeline) -> None:
    """A session with 60 seconds left still signs reads; a session with less time is renewed."""
    pipeline.resolve(CHAIN)
    pipeline.aws.calls.clear()
    pipeline.clock.advance(3600 - 60)
    pipeline.resolve(CHAIN)
    assert "AssumeRole Target" not in pipeline.aws.actions
    pipeline.clock.advance(1)
    pipeline.resolve(CHAIN)
    assert "AssumeRole Target" in pipeline.aws.actions


PARTS = """
secretStores: {role: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/R"}}
envs:
  e:
    AWS_ACCESS_KEY_ID: {from: {store: role, key: access_key_id}}
    AWS_SECRET_ACCESS_KEY: {from: {store: role, key: secret_access_key}}
    AWS_SESSION_TOKEN: {from: {store: role, key: session_token}}
"""


def test_a_session_that_goes_to_a_child_is_renewed_earlier(pipeline: Pipeline) -> None:
    """A session that a child process receives is renewed 15 minutes before its end.

    If STS is down at that time, the child gets the session that is still valid.
    """
    first = pipeline.resolve(PARTS)
    pipeline.clock.advance(3600 - 900)
    assert pipeline.resolve(PARTS) == first
    pipeline.clock.advance(1)
    pipeline.aws.rule = lambda _call: Refusal("AccessDenied", "no", 403)
    assert pipeline.resolve(PARTS) == first
    pipeline.aws.rule = lambda _call: None
    assert pipeline.resolve(PARTS) != first


def test_min_ttl_is_demanded_of_what_goes_to_a_child(pipeline: Pipeline) -> None:
    """`min_ttl` applies to sessions for child processes, and is refused if it exceeds the session's duration."""
    assert pipeline.resolve(PARTS, min_ttl_seconds=3600)
    pipeline.clock.advance(10)
    assert pipeline.resolve(PARTS, min_ttl_seconds=3600)
    assert len(pipeline.aws.calls) == 2
    with pytest.raises(TooLittleTimeLeft):
        pipeline.resolve(PARTS, min_ttl_seconds=3601)


# --- one store's session ------------------------------------------------------------------------------------


def test_the_session_of_a_store_is_one_snapshot(pipeline: Pipeline) -> None:
    """The credentials of a role store are its own session.

    The credentials of a secret store are the session that it reads with, or else the base credentials.
    """
    target = pipeline.credentials(CHAIN, "target")
    assert target.arn.startswith("arn:aws:sts::222222222222:assumed-role/Target/")
    assert pipeline.credentials(CHAIN, "secrets") is target
    plain = "secretStores: {s: {type: aws.ssm}}"
    assert pipeline.credentials(plain, "s").access_key_id == ADA["AWS_ACCESS_KEY_ID"]


def test_base_credentials_that_turn_out_temporary_are_limited_before_the_call(pipeline: Pipeline) -> None:
    """If base credentials turn out to be temporary, two hours for a chained role are refused before the call.

    The plan could not know that the credentials are temporary.
    """
    text = 'secretStores: {r: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/R", duration_seconds: 7200}}'
    plan = pipeline.plan(text, store="r")
    unknown = plan.steps["r"]._replace(is_chained=None)
    pipeline.environ = RUNNER
    with pytest.raises(LimitExceeded, match="7200 is over 3600 seconds"):
        pipeline.time.run(pipeline.resolver(plan._replace(steps={"r": unknown})).credentials("r"), pipeline.aws)
    assert pipeline.aws.calls == []
    pipeline.environ = ADA
    pipeline.time.run(pipeline.resolver(plan._replace(steps={"r": unknown})).credentials("r"), pipeline.aws)
    assert pipeline.aws.actions == ["AssumeRole R"]


def test_no_base_credentials_at_all(pipeline: Pipeline, home: object) -> None:
    """Without base credentials the error lists the sources that were searched, and no call is made."""
    pipeline.environ = {"AWS_REGION": "us-east-1", "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
    pipeline.folder = str(home)
    (error,) = pipeline.errors(CHAIN)
    assert isinstance(error, NoCredentials)
    assert error.message.endswith("(for DATABASE_URL, PASSWORD, USER_NAME)")
    assert pipeline.aws.calls == []


def test_a_call_is_what_the_rule_sees() -> None:
    """A recorded call of these tests is shown as its operation and the role's name."""
    call = Call("sts", "us-east-1", "AssumeRole", {"RoleArn": "arn:aws:iam::1:role/path/R"}, "k", "h")
    assert str(call) == "AssumeRole R"


# --- connections that are opened ahead ----------------------------------------------------------------------

WIDE = """
secretStores:
  jump: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111111111111:role/Jump"}
  us: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::222222222222:role/T", credentials_from: jump}
  eu: {type: aws.sts, region: eu-west-1, role_arn: "arn:aws:iam::333333333333:role/T", credentials_from: jump}
  us-secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: us}
  us-more: {type: aws.secretsmanager, region: us-east-1, credentials_from: us}
  eu-secrets: {type: aws.secretsmanager, region: eu-west-1, credentials_from: eu}
envs:
  e:
    A: {from: {store: us-secrets, key: db}}
    B: {from: {store: us-more, key: db}}
    C: {from: {store: eu-secrets, key: db}}
"""
STS_US, STS_EU = "sts.us-east-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"


def test_regions_and_accounts_go_side_by_side(pipeline: Pipeline) -> None:
    """Roles in different regions and accounts are assumed concurrently.

    The number of rounds equals the number of calls of the longest chain.
    """
    pipeline.resolve(WIDE)
    assert [sorted(calls) for calls in pipeline.aws.rounds] == [
        ["AssumeRole Jump"],
        ["AssumeRole T", "AssumeRole T"],
        ["GetSecretValue db", "GetSecretValue db", "GetSecretValue db"],
    ]


def test_a_later_hop_in_another_region_finds_its_connection_open(pipeline: Pipeline) -> None:
    """A connection for a later hop in another region is opened during the first call, and the hop uses it."""
    pipeline.resolve(WIDE)
    assert max(calls for calls, _ in pipeline.aws.prepared) <= 1
    assert [host for _, host in pipeline.aws.prepared if host.startswith("sts.")] == [STS_EU]


def test_siblings_in_one_region_dont_wait_for_one_connection(pipeline: Pipeline) -> None:
    """If two roles in one region follow a hop, one of them reuses the hop's connection.

    dsops opens a connection for the other role in advance.
    """
    pipeline.resolve(WIDE.replace("region: eu-west-1, role_arn", "region: us-east-1, role_arn"))
    assert [host for _, host in pipeline.aws.prepared if host.startswith("sts.")] == [STS_US]


def test_held_and_first_sessions_open_no_connection_ahead(pipeline: Pipeline) -> None:
    """dsops opens no connection in advance for a first hop, whose own call opens it, or for a cached session."""
    pipeline.resolve(CHAIN)
    assert [host for _, host in pipeline.aws.prepared if host.startswith("sts.")] == []
    pipeline.aws.prepared.clear()
    pipeline.resolve(WIDE)
    pipeline.aws.prepared.clear()
    pipeline.resolve(WIDE)
    assert pipeline.aws.prepared == []


def test_a_call_with_a_code_opens_its_own_connection(pipeline: Pipeline) -> None:
    """A call with an MFA code opens a new connection.

    If it used a kept-alive connection that is dead, the retry would send the code twice.
    """
    device = ', serial_number: "arn:aws:iam::111111111111:mfa/ada", token_code: "123456"}'
    pipeline.resolve(WIDE.replace('role/Jump"}', 'role/Jump"' + device))
    assert [host for _, host in pipeline.aws.prepared if host.startswith("sts.")] == [STS_EU]
