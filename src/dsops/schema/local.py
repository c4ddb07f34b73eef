"""The store types that call no service: values in the configuration, and environment variables."""

from __future__ import annotations

from dsops.schema.key import StoreKey, StoreType

COMMON_KEYS = (
    StoreKey(
        "timeout_ms",
        "integer",
        "How long one call of this store may take with its retries, in milliseconds; 30000 if it isn't set.",
        is_identity=False,
        minimum=1,
        maximum=600_000,
        source="dsops: ten minutes are enough for any request",
    ),
)
"""The keys that every store type takes."""

LOCAL_TYPES = (
    StoreType(
        "literal",
        "Values that stand in the configuration itself, for defaults and tests.",
        (
            *COMMON_KEYS,
            StoreKey(
                "values",
                "map",
                "The store's secrets: key to value, each kept as it is written.",
                is_required=True,
                is_secret=True,
                is_identity=False,
            ),
        ),
        is_local=True,
    ),
    StoreType(
        "env",
        "Variables of the environment that dsops was started in.",
        (*COMMON_KEYS, StoreKey("prefix", "text", "What is put before each key to get the variable's name: `APP_`.")),
        is_local=True,
    ),
)
