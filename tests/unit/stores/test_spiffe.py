"""JWT-SVIDs as web identity tokens: the question to the Workload API, whose session it is, and refusals."""

from __future__ import annotations

import pytest

from dsops.aws.http.grpc import first_message, frame
from dsops.aws.http.wire import Response, WireRequest
from dsops.errors import AssumeRoleDenied, DsopsError, NoCredentials
from dsops.workload.protocol_buffers import encode_fields
from tests.aws_in_memory import InMemoryAws, Refusal
from tests.pipeline import Pipeline, words
from tests.unit.stores.test_web_identity import ROLE, store, token_of

SOCKET = {"AWS_REGION": "us-east-1", "SPIFFE_ENDPOINT_SOCKET": "unix:///run/agent.sock"}
SVID = token_of("spiffe://example.org/web")
ANSWER = Response(200, {"grpc-status": "0"}, frame(encode_fields([(1, encode_fields([(2, SVID)]))])))


class AwsWithAgent(InMemoryAws):
    """AWS in memory, and a Workload API with one answer."""

    answer = ANSWER

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline.clock)
        self.asked: list[WireRequest] = []

    def start(self, request: object, token: object) -> None:
        """Accept a request; a gRPC call has the API's answer."""
        assert isinstance(request, WireRequest)
        if not request.grpc:
            super().start(request, token)
            return
        self.asked.append(request)
        self._waiting.append((token, self.answer))


@pytest.fixture
def pipeline() -> Pipeline:
    """A process without any credentials, beside a SPIFFE agent."""
    pipeline = Pipeline()
    pipeline.environ = SOCKET
    pipeline.aws = AwsWithAgent(pipeline)
    return pipeline


def asked(pipeline: Pipeline) -> list[WireRequest]:
    """The requests to the Workload API."""
    assert isinstance(pipeline.aws, AwsWithAgent)
    return pipeline.aws.asked


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", encode_fields([(1, "sts.amazonaws.com")])),
        (
            ", web_identity_audience: mine, spiffe_id: 'spiffe://example.org/web'",
            encode_fields([(1, "mine"), (2, "spiffe://example.org/web")]),
        ),
    ],
)
def test_the_workload_api_is_asked_for_the_token(pipeline: Pipeline, fields: str, message: bytes) -> None:
    """The SVID for the store's audience and SPIFFE ID is the token of AssumeRoleWithWebIdentity."""
    pipeline.credentials(store(f"web_identity: spiffe{fields}"), "r")
    (call,) = pipeline.aws.calls
    assert (call.action, call.parameters["WebIdentityToken"]) == ("AssumeRoleWithWebIdentity", SVID)
    (question,) = asked(pipeline)
    assert (question.unix_socket, question.proxy, question.signing) == ("/run/agent.sock", None, None)
    assert question.url == "http://localhost/SpiffeWorkloadAPI/FetchJWTSVID"
    assert dict(question.headers)["workload.spiffe.io"] == "true"
    assert first_message(question.body) == message


def test_a_session_belongs_to_socket_audience_and_identity(pipeline: Pipeline) -> None:
    """A session is shared only by stores with the same socket, audience and SPIFFE ID; planning asks nothing."""
    plain = store("web_identity: spiffe")
    plans = [pipeline.plan(plain, store="r"), pipeline.plan(plain, store="r")]
    plans += [
        pipeline.plan(store("web_identity: spiffe, web_identity_audience: mine"), store="r"),
        pipeline.plan(store("web_identity: spiffe, spiffe_id: 'spiffe://example.org/a'"), store="r"),
    ]
    pipeline.environ = {**SOCKET, "SPIFFE_ENDPOINT_SOCKET": "unix:///other"}
    plans.append(pipeline.plan(plain, store="r"))
    prints = [str(plan.steps["r"].fingerprint) for plan in plans]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4
    assert asked(pipeline) == []


def test_a_refused_audience_is_shown_with_the_svids_claims(pipeline: Pipeline) -> None:
    """If AWS refuses the SVID, the error shows its sub, aud and iss, but not the SVID."""
    pipeline.aws.rule = lambda _: Refusal("AccessDenied", "Not authorized")
    with pytest.raises(AssumeRoleDenied) as caught:
        pipeline.credentials(store("web_identity: spiffe"), "r")
    assert caught.value.message == f"store `r` may not assume {ROLE} with the token from SPIFFE"
    assert "sub `spiffe://example.org/web`, aud `sts.amazonaws.com`" in caught.value.hint
    assert "PLANTED" not in words(caught.value)


def test_an_answer_that_is_no_token_is_not_sent_to_aws(pipeline: Pipeline) -> None:
    """Another content than a JSON Web Token stays on the machine."""
    assert isinstance(pipeline.aws, AwsWithAgent)
    content = encode_fields([(1, encode_fields([(2, "PLANTED")]))])
    pipeline.aws.answer = Response(200, {"grpc-status": "0"}, frame(content))
    with pytest.raises(NoCredentials, match="is not a JSON Web Token") as caught:
        pipeline.credentials(store("web_identity: spiffe"), "r")
    assert "PLANTED" not in words(caught.value)
    assert pipeline.aws.calls == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("web_identity: gitlab, web_identity_audience: mine", "`web_identity: github`, `buildkite` or `spiffe`"),
        ("web_identity: github, spiffe_id: 'spiffe://example.org/a'", "`spiffe_id` goes with `web_identity: spiffe`"),
        ("web_identity: spiffe, spiffe_id: 'https://example.org/a'", "spiffe://TRUST-DOMAIN/PATH"),
        ("web_identity: spiffe, spiffe_id: 'spiffe://example.org/../a'", "spiffe://TRUST-DOMAIN/PATH"),
    ],
)
def test_keys_that_do_not_go_together(pipeline: Pipeline, fields: str, message: str) -> None:
    """A configuration with a wrong SPIFFE ID, or with a key of another platform, is refused."""
    with pytest.raises(DsopsError) as caught:
        pipeline.plan(store(fields), store="r")
    assert message in words(caught.value)
