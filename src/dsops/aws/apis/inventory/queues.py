"""SQS: the queues of an account and their policies. SQS serves the query protocol beside its newer one."""

from __future__ import annotations

from dsops.aws.apis.inventory.pages import ServiceApi, all_pages, no_refusal
from dsops.aws.http.answer import Element
from dsops.aws.http.call import Call
from dsops.aws.http.client import call_query

_VERSION = "2012-11-05"


async def list_queues(api: ServiceApi) -> list[str]:
    """Return the URLs of the queues in the region."""

    async def page(token: str) -> tuple[list[object], str]:
        parameters = (("MaxResults", "1000"), *((("NextToken", token),) if token else ()))
        result = await _call(api, "ListQueues", parameters)
        return [child.text.strip() for child in result.children if child.name == "QueueUrl"], result.text_of(
            "NextToken"
        )

    return [str(url) for url in await all_pages(api, "ListQueues", page)]


async def get_queue_attributes(api: ServiceApi, url: str) -> dict[str, str]:
    """Return the ARN (`QueueArn`) and the policy (`Policy`, if there is one) of a queue."""
    parameters = (("QueueUrl", url), ("AttributeName.1", "QueueArn"), ("AttributeName.2", "Policy"))
    result = await _call(api, "GetQueueAttributes", parameters)
    return {child.text_of("Name"): child.text_of("Value") for child in result.children if child.name == "Attribute"}


async def _call(api: ServiceApi, action: str, parameters: tuple[tuple[str, str], ...]) -> Element:
    call = Call(api.endpoint, api.credentials, action, f"call sqs:{action}", no_refusal)
    return (await call_query(api.client, call, _VERSION, parameters)).result
