"""Where an issuer's keys are loaded from: files, HTTPS addresses, discovery, and SPIFFE's agent."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dsops.errors import ConfigUnreadable, DsopsError, ExtraMissing, ServiceError, TlsRefused
from dsops.workload.jwt import require_jwt
from dsops.workload.key_sources import IssuerAddress, load_issuer_keys, load_trust_bundle
from tests.stubs.authority import make_authority
from tests.stubs.server import Answer, Seen, StubServer
from tests.stubs.workload_api import StubWorkloadApi, bundles_answer
from tests.workload_tokens import TokenIssuer

KEY_SET = TokenIssuer().key_set
KEYS = Answer(body=json.dumps(KEY_SET).encode())


def test_keys_of_a_file(tmp_path: Path) -> None:
    """A path is read; a missing file is an error that names it."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(KEY_SET))
    assert load_issuer_keys(IssuerAddress("https://issuer.example", str(file)), {}) == KEY_SET
    with pytest.raises(ConfigUnreadable, match="nowhere"):
        load_issuer_keys(IssuerAddress("https://issuer.example", "/nowhere/keys.json"), {})


def test_keys_of_an_api_server_need_its_authority_and_a_token(tmp_path: Path) -> None:
    """The address is verified with `ca_file`, and gets the token of `token_file`."""
    authority = make_authority(tmp_path)
    (tmp_path / "token").write_text("node-token\n")
    address = IssuerAddress("https://kubernetes.default.svc", "", str(authority.bundle), str(tmp_path / "token"))
    with StubServer(lambda _: KEYS, tls=authority.server()) as server:
        url = f"{server.url}/openid/v1/jwks"
        assert load_issuer_keys(address._replace(jwks=url), {}) == KEY_SET
        assert server.seen[0].header("Authorization") == "Bearer node-token"
        with pytest.raises(TlsRefused):
            load_issuer_keys(address._replace(jwks=url, ca_file=""), {})
    with StubServer(lambda _: KEYS, tls=authority.server(expired=True)) as server:
        with pytest.raises(TlsRefused, match="not trusted") as caught:
            load_issuer_keys(address._replace(jwks=f"{server.url}/keys"), {})
        assert "expired" in caught.value.why
        assert server.seen == []


def discovery(document: dict[str, object], status: int = 200) -> StubServer:
    """An issuer with this discovery document; `URL` stands for its address."""

    def answer(seen: Seen) -> Answer:
        if seen.target != "/.well-known/openid-configuration":
            return KEYS
        return Answer(status, json.dumps(document).replace("URL", server.url).encode())

    server = StubServer(answer)
    return server


def test_keys_of_the_discovery_document() -> None:
    """The document names the address of the keys."""
    with discovery({"issuer": "URL", "jwks_uri": "URL/keys"}) as server:
        assert load_issuer_keys(IssuerAddress(server.url), {}) == KEY_SET
        assert [seen.target for seen in server.seen] == ["/.well-known/openid-configuration", "/keys"]


def test_the_nodes_token_goes_to_no_other_address(tmp_path: Path) -> None:
    """The token of `token_file` is sent to the issuer's address only, not to another one in the document."""
    (tmp_path / "token").write_text("node-token")
    with StubServer(lambda _: KEYS) as other, discovery({"issuer": "URL", "jwks_uri": f"{other.url}/keys"}) as server:
        address = IssuerAddress(server.url, token_file=str(tmp_path / "token"))
        assert load_issuer_keys(address, {}) == KEY_SET
        assert server.seen[0].header("Authorization") == "Bearer node-token"
        assert other.seen[0].header("Authorization") == ""


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"issuer": "https://other.example", "jwks_uri": "URL/keys"}, 200),
        ({"issuer": "URL", "jwks_uri": "http://keys.example/keys"}, 200),
        ({"issuer": "URL", "jwks_uri": "file:///etc/passwd"}, 200),
        ({"issuer": "URL", "jwks_uri": 7}, 200),
        ({"issuer": "URL"}, 200),
        ({"issuer": "URL", "jwks_uri": "URL/keys"}, 302),
        ({"issuer": "URL", "jwks_uri": "URL/keys"}, 403),
    ],
)
def test_other_discovery_documents_are_refused(document: dict[str, object], status: int) -> None:
    """A document of another issuer, an address without TLS and a refusal are errors; nothing else is loaded."""
    with discovery(document, status) as server:
        with pytest.raises(ServiceError):
            load_issuer_keys(IssuerAddress(server.url), {})
        assert len(server.seen) == 1


def test_an_issuer_needs_tls() -> None:
    """An http address of another machine is not called."""
    with pytest.raises(DsopsError, match="is not an https address"):
        load_issuer_keys(IssuerAddress("http://issuer.example"), {})


@pytest.mark.skipif(sys.platform == "win32", reason="the Workload API's socket is a Unix socket")
def test_keys_of_a_trust_domain(tmp_path: Path) -> None:
    """The Workload API has the bundle of the trust domain; another trust domain is an error."""
    with StubWorkloadApi(tmp_path / "s", lambda _: bundles_answer("spiffe://example.org", json.dumps(KEY_SET))) as api:
        environ = {"SPIFFE_ENDPOINT_SOCKET": api.url}
        assert load_trust_bundle("spiffe://example.org", environ) == KEY_SET
        with pytest.raises(ServiceError, match="no bundle of spiffe://other") as caught:
            load_trust_bundle("spiffe://other", environ)
        assert "spiffe://example.org" in caught.value.hint


def test_a_missing_package_has_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyJWT, the error has the command that installs the extra `node`."""
    require_jwt()
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ExtraMissing) as caught:
        require_jwt()
    assert "node]" in caught.value.hint or "PyJWT" in caught.value.hint
