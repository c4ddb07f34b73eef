"""SARIF output, validated against a schema with the requirements of code hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dsops import __version__, cli
from dsops.policy.linting import RULES

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
REGION = {"type": "object", "required": ["startLine"], "properties": {"startLine": {"type": "integer", "minimum": 1}}}
# A relative reference, or a URI with a scheme; RFC 3986 allows no space, backslash or control character.
URI = {"type": "string", "pattern": r"^[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+$"}
SCHEMA = {
    "type": "object",
    "required": ["version", "$schema", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "properties": {
                                    "name": {"const": "dsops"},
                                    "rules": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "required": [
                                                "id",
                                                "shortDescription",
                                                "fullDescription",
                                                "help",
                                                "defaultConfiguration",
                                            ],
                                            "properties": {
                                                "id": {"type": "string", "pattern": r"^[a-z-]+\.[a-z-]+$"},
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "required": ["level"],
                                                    "properties": {"level": LEVEL},
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "invocations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["executionSuccessful"],
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "required": ["message"],
                                        "properties": {"message": TEXT, "level": LEVEL},
                                    },
                                },
                            },
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": LEVEL,
                                "message": TEXT,
                                "locations": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 1,
                                    "items": {
                                        "type": "object",
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation", "region"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "type": "object",
                                                        "required": ["uri"],
                                                        "properties": {"uri": URI},
                                                    },
                                                    "region": REGION,
                                                },
                                            }
                                        },
                                    },
                                },
                                "partialFingerprints": {
                                    "type": "object",
                                    "minProperties": 1,
                                    "additionalProperties": {"type": "string"},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}

POLICY = """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow", "Principal": "*", // everybody
      "Action": "sts:AssumeRole"
    }
  ]
}"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a policy.json").write_text(POLICY)
    return tmp_path


def log(capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """Run `policy check` with SARIF output; return the only run of its log."""
    cli.main(["policy", "check", "--format", "sarif", *words])
    written = json.loads(capfd.readouterr().out)
    Draft202012Validator(SCHEMA).validate(written)
    run: dict[str, object] = written["runs"][0]
    return run


@pytest.mark.usefixtures("folder")
def test_it_has_what_code_hosts_need(capfd: pytest.CaptureFixture[str]) -> None:
    """Each SARIF result has rule, level and location; a space in the file name is percent-encoded."""
    results = log(capfd, "a policy.json")["results"]

    assert isinstance(results, list)
    assert [
        (result["ruleId"], result["level"], result["locations"][0]["physicalLocation"]["region"]["startLine"])
        for result in results
    ] == [("syntax.comment", "error", 5), ("trust.everyone", "error", 5)]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20policy.json"


@pytest.mark.usefixtures("folder")
def test_every_rule_is_described_and_results_point_to_theirs(capfd: pytest.CaptureFixture[str]) -> None:
    """The SARIF log describes every rule, and results refer to their rule by index and id."""
    run = log(capfd, "a policy.json")
    driver = run["tool"]["driver"]  # type: ignore[index]

    assert driver["version"] == __version__
    assert [rule["id"] for rule in driver["rules"]] == [rule.code for rule in RULES]
    for result in run["results"]:  # type: ignore[attr-defined]
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_fingerprint_stays_when_lines_move(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    """A finding's fingerprint does not change when lines move, and differs between findings and files."""

    def prints(*files: str) -> list[str]:
        results = log(capfd, *files)["results"]
        return [result["partialFingerprints"]["policyFinding/v1"] for result in results]  # type: ignore[attr-defined]

    before = prints("a policy.json")
    (folder / "a policy.json").write_text(f"\n\n{POLICY}")
    (folder / "b.json").write_text(POLICY)

    assert prints("a policy.json") == before
    assert len(set(prints("a policy.json", "b.json"))) == 4


def test_no_findings_give_an_empty_log(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    """A check without findings writes an empty SARIF log, which makes code hosts close earlier findings."""
    good = POLICY.replace(" // everybody", "").replace('"*"', '{"Service": "ec2.amazonaws.com"}')
    (folder / "good.json").write_text(good)
    run = log(capfd, "good.json")

    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is True  # type: ignore[index]


@pytest.mark.usefixtures("folder")
def test_a_file_that_cannot_be_read_is_said_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """An unreadable file is reported both in the SARIF log and on stderr."""
    run = log(capfd, "a policy.json", "nowhere.json")

    assert run["invocations"][0]["executionSuccessful"] is False  # type: ignore[index]


def test_an_absolute_path_is_an_address(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    """An absolute path becomes a `file:` URI in the SARIF log."""
    results = log(capfd, str(folder / "a policy.json"))["results"]
    place = results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]  # type: ignore[index]

    assert place.startswith("file:///")
