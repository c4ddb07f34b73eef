"""The JSON Schema of a node's file, for editors.

It accepts what `dsops node check` accepts. It can't check accounts of the machine, stores, addresses of other machines,
and variables; a test compares both on mistakes in the pages' examples.
"""

from __future__ import annotations

from typing import Final

from dsops.config.schema_keys import Schema
from dsops.node.token_rules import TOKEN_KEYS
from dsops.node.workloads import PeerRule

_TEXT: Final[Schema] = {"type": ["string", "number", "boolean"], "minLength": 1}
_TEXTS: Final[Schema] = {
    "type": ["string", "number", "boolean", "array"],
    "minLength": 1,
    "minItems": 1,
    "items": _TEXT,
}
_ADDRESS: Final = r"^(?:unix:.+|(?:127\.[0-9.]+|169\.254\.[0-9.]+|\[(?:[0-9A-Fa-f:]+)\]|[0-9A-Fa-f:]+):[0-9]{1,5})$"
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_UNIT: Final = r"^[A-Za-z0-9:_.\\@-]+\.(?:service|scope)$"
_CGROUP: Final = r"^/(?!.*(?:^|/)\.\.(?:/|$)).*[^/]"
_KUBERNETES_NAME: Final = r"^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$"
_SPIFFE_ID: Final = r"^spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)+$"


def node_schema() -> Schema:
    """Return the schema as a value for `json.dumps` (JSON Schema 2020-12)."""
    workloads = "workloads"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "config": _text("The dsops.yaml with the stores, relative to this file. Default: dsops.yaml."),
            "listen": {
                **_described("Addresses of this machine with a port, or `unix:PATH`. Default: 127.0.0.1:8484.", _TEXTS),
                "type": ["string", "array"],
                "pattern": _ADDRESS,
                "items": _pattern("", _ADDRESS),
            },
            "tokens": _text("The folder of the token files. Default: /run/dsops-node/tokens."),
            "metrics_port": {
                "description": "A port of 127.0.0.1 for metrics in the OpenMetrics format. Default: no metrics.",
                "type": ["integer", "string"],
                "minimum": 0,
                "maximum": 65_535,
                "pattern": "^[0-9]{1,5}$",
            },
            "kubernetes": _cluster(),
            "spiffe": _mapping(
                "How JWT-SVIDs are verified.", {"audience": _text("The audience. Default: dsops-node.")}
            ),
            workloads: {
                "description": "The workloads by name: who they are, and which stores and secrets they may have.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": _workload(),
            },
        },
        "required": [workloads],
        "additionalProperties": False,
        "if": {"not": {"required": ["kubernetes"]}},
        "then": {"properties": {workloads: {"additionalProperties": {"properties": {"kubernetes": False}}}}},
    }


def _workload() -> Schema:
    rules = (*PeerRule._fields, *TOKEN_KEYS)
    return {
        **_mapping(
            "A caller has to match every property.",
            {
                "uid": _text("The user that opens the connection, by number or name."),
                "gid": _text("The effective group of the process, by number or name."),
                "unit": _pattern("The systemd unit of the process, such as web.service.", _UNIT),
                "cgroup": _pattern("A cgroup of the process; cgroups below it match, too.", _CGROUP),
                "token_owner": _text("The user who may read the token file. Default: the user in `uid`, or root."),
                "stores": _described("The stores whose sessions the workload gets. The first is the default.", _TEXTS),
                "secrets": _mapping(
                    "The secrets that the workload may read.",
                    {
                        "store": _text("The store that reads them, of type aws.secretsmanager."),
                        "names": _described("Patterns of what the workload asks for, such as app/*.", _TEXTS),
                    },
                    "store",
                    "names",
                ),
                "kubernetes": _mapping(
                    "The service account that the caller's token proves.",
                    {
                        name: {**_TEXT, "minimum": 0, "pattern": _KUBERNETES_NAME}
                        for name in ("namespace", "service_account")
                    },
                    "namespace",
                    "service_account",
                ),
                "spiffe": _pattern("The SPIFFE ID that the caller's token proves.", _SPIFFE_ID),
            },
        ),
        "allOf": [
            {"anyOf": [{"required": [name]} for name in rules]},
            {"anyOf": [{"required": [name]} for name in ("stores", "secrets")]},
            {"not": {"required": list(TOKEN_KEYS)}},
        ],
    }


def _cluster() -> Schema:
    address = r"^https://.|^/"
    return _mapping(
        "How tokens of Kubernetes are verified.",
        {
            "issuer": _pattern("The cluster's issuer, the claim `iss` of its tokens.", "^https://."),
            "jwks": _pattern("Another address of the keys, or an absolute path.", address),
            "ca_file": _pattern("The authority of these addresses, an absolute path.", "^/"),
            "token_file": _pattern("A token for these addresses, an absolute path.", "^/"),
            "audience": _text("The audience of the tokens. Default: pods.eks.amazonaws.com."),
            "node": _text("The name of this machine in the cluster; `${NAME}` stands for a variable."),
            "check_process": {
                "description": "Whether the caller must be in the token's pod. Default: true.",
                "enum": [True, False, "true", "false"],
            },
        },
        "issuer",
    )


def _text(description: str) -> Schema:
    return _described(description, _TEXT)


def _pattern(description: str, pattern: str) -> Schema:
    return _described(description, {"type": "string", "pattern": pattern})


def _described(description: str, schema: Schema) -> Schema:
    return {"description": description, **schema} if description else schema


def _mapping(description: str, properties: Schema, *required: str) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return _described(description, {**schema, **({"required": list(required)} if required else {})})
