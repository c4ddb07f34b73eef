"""The keys that every AWS store type accepts, and the store types that read secrets from AWS."""

from __future__ import annotations

from dsops.schema.local import COMMON_KEYS
from dsops.schema.store_type import Conflict, KeyRule, Settings, StoreKey, StoreType

# A region becomes part of a host name. The pattern is that of `endpoint` and of botocore's `validate_region_name`.
_REGION = r"(?![0-9]+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"

AWS_KEYS = (
    StoreKey(
        "region",
        "text",
        "The AWS region. Default: the profile's region, AWS_REGION, AWS_DEFAULT_REGION, or that of `credentials_from`.",
        is_identity=False,
        pattern=_REGION,
        shape="a region's name, such as us-east-1",
    ),
    StoreKey(
        "profile",
        "text",
        "The AWS profile whose credentials sign the calls; excludes `credentials_from`.",
        is_identity=False,
        minimum=1,
    ),
    StoreKey(
        "credentials_from",
        "store",
        "The store whose credentials sign the calls. Default: the base credentials of the environment.",
        is_identity=False,
    ),
    StoreKey("endpoint_url", "url", "The endpoint to call instead of AWS's own.", aliases=("endpoint",)),
)
"""The keys that every AWS store type accepts in addition to `COMMON_KEYS`."""


_CACHE_SECONDS = StoreKey(
    "cache_seconds",
    "integer",
    "How long the agent caches the values in memory. Default: every run reads them.",
    is_identity=False,
    minimum=1,
    maximum=3600,
    source="dsops: a value that was changed should be seen within the hour",
)


def _check_source(settings: Settings) -> list[Conflict]:
    if "profile" in settings and "credentials_from" in settings:
        message = "`profile` and `credentials_from` name two sources of credentials"
        return [Conflict("profile", message, "remove one (an inherited one with `profile: null`)")]
    return []


ONE_SOURCE = KeyRule(_check_source, apart=(("profile", "credentials_from"),))
"""The rule that `profile` and `credentials_from` exclude each other."""


AWS_TYPES = (
    StoreType(
        "aws.secretsmanager",
        "AWS Secrets Manager. A key is a secret's name or ARN.",
        (
            *COMMON_KEYS,
            *AWS_KEYS,
            StoreKey(
                "batch",
                "text",
                (
                    "`auto` (default): read more than ten secrets with BatchGetSecretValue; `never`: read each "
                    "secret with a separate call."
                ),
                is_identity=False,
                choices=("auto", "never"),
            ),
            _CACHE_SECONDS,
        ),
        takes_credentials=True,
        service="secretsmanager",
        read_action="GetSecretValue",
        read_prefix="secret:",
        is_writable=True,
        rules=(ONE_SOURCE,),
    ),
    StoreType(
        "aws.ssm",
        "AWS Systems Manager Parameter Store. A key is a parameter's name, path or ARN.",
        (
            *COMMON_KEYS,
            *AWS_KEYS,
            StoreKey(
                "with_decryption",
                "boolean",
                "Whether SecureString parameters are decrypted (default true).",
                is_identity=False,
            ),
            StoreKey(
                "parameter_prefix",
                "text",
                "The prefix of all parameter names: `/prod/`.",
                is_identity=False,
                # The prefix becomes part of a session policy, where a `*` would be a wildcard.
                characters=r"[A-Za-z0-9_./-]",
                shape="letters, digits and _./-",
                source="the PutParameter API reference",
            ),
            _CACHE_SECONDS,
        ),
        takes_credentials=True,
        service="ssm",
        read_action="GetParameters",
        read_noun="parameter",
        read_prefix="parameter/",
        is_writable=True,
        rules=(ONE_SOURCE,),
    ),
)
