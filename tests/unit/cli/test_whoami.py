"""`dsops whoami` as a real process, with and without the agent: known and unknown facts about a role chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.cli.stub_aws import Agent, Dsops, StubAws

CHAIN = """\
version: 1
secretStores:
  jump:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Jump
    role_session_name: test
  target:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Target
    role_session_name: test
    credentials_from: jump
    external_id: hush-external-id
envs: {}
"""


def hops(dsops: Dsops, *words: str) -> list[dict[str, Any]]:
    """The hops of the chain in the JSON output."""
    answer = json.loads(dsops.run("whoami", "target", "--json", *words).stdout)
    found: list[dict[str, Any]] = answer["hops"]
    return found


def test_each_hop_that_is_made_has_its_end(tmp_path: Path) -> None:
    """Without the agent, `whoami` issues every session of the chain and shows each expiry."""
    with StubAws() as aws:
        dsops = Dsops(tmp_path, aws)
        (dsops.folder / "dsops.yaml").write_text(CHAIN)
        assert ["2099-01-01T00:00:00Z"] * 2 == [hop["expiration"] for hop in hops(dsops)]
        assert aws.calls == ["AssumeRole", "AssumeRole", "GetCallerIdentity"]


def test_an_unneeded_hop_is_not_issued_for_its_expiry(tmp_path: Path) -> None:
    """If the last session is cached, `whoami` does not assume the earlier role and shows its expiry as unknown."""
    with StubAws() as aws, Agent(tmp_path, aws) as dsops:
        (dsops.folder / "dsops.yaml").write_text(CHAIN)
        hops(dsops)
        calls = len(aws.calls)
        assert [None, "2099-01-01T00:00:00Z"] == [hop["expiration"] for hop in hops(dsops)]
        shown = dsops.run("whoami", "target").stdout.decode()
        assert aws.calls[calls:] == ["GetCallerIdentity"] * 2
        assert "1. jump: AssumeRole arn:aws:iam::111122223333:role/Jump as test\n" in shown


def test_without_base_credentials_a_message_needs_a_store(tmp_path: Path) -> None:
    """`explain --message` without base credentials advises to name the store whose session the program used."""
    dsops = Dsops(tmp_path)
    (tmp_path / "said").write_text(
        "User: arn:aws:iam::111122223333:user/ada is not authorized to perform: s3:ListBucket"
    )
    no_keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)}
    done = dsops.run("explain", "--message", "said", **no_keys)
    assert b"error[credentials.none]" in done.stderr
    assert b"name the store: `dsops explain STORE --message FILE`" in done.stderr


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    """The output of `whoami` contains no external ID, secret key or token, in any format, even with `--debug`."""
    with StubAws() as aws:
        dsops = Dsops(tmp_path, aws)
        (dsops.folder / "dsops.yaml").write_text(CHAIN)
        for words in ((), ("--json",), ("--verbose", "--debug")):
            done = dsops.run("whoami", "target", *words)
            shown = done.stdout + done.stderr
            assert done.returncode == 0
            for secret in (b"hush", b"se/cret+of+the+session", b"token/of+the/session"):
                assert secret not in shown
