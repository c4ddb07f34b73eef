"""Look up the owner, policy and tags of resources in moto's backends.

Attributes of moto's objects are read without default values, as in `world`. If a new version of moto renames an
attribute, the request fails. With a default value, the sandbox would silently ignore a policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dsops.arn import parse_arn
from dsops.request.lookups import Bucket, DatabaseInstance, DynamoTable, EstateResource, SecretLocation, StoredObject
from dsops.request.question import Tags
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.resource_policies.function_policy import function_policy
from dsops.sandbox.resource_policies.principals import Carrier, replace_principal
from dsops.sandbox.resource_policies.queue_policy import readable_queue_policy
from dsops.sandbox.state.world import World

if TYPE_CHECKING:
    from moto.s3 import models as moto_s3


class Estate:
    """Reads resources of all services except IAM, Secrets Manager and Parameter Store. Callers must hold the lock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def bucket(self, name: str, partition: str) -> Bucket | None:
        """Return the bucket with this name in the partition, of any account; None if no such bucket exists."""
        stored_bucket = self._bucket(name, partition)
        if stored_bucket is None:
            return None
        policy = (
            None
            if stored_bucket.policy is None
            else StoredPolicy(f"the policy of bucket {name}", stored_bucket.policy.decode())
        )
        block = stored_bucket.public_access_block
        return Bucket(
            stored_bucket.account_id,
            policy,
            blocks_public_policy=block is not None and bool(block.block_public_policy),
            restricts_public=block is not None and bool(block.restrict_public_buckets),
            kms_key=_default_key(stored_bucket.encryption),
        )

    def object(self, bucket: str, key: str, version_id: str, partition: str) -> StoredObject | None:
        """Return an object, or one version of the object; None if it does not exist or is a delete marker."""
        from moto.s3.models import FakeKey, s3_backends

        stored_bucket = self._bucket(bucket, partition)
        if stored_bucket is None:
            return None
        versions: Iterable[object] = stored_bucket.keys.getlist(key) or ()
        matching_versions = [
            version for version in versions if isinstance(version, FakeKey) and version_id in {"", version.version_id}
        ]
        latest = stored_bucket.keys.get(key)
        if not matching_versions or (not version_id and not isinstance(latest, FakeKey)):
            return None
        stored = matching_versions[-1]
        tags: Mapping[str, str] = s3_backends[stored_bucket.account_id][partition].tagger.get_tag_dict_for_resource(
            stored.arn
        )
        return StoredObject(tuple(tags.items()), (stored.kms_key_id or "") if stored.encryption == "aws:kms" else "")

    def _bucket(self, name: str, partition: str) -> moto_s3.FakeBucket | None:
        from moto.s3.models import s3_backends

        owner = s3_backends.bucket_accounts.get(name)
        if owner is None or owner[0] != partition or owner[1] not in self._world.partitions:
            return None
        return s3_backends[owner[1]][partition].buckets.get(name)

    def queue(self, place: SecretLocation, name: str) -> EstateResource | None:
        """Return the policy and tags of a queue; None if the queue does not exist."""
        from moto.sqs.models import sqs_backends

        backend = self._backend(sqs_backends, place)
        queue = None if backend is None else backend.queues.get(name)
        if queue is None:
            return None
        text = readable_queue_policy(queue.policy or "")
        return EstateResource(_policy(f"the policy of queue {name}", text), tuple(queue.tags.items()))

    def topic(self, arn: str) -> EstateResource | None:
        """Return the policy and tags of a topic; None if the topic does not exist."""
        from moto.sns.models import sns_backends

        parts = parse_arn(arn)
        backend = None if parts is None else self._backend(sns_backends, SecretLocation(parts.account, parts.region))
        topic = None if backend is None else backend.topics.get(arn)
        if topic is None:
            return None
        return EstateResource(_policy(f"the policy of topic {topic.name}", topic.policy), tuple(topic._tags.items()))  # noqa: SLF001

    def table(self, place: SecretLocation, name: str) -> DynamoTable | None:
        """Return the keys and tags of a table; None if the table does not exist."""
        from moto.dynamodb.models import dynamodb_backends

        backend = self._backend(dynamodb_backends, place)
        table = None if backend is None else backend.tables.get(name)
        if table is None:
            return None
        keys = {
            index.name: str(part["AttributeName"])
            for index in table.all_indexes()
            for part in index.schema
            if part["KeyType"] == "HASH"
        }
        return DynamoTable(table.hash_key_attr, keys, tuple((tag["Key"], tag["Value"]) for tag in table.tags or ()))

    def table_policy(self, place: SecretLocation, arn: str) -> StoredPolicy | None:
        """Return the policy of the table or stream with this ARN; None if it has no policy."""
        from moto.dynamodb.models import dynamodb_backends

        backend = self._backend(dynamodb_backends, place)
        policy = None if backend is None else backend.resource_policies.get(arn)
        return None if policy is None else StoredPolicy(f"the policy of {arn}", policy.policy_doc)

    def function(self, place: SecretLocation, name: str) -> EstateResource | None:
        """Return the policy and tags of a function; the policy has one statement for each AddPermission call."""
        from moto.awslambda_simple.models import lambda_simple_backends

        # moto has two Lambda backends. `fence` selected the backend that runs no code.
        backend = self._backend(lambda_simple_backends, place)
        versions = None if backend is None else backend._lambdas._functions.get(name)  # noqa: SLF001
        if versions is None:
            return None
        # AddPermission always changes the latest version's policy. The statement's Resource has the qualifier.
        latest = versions["latest"]
        document = function_policy(latest.policy.statements)
        return EstateResource(_policy(f"the policy of function {name}", document), tuple((latest.tags or {}).items()))

    def repository(self, place: SecretLocation, name: str) -> EstateResource | None:
        """Return the policy and tags of an ECR repository; None if the repository does not exist."""
        from moto.ecr.models import ecr_backends

        backend = self._backend(ecr_backends, place)
        repository = None if backend is None else backend.repositories.get(name)
        if backend is None or repository is None:
            return None
        tags: Mapping[str, str] = backend.tagger.get_tag_dict_for_resource(repository.arn)
        return EstateResource(_policy(f"the policy of repository {name}", repository.policy), tuple(tags.items()))

    def event_bus(self, place: SecretLocation, name: str) -> EstateResource | None:
        """Return the policy of an event bus; None if the event bus does not exist."""
        from moto.events.models import events_backends

        backend = self._backend(events_backends, place)
        bus = None if backend is None else backend.event_buses.get(name)
        if bus is None:
            return None
        texts = [bus.policy or ""]
        # After PutPermission for `*` with a condition, AWS stores `*` as the principal, but moto stores a root user
        # without an account id.
        every_root = f"arn:{self._world.partitions[place.account]}:iam::*:root"
        replace_principal([Carrier(texts[0], texts.append)], every_root, "*")
        return EstateResource(_policy(f"the policy of event bus {name}", texts[-1]))

    def roles_of_profile(self, account: str, name: str) -> tuple[str, ...]:
        """Return the ARNs of the roles in an instance profile, which has at most one role."""
        if account not in self._world.partitions:
            return ()
        profile = self._world.backend(account).instance_profiles.get(name)
        return () if profile is None else tuple(role.arn for role in profile.roles)

    def profile_of_template(self, place: SecretLocation, identifier: str, version: str) -> str:
        """Return the instance profile in a launch template, as a name or ARN; "" if the template has none."""
        from moto.ec2.exceptions import EC2ClientError
        from moto.ec2.models import ec2_backends

        backend = self._backend(ec2_backends, place)
        templates = {} if backend is None else backend.launch_templates
        template = next(
            (candidate for candidate in templates.values() if identifier in {candidate.id, candidate.name}), None
        )
        if template is None:
            return ""
        try:
            data: Mapping[str, Any] = template.get_version(version or "$Default").data
        except (EC2ClientError, ValueError):
            return ""
        profile = data.get("IamInstanceProfile") or {}
        return str(profile.get("Name") or profile.get("Arn") or "")

    def vpc_of(self, place: SecretLocation, identifier: str) -> str:
        """Return the id of a VPC, given its own id or the id of a subnet or other resource in it; "" if unknown."""
        from moto.ec2.models import ec2_backends

        backend = self._backend(ec2_backends, place)
        if backend is None:
            return ""
        if identifier in backend.vpcs:
            return identifier
        vpc_parts = [
            *(subnet for zone in backend.subnets.values() for subnet in zone.values()),
            *(group for vpc in backend.groups.values() for group in vpc.values()),
            *backend.enis.values(),
            *backend.route_tables.values(),
            *backend.network_acls.values(),
        ]
        return next((part.vpc_id or "" for part in vpc_parts if part.id == identifier), "")

    def database(self, place: SecretLocation, name: str) -> DatabaseInstance | None:
        """Return the engine and class of a database instance; None if the instance does not exist."""
        from moto.rds.models import rds_backends

        backend = self._backend(rds_backends, place)
        instance = None if backend is None else backend.databases.get(name)
        return None if instance is None else DatabaseInstance(instance.engine, instance.db_instance_class)

    def held_at(self, arn: str) -> EstateResource:
        """Return the policy and tags of a function, repository or event bus; an empty result for other ARNs."""
        parts = parse_arn(arn)
        if parts is None:
            return EstateResource(None)
        place = SecretLocation(parts.account, parts.region)
        kind, _, name = parts.resource.replace("/", ":", 1).partition(":")
        resource: EstateResource | None = None
        if (parts.service, kind) == ("lambda", "function"):
            resource = self.function(place, name.partition(":")[0])
        elif (parts.service, kind) == ("ecr", "repository"):
            resource = self.repository(place, name)
        elif (parts.service, kind) == ("events", "event-bus"):
            resource = self.event_bus(place, name)
        return resource or EstateResource(None)

    def tags_of(self, arn: str, account: str, region: str) -> Tags:
        """Return the tags of a resource; () if moto lists no tags for the resource."""
        from moto.core.resource_tagging import iter_taggable_backends

        if account not in self._world.partitions or "*" in arn:
            return ()
        for backend in iter_taggable_backends(account, region):
            if backend.owns_arn(arn):
                for resource in backend.iter_tagged_resources():
                    if resource.arn == arn:
                        return tuple(resource.tags.items())
        return ()

    def _backend(
        self, backends: Any, place: SecretLocation
    ) -> Any:  # Any: in moto, each service has a backend class of its own
        """Return the service's backend for an account and region; None if the sandbox has no such backend."""
        if place.account not in self._world.partitions:
            return None
        try:
            return backends[place.account][place.region]
        except KeyError:
            return None


# Any: `encryption` is the parsed XML of PutBucketEncryption
def _default_key(encryption: Mapping[str, Any] | None) -> str:
    rule = encryption["Rule"] if encryption else {}
    default: Mapping[str, str] = rule.get("ApplyServerSideEncryptionByDefault", {}) if isinstance(rule, dict) else {}
    return default.get("KMSMasterKeyID", "") if default.get("SSEAlgorithm", "").startswith("aws:kms") else ""


def _policy(name: str, text: str | None) -> StoredPolicy | None:
    return StoredPolicy(name, text) if text else None
