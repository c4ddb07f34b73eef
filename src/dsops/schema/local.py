"""The store types that call no service: values in the configuration, and environment variables."""

from __future__ import annotations

from dsops.schema.store_type import StoreKey, StoreType

COMMON_KEYS = (
    StoreKey(
        "timeout_ms",
        "integer",
        "Time limit for one call of this store, retries included, in milliseconds (default 30000).",
        is_identity=False,
        minimum=1,
        maximum=600_000,
        source="dsops: ten minutes are enough for any request",
    ),
)
"""The keys that every store type accepts."""

DANGER_KEY = StoreKey(
    "danger",
    "boolean",
    "Whether a mistake with the session is costly, as in production: prompts show it in red, and `exec`, `shell` and "
    "`each` on a terminal ask once a day before they use it.",
    is_identity=False,
)
"""The key `danger`, which every store type with AWS credentials of its own accepts."""

LOCAL_TYPES = (
    StoreType(
        "literal",
        "Values in the configuration itself, for defaults and tests.",
        (
            *COMMON_KEYS,
            StoreKey(
                "values",
                "map",
                "The secrets: key to value, unchanged.",
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
        (*COMMON_KEYS, StoreKey("prefix", "text", "The prefix of all variable names: `APP_`.")),
        is_local=True,
    ),
)
