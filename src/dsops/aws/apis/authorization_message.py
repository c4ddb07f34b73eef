"""STS DecodeAuthorizationMessage: decode an encoded authorization message."""

from __future__ import annotations

from dsops.aws.http.answer import lacks
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_query
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError

_VERSION = "2011-06-15"
MAX_LENGTH = 10_240
"""The maximum length of a message in characters that STS accepts (STS service model 2011-06-15)."""


async def decode_authorization_message(
    client: Client, credentials: Credentials, endpoint: Endpoint, message: str
) -> str:
    """Decode the message that some AWS services return with a denial, and return its JSON text.

    Raises AccessDenied if the caller lacks sts:DecodeAuthorizationMessage. Only credentials of the account whose
    request was denied can decode the message.
    """
    doing = "decode the authorization message"
    call = Call(endpoint, credentials, "DecodeAuthorizationMessage", doing, _as_every_service)
    reply = await call_query(client, call, _VERSION, [("EncodedMessage", message)])
    text = reply.result.text_of("DecodedMessage")
    if not text:
        raise lacks(endpoint, call.action, "DecodedMessage")
    return text


def _as_every_service(_said: AwsAnswer, _doing: str) -> DsopsError | None:
    return None
