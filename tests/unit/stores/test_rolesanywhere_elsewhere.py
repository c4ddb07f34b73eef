"""What other rooms make of a store of type `aws.rolesanywhere`: seeds, trust policies, doctor and explain."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dsops.config import load
from dsops.doctor.certificates import check_machine_certificates
from dsops.doctor.files import loose_files, watched_files
from dsops.explain.questions.federated_questions import unsigned_questions
from dsops.grants import GrantInputs, filled, grants_of
from dsops.sandbox.seed.model import Seed
from dsops.seed import seed_from_config
from tests.anywhere import ANCHOR, ANYWHERE_PROFILE, ROLE, ROOT, send
from tests.anywhere_in_memory import make_pipeline, store, write_files
from tests.certificates import SessionCall
from tests.pipeline import Pipeline
from tests.sandboxes import Lab

if TYPE_CHECKING:
    from pathlib import Path

    from dsops.plan import Step

READS = "  s: {type: aws.secretsmanager, credentials_from: m}\nenvs:\n  e:\n    A: {from: {store: s, key: token}}\n"
ACTIONS = {"sts:SetSourceIdentity", "sts:AssumeRole", "sts:TagSession"}


@pytest.fixture
def pipeline() -> Pipeline:
    """A process without credentials."""
    return make_pipeline()[0]


def step_of(pipeline: Pipeline, folder: Path) -> Step:
    """The planned step of the store."""
    return pipeline.plan(store(folder), store="m").steps["m"]


def seed_of(folder: Path, text: str) -> tuple[Seed, list[str]]:
    """The seed of a configuration, and its notes."""
    (folder / "dsops.yaml").write_text(f"version: 1\n{text}")
    config = load(folder=str(folder), environ={"HOME": str(folder)}, named="dsops.yaml")
    made = seed_from_config(config, environ={"USER": "ada"}, timestamp="20261124T150718Z")
    return made.seed, list(made.notes)


def test_a_sandbox_of_a_configuration_accepts_the_certificate(tmp_path: Path) -> None:
    """The CAs in `intermediates` become the trust anchor, and the role trusts it and may read the secret."""
    intermediate = ROOT.intermediate()
    machine = intermediate.machine()
    write_files(tmp_path, machine)
    text = store(tmp_path, f"intermediates: '{tmp_path}/chain.pem', duration_seconds: 1800") + READS
    seed, notes = seed_of(tmp_path, text)
    assert notes == []
    lab = Lab.of(seed)
    call = SessionCall(holder=machine, trust_anchor_arn=ANCHOR, profile_arn=ANYWHERE_PROFILE, role_arn=ROLE)
    assert send(lab, call).status == 201


def test_a_sandbox_without_the_ca_has_a_note(tmp_path: Path) -> None:
    """Without `intermediates`, the CA is unknown: the role is created, and a note says what is missing."""
    write_files(tmp_path)
    seed, notes = seed_of(tmp_path, store(tmp_path) + READS)
    assert [note for note in notes if "name the certificates of its CA in `intermediates`" in note]
    assert [role.name for account in seed.accounts for role in account.roles] == ["Deploy"]


def test_the_generated_trust_policy_names_the_trust_anchor(tmp_path: Path, pipeline: Pipeline) -> None:
    """The trust policy allows the service's three actions for the trust anchor and one common name, left open."""
    write_files(tmp_path)
    plan = pipeline.plan(store(tmp_path) + READS, "e")
    [role] = grants_of(plan, GrantInputs("")).roles
    statements: Any = filled(list(role.trust))
    [statement] = statements
    assert statement["Principal"] == {"Service": "rolesanywhere.amazonaws.com"}
    assert set(statement["Action"]) == ACTIONS
    assert statement["Condition"]["ArnEquals"] == {"aws:SourceArn": ANCHOR}
    assert "aws:PrincipalTag/x509Subject/CN" in statement["Condition"]["StringEquals"]
    assert "secretsmanager:GetSecretValue" in json.dumps(filled(list(role.permissions)))


@pytest.mark.parametrize(("days", "status"), [(30, "ok"), (3, "warning")])
def test_doctor_warns_before_a_certificate_expires(tmp_path: Path, pipeline: Pipeline, days: int, status: str) -> None:
    """A certificate that expires within a week is a warning; one certificate of two stores is checked once."""
    write_files(tmp_path, ROOT.machine(valid=(-1, days)))
    step = step_of(pipeline, tmp_path)
    [check] = check_machine_certificates([step, step], pipeline.runtime())
    assert (check.code, check.name, check.status) == ("doctor.certificate", f"{tmp_path}/machine.pem", status)


def test_doctor_leaves_broken_certificates_to_the_store(tmp_path: Path, pipeline: Pipeline) -> None:
    """An expired or missing certificate has no check of its own."""
    write_files(tmp_path)
    step = step_of(pipeline, tmp_path)
    pipeline.clock.time += timedelta(days=400)
    assert [*check_machine_certificates([step], pipeline.runtime())] == []
    (tmp_path / "machine.pem").unlink()
    assert [*check_machine_certificates([step], pipeline.runtime())] == []


def test_doctor_looks_at_the_keys_mode(tmp_path: Path, pipeline: Pipeline) -> None:
    """A private key that other users can read is among the files that doctor reports."""
    write_files(tmp_path)
    key = tmp_path / "machine.key"
    key.chmod(0o604)
    watched = watched_files([], [step_of(pipeline, tmp_path)], {"HOME": str(tmp_path)}, str(tmp_path))
    assert [file.path for file in loose_files(watched)] == [str(key)]


def test_explain_asks_for_the_three_actions_of_the_service(tmp_path: Path, pipeline: Pipeline) -> None:
    """The trust policy is asked as the service would ask; what the certificate says counts as unknown."""
    write_files(tmp_path)
    asked = unsigned_questions(step_of(pipeline, tmp_path), "us-east-1")
    assert {question.action for question, _ in asked} == ACTIONS
    for question, unread in asked:
        assert (question.principal.kind, question.principal.federated) == ("service", "rolesanywhere.amazonaws.com")
        assert question.context["aws:SourceArn"] == (ANCHOR,)
        assert "aws:principaltag/" in {key for part in unread for key in part.keys}
