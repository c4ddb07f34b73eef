"""A stub of STS and Secrets Manager that answers at once or after a delay, to measure clients.

Run as its own process (`python bench/stub.py --delay-ms 30 --batch denied`): it prints its address and serves until
its standard input ends. It checks nothing, unlike the sandbox. `GET /counts` returns the number of calls per action.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
from collections import Counter
from typing import cast
from urllib.parse import parse_qs

ASSUME_ROLE_ANSWER = """\
<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser>
      <AssumedRoleId>AROABENCHBENCHBENCHB:{session}</AssumedRoleId>
      <Arn>arn:aws:sts::123456789012:assumed-role/{role}/{session}</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIABENCHBENCHBENCHB</AccessKeyId>
      <SecretAccessKey>bench+bench+bench+bench+bench+bench+bench</SecretAccessKey>
      <SessionToken>{token}</SessionToken>
      <Expiration>2099-01-01T00:00:00Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
  <ResponseMetadata>
    <RequestId>00000000-0000-4000-8000-000000000000</RequestId>
  </ResponseMetadata>
</AssumeRoleResponse>
"""
CALLER_ANSWER = """\
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>arn:aws:iam::123456789012:user/bench</Arn>
    <UserId>AIDABENCHBENCHBENCHB</UserId>
    <Account>123456789012</Account>
  </GetCallerIdentityResult>
</GetCallerIdentityResponse>
"""
SESSION_TOKEN = "IQoJb3JpZ2luX2Jlbm" * 48  # about as long as AWS's
JSON_TYPE = "application/x-amz-json-1.1"


class Stub:
    """The answers; `batch` is "allowed" or "denied"."""

    def __init__(self, *, delay_ms: float, batch: str) -> None:
        self.delay_seconds = delay_ms / 1000
        self.batch = batch
        self.calls: Counter[str] = Counter()

    def answer(self, target: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body for one request; `target` is the X-Amz-Target header, "" for STS."""
        if not target:
            form = parse_qs(body.decode())
            action = form.get("Action", ["?"])[0]
            self.calls[action] += 1
            if action == "GetCallerIdentity":
                return 200, "text/xml", CALLER_ANSWER.encode()
            if action != "AssumeRole":
                return 400, "text/xml", b"<ErrorResponse/>"
            role, session = form["RoleArn"][0].rpartition("/")[2], form["RoleSessionName"][0]
            text = ASSUME_ROLE_ANSWER.format(role=role, session=session, token=SESSION_TOKEN)
            return 200, "text/xml", text.encode()
        action = target.rpartition(".")[2]
        self.calls[action] += 1
        request = json.loads(body)
        if action == "GetSecretValue":
            return 200, JSON_TYPE, json.dumps(secret(request["SecretId"])).encode()
        if action == "BatchGetSecretValue" and self.batch == "allowed":
            values = [secret(name) for name in request["SecretIdList"]]
            return 200, JSON_TYPE, json.dumps({"SecretValues": values, "Errors": []}).encode()
        message = f"User: ... is not authorized to perform: secretsmanager:{action}"
        refusal = {"__type": "AccessDeniedException", "Message": message}
        return 400, JSON_TYPE, json.dumps(refusal).encode()


def secret(name: str) -> dict[str, object]:
    """A secret as Secrets Manager returns it; its value is `value of NAME`."""
    return {
        "ARN": f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-AbCdEf",
        "Name": name,
        "VersionId": "00000000-0000-4000-8000-000000000001",
        "SecretString": f"value of {name}",
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": 1764000000.0,
    }


class Connection(asyncio.Protocol):
    """A kept connection; requests are answered in order, each after the delay."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            length = int(headers.get("content-length", "0"))
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            if first.startswith("HEAD"):
                # a client that opens a connection ahead
                asyncio.get_running_loop().call_later(self.stub.delay_seconds, self.send, 403, "text/xml", b"")
                continue
            if first.startswith("GET /counts"):
                self.send(200, "application/json", json.dumps(self.stub.calls).encode())
                continue
            if first.startswith("GET / "):
                # a client that probes whether the server answers
                asyncio.get_running_loop().call_later(self.stub.delay_seconds, self.send, 403, "text/xml", b"")
                continue
            answer = self.stub.answer(headers.get("x-amz-target", ""), body)
            asyncio.get_running_loop().call_later(self.stub.delay_seconds, self.send, *answer)

    def send(self, status: int, content_type: str, body: bytes) -> None:
        """Write one answer, unless the client has disconnected."""
        if self.transport.is_closing():
            return
        head = [
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Bad Request'}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
            "x-amzn-RequestId: 00000000-0000-4000-8000-000000000000",
        ]
        self.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)


async def serve(stub: Stub, certificate: str) -> None:
    """Serve on a free port of loopback until standard input ends; over TLS with a certificate and key (PEM)."""
    loop = asyncio.get_running_loop()
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0, backlog=256, ssl=tls)
    scheme = "https" if certificate else "http"
    print(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description="a stub of STS and Secrets Manager on loopback")
    parser.add_argument("--delay-ms", type=float, default=0, help="how long each answer is held back")
    parser.add_argument("--batch", choices=["allowed", "denied"], default="allowed")
    parser.add_argument("--certificate", default="", help="serve over TLS with this certificate and key")
    options = parser.parse_args()
    asyncio.run(serve(Stub(delay_ms=options.delay_ms, batch=options.batch), options.certificate))


if __name__ == "__main__":
    main()
