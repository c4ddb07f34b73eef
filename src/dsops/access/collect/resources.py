"""Collect the resources of an account with their policies, one file per service and region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from dsops.access.collect.account_apis import AccountApis, why
from dsops.access.collect.parallel import in_parallel
from dsops.access.facts.documents import policy_value
from dsops.access.facts.gaps import TAG_KEYS, gap_values
from dsops.access.facts.json_files import text_of
from dsops.access.facts.layout import TAGS
from dsops.access.facts.world import Gap
from dsops.arn import partition_of_region
from dsops.aws.apis.inventory import buckets, functions, keys, parameters, queues, secrets, tags, topics
from dsops.aws.apis.inventory.pages import Json, ServiceApi
from dsops.errors import DsopsError, EntityNotFound
from dsops.tasks import Work

_AT_ONCE: Final = 4
"""The number of resources of one service and region that are read in parallel."""

_TAGGED: Final = ("kms", "lambda", "s3", "sns", "sqs", "ssm")
"""The services of the resources whose tags are read. The list of secrets has their tags."""


class ResourceCollector:
    """Collects the resources of one service in one region of an account."""

    def __init__(self, apis: AccountApis, region: str) -> None:
        self._apis = apis
        self._region = region
        self._gaps: list[Gap] = []

    async def collect(self, service: str) -> Json:
        """Return the content of the service's file. What is denied becomes a gap in it."""
        collectors: Mapping[str, Callable[[], Work[list[Json]]]] = {
            "kms": self._keys,
            "lambda": self._functions,
            "s3": self._buckets,
            "secretsmanager": self._secrets,
            "sns": self._topics,
            "sqs": self._queues,
            "ssm": self._parameters,
            TAGS: self._tags,
        }
        resources: list[Json] = []
        try:
            resources = await collectors[service]()
        except DsopsError as error:
            account = self._apis.account
            if service == TAGS:
                self._gaps.append(Gap(account, "context", why(error), keys=TAG_KEYS))
            else:
                self._gaps.append(Gap(account, "resources", why(error), service=service))
        content: Json = {"Resources": resources}
        if service == "s3":
            content["AccountPublicAccessBlock"] = await self._account_block()
        return {**content, "Gaps": gap_values(self._gaps)}

    async def _policy(self, arn: str, read: Callable[[], Work[str]]) -> object:
        """Return the policy of a resource; None if it has none, or if it can't be read, which becomes a gap."""
        try:
            return policy_value(await read())
        except EntityNotFound:
            return None
        except DsopsError as error:
            self._gaps.append(Gap(self._apis.account, "resource", why(error), arn))
            return None

    async def _secrets(self) -> list[Json]:
        api = self._apis.api("secretsmanager", self._region)

        async def one(secret: Json) -> Json:
            arn = text_of(secret, "ARN")
            policy = await self._policy(arn, lambda: secrets.get_resource_policy(api, arn))
            # ListSecrets leaves the key out for AWS's own key.
            key = text_of(secret, "KmsKeyId") or "alias/aws/secretsmanager"
            return {"Arn": arn, "Policy": policy, "KmsKeyId": key, "Tags": secret.get("Tags") or []}

        return await in_parallel(await secrets.list_secrets(api), one, _AT_ONCE)

    async def _keys(self) -> list[Json]:
        api = self._apis.api("kms", self._region)
        aliases = await self._aliases(api)

        async def one(key: Json) -> Json:
            arn = text_of(key, "KeyArn")
            policy = await self._policy(arn, lambda: keys.get_key_policy(api, arn))
            named = aliases.get(text_of(key, "KeyId"), [])
            return {"Arn": arn, "Policy": policy, "Aliases": named, "Grants": await self._grants(api, arn)}

        return await in_parallel(await keys.list_keys(api), one, _AT_ONCE)

    async def _grants(self, api: ServiceApi, arn: str) -> list[Json] | None:
        """Return who may use a key by a grant, and for what; None if the grants can't be read, which becomes a gap."""
        try:
            listed = await keys.list_grants(api, arn)
        except DsopsError as error:
            self._gaps.append(Gap(self._apis.account, "context", f"its grants: {why(error)}", arn))
            return None
        return [{name: grant.get(name) for name in ("GranteePrincipal", "Operations")} for grant in listed]

    async def _aliases(self, api: ServiceApi) -> dict[str, list[str]]:
        """Return the aliases of each key, by the key's id. A denied list leaves keys that an alias names unknown."""
        named: dict[str, list[str]] = {}
        try:
            listed = await keys.list_aliases(api)
        except DsopsError as error:
            self._gaps.append(Gap(self._apis.account, "context", why(error), keys=("kms:resourcealiases",)))
            return named
        for alias in listed:
            named.setdefault(text_of(alias, "TargetKeyId"), []).append(text_of(alias, "AliasName"))
        return named

    async def _parameters(self) -> list[Json]:
        listed = await parameters.describe_parameters(self._apis.api("ssm", self._region))
        prefix = f"arn:{self._partition}:ssm:{self._region}:{self._apis.account}:parameter/"
        found: list[Json] = []
        for parameter in listed:
            arn = text_of(parameter, "ARN") or prefix + text_of(parameter, "Name").removeprefix("/")
            is_secure = text_of(parameter, "Type") == "SecureString"
            key = (text_of(parameter, "KeyId") or "alias/aws/ssm") if is_secure else ""
            found.append({"Arn": arn, "Policy": None, "KmsKeyId": key})
            if text_of(parameter, "Tier") == "Advanced":
                reason = "it can be shared by a policy of its own, which is not collected"
                self._gaps.append(Gap(self._apis.account, "resource", reason, arn))
        return found

    async def _queues(self) -> list[Json]:
        api = self._apis.api("sqs", self._region)

        async def one(url: str) -> Json | None:
            try:
                attributes = await queues.get_queue_attributes(api, url)
            except DsopsError as error:
                # Only the queue's URL is known here: its ARN would be in the response that failed.
                self._gaps.append(Gap(self._apis.account, "resources", f"{url}: {why(error)}", service="sqs"))
                return None
            return {"Arn": attributes.get("QueueArn", ""), "Policy": policy_value(attributes.get("Policy"))}

        return [each for each in await in_parallel(await queues.list_queues(api), one, _AT_ONCE) if each is not None]

    async def _topics(self) -> list[Json]:
        api = self._apis.api("sns", self._region)

        async def one(arn: str) -> Json:
            return {"Arn": arn, "Policy": await self._policy(arn, lambda: topics.get_topic_policy(api, arn))}

        return await in_parallel(await topics.list_topics(api), one, _AT_ONCE)

    async def _functions(self) -> list[Json]:
        api = self._apis.api("lambda", self._region)

        async def one(function: Json) -> Json:
            arn, name = text_of(function, "FunctionArn"), text_of(function, "FunctionName")
            policy = await self._policy(arn, lambda: functions.get_policy(api, name))
            return {"Arn": arn, "Policy": policy, "Role": text_of(function, "Role")}

        return await in_parallel(await functions.list_functions(api), one, _AT_ONCE)

    async def _buckets(self) -> list[Json]:
        async def one(bucket: tuple[str, str]) -> Json:
            name, region = bucket
            api = self._apis.api("s3", region)
            arn = f"arn:{self._partition}:s3:::{name}"
            policy = await self._policy(arn, lambda: buckets.get_bucket_policy(api, name))
            return {
                "Arn": arn,
                "Region": region or self._apis.region,
                "Policy": policy,
                "PublicAccessBlock": await self._of_bucket(arn, buckets.get_public_access_block, region, {}),
                "ObjectOwnership": await self._of_bucket(arn, buckets.get_object_ownership, region, None),
                "Encryption": await self._encryption(arn, name, region),
            }

        return await in_parallel(await buckets.list_buckets(self._apis.api("s3")), one, _AT_ONCE)

    async def _account_block(self) -> object:
        """Return the account's Block Public Access, {} if it has none; None if it can't be read (a gap)."""
        account = self._apis.account
        try:
            return await buckets.get_account_public_access_block(self._apis.api("s3-control"), account)
        except EntityNotFound:
            return {}
        except DsopsError as error:
            # Without keys, the gap changes no answer; those that a public policy decides say what is not known.
            self._gaps.append(Gap(account, "context", f"the account's Block Public Access: {why(error)}", service="s3"))
            return None

    async def _of_bucket(
        self, arn: str, read: Callable[[ServiceApi, str], Work[object]], region: str, none: object
    ) -> object:
        """Return a setting of a bucket; `none` if it has none, and None if it can't be read, which becomes a gap."""
        try:
            return await read(self._apis.api("s3", region), arn.rpartition(":")[2])
        except EntityNotFound:
            return none
        except DsopsError as error:
            self._gaps.append(Gap(self._apis.account, "resource", why(error), arn))
            return None

    async def _encryption(self, arn: str, name: str, region: str) -> object:
        """Return the default encryption of a bucket; None if it is unknown."""
        try:
            return {"Rules": await buckets.get_bucket_encryption(self._apis.api("s3", region), name)}
        except EntityNotFound:
            return {"Rules": []}
        except DsopsError as error:
            self._gaps.append(Gap(self._apis.account, "context", why(error), arn))
            return None

    async def _tags(self) -> list[Json]:
        api = self._apis.api("tagging", self._region)
        listed = await tags.get_resources(api, _TAGGED)
        return [{"Arn": text_of(entry, "ResourceARN"), "Tags": entry.get("Tags")} for entry in listed]

    @property
    def _partition(self) -> str:
        return partition_of_region(self._apis.region).name
