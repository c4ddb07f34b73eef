"""GetScopedCredentials never allows more than the session that called it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.request.question import AuthorizationQuestion
from dsops.sandbox.authorization.caller import role_caller
from dsops.sandbox.state.sessions import PolicyLayer, Session
from tests.sandboxes import ACCOUNT, Lab

ACTIONS = ("s3:GetObject", "s3:PutObject", "sqs:SendMessage")
PATTERNS = ("*", "s3:*", "s3:Get*", *ACTIONS)
STATEMENTS = st.builds(
    lambda effect, actions: {"Effect": effect, "Action": actions, "Resource": "*"},
    st.sampled_from(("Allow", "Allow", "Deny")),
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
)
POLICIES = st.lists(STATEMENTS, min_size=1, max_size=3).map(
    lambda statements: json.dumps({"Version": "2012-10-17", "Statement": statements})
)
LAYERS = POLICIES.map(lambda text: PolicyLayer(text, ()))


@pytest.fixture(scope="module")
def lab() -> Lab:
    """A role with some permissions on everything."""
    trust = f'{{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{AWS: "{ACCOUNT}"}}, Action: "sts:*"}}}}'
    policy = '{Version: "2012-10-17", Statement: [{Effect: Allow, Action: ["s3:*", "sqs:*"], Resource: "*"}]}'
    return Lab.of(f'accounts: {{"{ACCOUNT}": {{roles: {{R: {{trust: {trust}, policies: [{policy}]}}}}}}}}')


def allowed(lab: Lab, session: Session) -> set[str]:
    """The actions that a session of the role may do."""
    role = lab.sandbox.world.role_named(ACCOUNT, "R")
    assert role is not None
    caller = role_caller(lab.sandbox.world, role, session, "ASIA", "us-east-1")
    return {
        action
        for action in ACTIONS
        if lab.sandbox.judge.decide(caller, AuthorizationQuestion(action, "*", ACCOUNT, {}), "id", 0).is_allowed
    }


@given(policy=st.none() | LAYERS, scopes=st.lists(LAYERS, max_size=3), more=LAYERS)
def test_a_scope_never_gives_more(
    lab: Lab, policy: PolicyLayer | None, scopes: list[PolicyLayer], more: PolicyLayer
) -> None:
    """A session with one more scope allows only actions that both the scope and the session without it allow."""
    session = Session("role", ACCOUNT, "", "s", 0, 9, policy=policy, scopes=tuple(scopes))
    before = allowed(lab, session)

    assert allowed(lab, session._replace(scopes=(*scopes, more))) <= before
    assert allowed(lab, session._replace(scopes=(more, *scopes))) <= before
    alone = allowed(lab, Session("role", ACCOUNT, "", "s", 0, 9, scopes=(more,)))
    assert allowed(lab, session._replace(scopes=(*scopes, more))) == before & alone
