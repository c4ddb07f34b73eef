"""SNS: the topics of an account and their policies."""

from __future__ import annotations

from dsops.aws.apis.inventory.pages import ServiceApi, all_pages, no_refusal
from dsops.aws.http.answer import Element, lacks
from dsops.aws.http.call import Call
from dsops.aws.http.client import call_query

_VERSION = "2010-03-31"


async def list_topics(api: ServiceApi) -> list[str]:
    """Return the ARNs of the topics in the region."""

    async def page(token: str) -> tuple[list[object], str]:
        result = await _call(api, "ListTopics", (("NextToken", token),) if token else ())
        topics = result.find("Topics")
        if topics is None:
            raise lacks(api.endpoint, "ListTopics", "Topics")
        return [member.text_of("TopicArn") for member in topics.children], result.text_of("NextToken")

    return [str(arn) for arn in await all_pages(api, "ListTopics", page)]


async def get_topic_policy(api: ServiceApi, topic: str) -> str:
    """Return the policy of a topic (GetTopicAttributes); "" if it has none."""
    attributes = (await _call(api, "GetTopicAttributes", (("TopicArn", topic),))).find("Attributes")
    entries = attributes.children if attributes is not None else ()
    return next((entry.text_of("value") for entry in entries if entry.text_of("key") == "Policy"), "")


async def _call(api: ServiceApi, action: str, parameters: tuple[tuple[str, str], ...]) -> Element:
    call = Call(api.endpoint, api.credentials, action, f"call sns:{action}", no_refusal)
    return (await call_query(api.client, call, _VERSION, parameters)).result
