"""If files change between plan and call, the run uses the new identity but does not cache its sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsops.cache import CredentialCache
from tests.pipeline import Pipeline

ROLE = "arn:aws:iam::222222222222:role"
CONFIG = f"""\
secretStores:
  r: {{type: aws.sts, role_arn: "{ROLE}/R", region: us-east-1}}
  q: {{type: aws.sts, role_arn: "{ROLE}/Q", region: us-east-1}}
envs:
  both:
    R: {{from: {{store: r, key: access_key_id}}}}
    Q: {{from: {{store: q, key: access_key_id}}}}
"""
ADA, EVE = "AKIAADAADAADAADAADA1", "AKIAEVEEVEEVEEVEEVE1"


@pytest.fixture
def pipeline(home: Path) -> Pipeline:
    """An agent, and a client with Ada's key in a file."""
    pipeline = Pipeline()
    pipeline.cache = CredentialCache(pipeline.clock, is_of_many=True)
    pipeline.environ, pipeline.folder = {"HOME": str(home)}, "/"
    become(ADA, home)
    return pipeline


def become(key_id: str, home: Path) -> None:
    """Change the default profile to another identity, as tools that switch profiles do."""
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = secret-of-{key_id}\n"
    )


def signers(pipeline: Pipeline) -> set[str]:
    """Return the owners of the keys that signed the calls since the last query."""
    calls = {call.access_key_id for call in pipeline.aws.calls}
    pipeline.aws.calls.clear()
    return calls


def test_a_switch_between_plan_and_call_is_not_kept(pipeline: Pipeline, home: Path) -> None:
    """If the identity changes between plan and call, no session of the new identity is cached.

    After a change back, the next run uses no key or session of the other identity.
    """
    plan = pipeline.plan(CONFIG, "both")
    become(EVE, home)
    pipeline.time.run(pipeline.resolver(plan).secrets(), pipeline.aws)
    assert (signers(pipeline), pipeline.cache.held()) == ({EVE}, [])
    become(ADA, home)
    pipeline.resolve(CONFIG, "both")
    assert signers(pipeline) == {ADA}


def test_without_a_switch_everything_is_kept(pipeline: Pipeline) -> None:
    """If the identity stays the same, base key and both role sessions are cached: the next run makes no call."""
    pipeline.resolve(CONFIG, "both")
    assert signers(pipeline) == {ADA}
    assert sorted(held.store for held in pipeline.cache.held()) == ["", "q", "r"]
    pipeline.resolve(CONFIG, "both")
    assert signers(pipeline) == set()


def test_sessions_of_others_survive_a_switch(pipeline: Pipeline, home: Path) -> None:
    """If the identity changes between plan and call, the agent keeps the sessions that it already holds."""
    pipeline.resolve(CONFIG, "both")
    other = CONFIG.replace("role_arn", "profile: default, role_arn")
    plan = pipeline.plan(other, "both")
    become(EVE, home)
    pipeline.time.run(pipeline.resolver(plan).secrets(), pipeline.aws)
    assert len(pipeline.cache.held()) == 3
