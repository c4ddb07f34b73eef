"""Fixtures: a sandbox with two accounts, and a factory for sandboxes with other seeds."""

from __future__ import annotations

from typing import Protocol

import pytest

from dsops.sandbox.clock import MovableClock
from tests.sandboxes import Lab


class LabFactory(Protocol):
    """Creates a sandbox from a seed."""

    def __call__(self, seed: str) -> Lab:
        """Create a new sandbox, which replaces the previous one."""


@pytest.fixture
def make_lab() -> LabFactory:
    """A function that creates a sandbox from a seed, with its clock frozen at that moment."""

    def make(seed: str) -> Lab:
        clock = MovableClock()
        clock.freeze(is_frozen=True)
        return Lab.of(seed, clock)

    return make


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox where Alice may assume the role Jump, and Jump may assume Target with an external ID.

    Target may read the secrets of its account.
    """
    return make_lab(SEED)


SEED = """
accounts:
  "111111111111":
    users:
      alice:
        mfa: {name: alice, seed: JBSWY3DPEHPK3PXP}
        tags: {team: blue}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: ["sts:AssumeRole", "sts:TagSession",
           "sts:SetSourceIdentity"], Resource: "*"}}
      bob:
        source_ip: 10.1.2.3
      nobody: {}
    roles:
      Jump:
        path: /team/
        tags: {stage: jump}
        trust: &own
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "arn:aws:iam::111111111111:root"}
            Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:*", Resource: "*"}}
      Long:
        max_session_duration: 43200
        trust: *own
  "222222222222":
    roles:
      Target:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "arn:aws:iam::111111111111:role/team/Jump"}
            Action: "sts:AssumeRole"
            Condition: {StringEquals: {"sts:ExternalId": "unique-customer-id-12345"}}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue",
           Resource: "arn:aws:secretsmanager:*:*:secret:prod/*"}}
    secrets:
      prod/db: {password: invented}
      dev/db: nothing
"""
