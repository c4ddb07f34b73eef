"""Writes that race with another client, or whose response is lost, against stubs of both services."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from dsops.errors import DsopsError, SecretAccessDenied, SecretChanged, SecretRefused, Where
from dsops.plan import Fingerprint, Step
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.stores.writing.parameter_store import ManagedParameter
from dsops.stores.writing.secretsmanager import STAGED, ManagedSecret
from tests.stubs.aws import json_answer, json_error
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

ARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-AbCdEf"
OLD, OTHERS, MINE = (f"{digit * 8}-1111-1111-1111-111111111111" for digit in "123")
NEW_VALUE = "hush-new-value"


def step(kind: str) -> Step:
    """A store of that type."""
    return Step("vault", BUILTIN_TYPES[kind], {}, "us-east-1", "", "", Fingerprint("f"), None, Where("dsops.yaml", 3))


def action_of(seen: Seen) -> str:
    """The action that a request names."""
    return seen.header("X-Amz-Target").partition(".")[2]


def replaced(
    answers: Mapping[str, Callable[[dict[str, object]], Answer]], expected: str = OLD
) -> tuple[str, list[str]]:
    """Replace a secret against these answers; return the version, and the actions that were called."""
    with StubServer(lambda seen: answers[action_of(seen)](json.loads(seen.body))) as server:
        scene = Scene()
        secret = ManagedSecret(step("aws.secretsmanager"), "prod/db", SESSION, scene.client, endpoint_at(server))
        version = scene.run(secret.replace(Secret(NEW_VALUE), expected))
        return version, [action_of(seen) for seen in server.seen]


def failure(answers: Mapping[str, Callable[[dict[str, object]], Answer]]) -> DsopsError:
    """The error of a replacement against these answers. It never contains the value."""
    with pytest.raises(DsopsError) as raised:
        replaced(answers)
    error = raised.value
    assert NEW_VALUE not in f"{error!r} {error.message} {error.why} {error.hint} {error.aws} {error.__notes__}"
    return error


def put(_: dict[str, object]) -> Answer:
    """The answer to PutSecretValue."""
    return json_answer({"ARN": ARN, "Name": "prod/db", "VersionId": MINE, "VersionStages": [STAGED]})


def current(version: str) -> Callable[[dict[str, object]], Answer]:
    """An answer to DescribeSecret in which that version is current."""
    return lambda _: json_answer({"ARN": ARN, "Name": "prod/db", "VersionIdsToStages": {version: ["AWSCURRENT"]}})


def refuse_current(parameters: dict[str, object]) -> Answer:
    """Refuse to move AWSCURRENT; allow other labels."""
    if parameters["VersionStage"] != "AWSCURRENT":
        return json_answer({"ARN": ARN, "Name": "prod/db"})
    return json_error("InvalidParameterException", "The label is not attached to that version.")


def test_the_label_moves_from_the_expected_version_only() -> None:
    """The value is stored under its own label; AWS moves AWSCURRENT only if the expected version still has it."""
    asked: list[dict[str, object]] = []

    def move(parameters: dict[str, object]) -> Answer:
        asked.append(parameters)
        return json_answer({"ARN": ARN, "Name": "prod/db"})

    version, actions = replaced({"PutSecretValue": put, "UpdateSecretVersionStage": move})

    assert (MINE, ["PutSecretValue", "UpdateSecretVersionStage", "UpdateSecretVersionStage"]) == (version, actions)
    assert {
        "SecretId": "prod/db",
        "VersionStage": "AWSCURRENT",
        "MoveToVersionId": MINE,
        "RemoveFromVersionId": OLD,
    } == asked[0]
    assert {"SecretId": "prod/db", "VersionStage": STAGED, "RemoveFromVersionId": MINE} == asked[1]


def test_a_change_by_another_client_is_not_overwritten() -> None:
    """If another version has become current, the error names that version, and the new version loses its label."""
    error = failure(
        {"PutSecretValue": put, "UpdateSecretVersionStage": refuse_current, "DescribeSecret": current(OTHERS)}
    )
    assert isinstance(error, SecretChanged)
    assert f"the expected version is {OLD}, but the current version is {OTHERS}" == error.why
    assert "dsops diff vault prod/db" in error.hint


def test_a_lost_response_is_no_change_by_another_client() -> None:
    """If a retry finds that the new version is current already, the write has succeeded."""
    version, _ = replaced(
        {"PutSecretValue": put, "UpdateSecretVersionStage": refuse_current, "DescribeSecret": current(MINE)}
    )
    assert MINE == version


def test_another_reason_of_the_refusal_stays() -> None:
    """If the move fails although the expected version is current, the error has AWS's reason and the new version."""
    error = failure({"PutSecretValue": put, "UpdateSecretVersionStage": refuse_current, "DescribeSecret": current(OLD)})
    assert isinstance(error, SecretRefused)
    assert f"the new value is stored as version {MINE}, and version {OLD} is still current" in error.why


def test_an_unknown_outcome_is_not_called_unchanged() -> None:
    """If AWS fails at the move, the error does not claim which version is current, but says how to find out."""
    broken = {"PutSecretValue": put, "UpdateSecretVersionStage": lambda _: json_error("InternalServiceError", "x", 500)}
    error = failure(broken)
    assert "still current" not in error.why
    assert f"stored as version {MINE}, and `dsops history vault prod/db` shows" in error.why


def test_a_denied_move_says_what_is_stored_and_what_to_allow() -> None:
    """If UpdateSecretVersionStage is denied, the old version stays current, and the error names the permission."""

    def deny(_: dict[str, object]) -> Answer:
        return json_error(
            "AccessDeniedException",
            "User: arn:aws:sts::111122223333:assumed-role/Writer/me is not authorized to perform: "
            f"secretsmanager:UpdateSecretVersionStage on resource: {ARN} because no identity-based policy allows it",
        )

    error = failure({"PutSecretValue": put, "UpdateSecretVersionStage": deny})
    assert isinstance(error, SecretAccessDenied)
    assert f"version {OLD} is still current" in error.why
    assert "allow secretsmanager:UpdateSecretVersionStage on it to the role Writer" in error.hint
    assert "dsops explain --message" in error.hint


@pytest.mark.parametrize(
    "words",
    [
        f"Value '{NEW_VALUE}' at 'secretString' failed to satisfy constraint",
        f"1 validation error detected: {NEW_VALUE} is not good",
        "Value 'hush-new-value with more' at 'value' failed",
    ],
)
def test_a_value_that_aws_repeats_is_masked(words: str) -> None:
    """If AWS's error message repeats the secret's value, no part of dsops' error contains the value."""
    failure({"PutSecretValue": lambda _: json_error("ValidationException", words)})


def test_a_binary_value_is_sent_as_base64() -> None:
    """A value that is not text is sent as SecretBinary in base64.

    If AWS repeats the base64 text in an error, dsops masks it.
    """
    with StubServer(lambda _: json_error("InvalidRequestException", "no //4= here")) as server:
        scene = Scene()
        secret = ManagedSecret(step("aws.secretsmanager"), "prod/db", SESSION, scene.client, endpoint_at(server))
        with pytest.raises(SecretRefused) as raised:
            scene.run(secret.replace(Secret.from_bytes(b"\xff\xfe"), OLD))
        assert "//4=" == json.loads(server.seen[0].body)["SecretBinary"]
    assert "no *** here" == raised.value.why.partition(";")[0]


def parameter_history(version: int, **more: object) -> Answer:
    """An answer to GetParameterHistory with one version."""
    entry = {"Name": "/p", "Version": version, "Type": "SecureString", "KeyId": "alias/own", "Tier": "Advanced"}
    return json_answer({"Parameters": [{**entry, "DataType": "text", "Value": "encrypted", **more}]})


def written(history: Answer, version: int, expected: str = "4") -> tuple[str, list[dict[str, object]]]:
    """Write a parameter whose new version AWS answers; return the version, and the bodies of PutParameter."""
    answers = {"GetParameterHistory": history, "PutParameter": json_answer({"Version": version})}
    with StubServer(lambda seen: answers[action_of(seen)]) as server:
        scene = Scene()
        parameter = ManagedParameter(step("aws.ssm"), "/p", SESSION, scene.client, endpoint_at(server))
        result = scene.run(parameter.replace(Secret(NEW_VALUE), expected))
        return result, [json.loads(seen.body) for seen in server.seen if action_of(seen) == "PutParameter"]


def test_a_parameter_keeps_its_type_key_and_tier() -> None:
    """An overwritten parameter keeps its tier and its KMS key, which AWS would otherwise replace by the default key."""
    version, (body,) = written(parameter_history(4), 5)
    assert "5" == version
    assert {
        "Name": "/p",
        "Value": NEW_VALUE,
        "Overwrite": True,
        "Type": "SecureString",
        "KeyId": "alias/own",
        "Tier": "Advanced",
        "DataType": "text",
    } == body
    _, (body,) = written(parameter_history(4, Type="String", KeyId=""), 5)
    assert "KeyId" not in body


def test_a_parameter_that_has_changed_is_not_overwritten() -> None:
    """If the newest version is not the expected one, no PutParameter is sent."""
    with pytest.raises(SecretChanged, match="nothing was overwritten") as raised:
        written(parameter_history(6), 7)
    assert "the expected version is 4, but the current version is 6" == raised.value.why


def test_a_parameter_that_changes_in_the_last_moment_is_named() -> None:
    """If a version number was skipped, the write replaced another client's version.

    The error names that version and the command that restores it.
    """
    with pytest.raises(SecretChanged) as raised:
        written(parameter_history(4), 6)
    error = raised.value
    assert "version 6 of the parameter `/p` is written, but it replaces another client's change" == error.message
    assert error.why.startswith("version 5 ")
    assert "`dsops rollback vault /p 5`" in error.hint


def test_a_parameter_is_not_written_twice_if_the_response_is_lost() -> None:
    """A PutParameter that may have arrived is not repeated, as that would make a second version."""
    lost = json_error("InternalServerError", "try again", 500)
    answers = {"GetParameterHistory": parameter_history(4), "PutParameter": lost}
    with StubServer(lambda seen: answers[action_of(seen)]) as server:
        scene = Scene()
        parameter = ManagedParameter(step("aws.ssm"), "/p", SESSION, scene.client, endpoint_at(server))
        with pytest.raises(DsopsError) as raised:
            scene.run(parameter.replace(Secret(NEW_VALUE), "4"))
        assert 1 == [action_of(seen) for seen in server.seen].count("PutParameter")
    assert "`dsops history vault /p` shows whether the value was written" in raised.value.hint
