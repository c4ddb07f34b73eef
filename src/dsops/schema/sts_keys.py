r"""The keys of the store type `aws.sts`. Limits come from the STS service model 2011-06-15 unless a key says otherwise.

AWS counts lengths in code points, and its `\w` is ASCII only. For tags AWS uses `\p{L}\p{Z}\p{N}`, which Python's
`re` does not have: Python's `\w` covers letters, numbers and `_`, and the separators are spelled out.
"""

from __future__ import annotations

from dsops.schema.operation import reference_of
from dsops.schema.store_type import MOST_TAGS, REASON_TO, StoreKey
from dsops.schema.sts_operations import OPERATIONS, ROOT_TASKS

_ASSUME_ROLE = reference_of("AssumeRole")
_WEB_IDENTITY = reference_of("AssumeRoleWithWebIdentity")
_SPACES = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_TAG_CHARACTERS = rf"[\w.:/=+\-@{_SPACES}]"
_NAME_CHARACTERS = r"[A-Za-z0-9_+=,.@-]"
_NAME_SHAPE = "letters, digits and _+=,.@-"
DEFAULT_AUDIENCE = "sts.amazonaws.com"
"""The audience of a web identity token, if the platform needs one and the configuration names none."""

OWN_POLICY = "auto"
"""The value of `session_policy` that makes dsops generate the policy from the plan."""

POLICY_RECORDING = "session_policy_recording"
"""The key that names a recording, from which dsops makes the session policy."""

STS_KEYS = (
    StoreKey(
        "role_arn",
        "text",
        "The role to assume; without it the store is the user's own session (GetSessionToken).",
        aliases=("assume_role",),
        pattern=r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/(?:[!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}",
        shape="a role's ARN, arn:aws:iam::ACCOUNT:role/NAME",
        minimum=20,
        maximum=2048,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "role_session_name",
        "text",
        "The name of the session in CloudTrail. Default: `dsops`, your user name and the time.",
        characters=_NAME_CHARACTERS,
        shape=_NAME_SHAPE,
        minimum=2,
        maximum=64,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "duration_seconds",
        "integer",
        "The duration of the session in seconds. A role: 900 to 43200, default 3600; a chained role: at most 3600. "
        "GetSessionToken and GetFederationToken: 900 to 129600, default 43200. AssumeRoot: at most 900.",
        aliases=("duration",),
    ),
    StoreKey(
        "external_id",
        "text",
        "The external ID that the role's trust policy requires; never shown.",
        is_secret=True,
        characters=r"[A-Za-z0-9_+=,.@:/-]",
        shape="letters, digits and _+=,.@:/-",
        minimum=2,
        maximum=1224,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "serial_number",
        "text",
        "The MFA device: the ARN of a virtual device, or the serial number of a hardware device.",
        aliases=("mfa_serial_number",),
        characters=r"[A-Za-z0-9_+=/:,.@-]",
        shape="letters, digits and _+=/:,.@-",
        minimum=9,
        maximum=256,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "token_code",
        "text",
        "The MFA device's current code. Default: computed from the seed in the keyring, or asked for on the terminal.",
        is_secret=True,
        is_identity=False,
        is_askable=True,
        aliases=("mfa_token_code",),
        pattern=r"[0-9]{6}",
        shape="six digits",
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "mfa_process",
        "command",
        "A command that prints the MFA device's current code. It runs in the folder of this file.",
        is_identity=False,
    ),
    StoreKey(
        "mfa_session",
        "boolean",
        (
            "Whether this role shares one MFA session (GetSessionToken) with other roles of the same device. "
            "Default: true if several roles have this device, but false for a role with a duration of over an hour. "
            "With `true`, the session lasts twelve hours, and the role always uses it."
        ),
        is_identity=False,
    ),
    StoreKey(
        "session_policy",
        "policy",
        (
            "A policy that limits the session, as JSON text or YAML; `auto`: dsops generates a policy that allows "
            "only the calls that the environment makes with the session."
        ),
        choices=(OWN_POLICY,),
        characters=r"[\t\n\r -ÿ]",
        shape="characters up to U+00FF (others as \\uXXXX)",
        minimum=1,
        maximum=2048,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        POLICY_RECORDING,
        "file",
        (
            "A recording of `dsops exec --record`: the session may do what the recorded run did, and nothing else. "
            "Relative to the folder of this file, or `~/...`."
        ),
        is_identity=False,
        minimum=1,
    ),
    StoreKey(
        "policy_arns",
        "texts",
        "ARNs of managed policies of the role's account that limit the session, like `session_policy`.",
        pattern=r"arn:[a-z0-9-]+:iam::(?:[0-9]{12}|aws):policy/[!-~]+",
        shape="a policy's ARN, arn:aws:iam::ACCOUNT:policy/NAME",
        minimum=20,
        maximum=2048,
        maximum_items=10,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "tags",
        "map",
        "Session tags, key to value. The trust policy has to allow sts:TagSession.",
        characters=_TAG_CHARACTERS,
        shape="letters, digits, spaces and _.:/=+-@",
        minimum=1,
        maximum=128,
        maximum_value=256,
        maximum_items=MOST_TAGS,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "transitive_tag_keys",
        "texts",
        "The keys of `tags` that are passed on to roles assumed with this session.",
        characters=_TAG_CHARACTERS,
        shape="letters, digits, spaces and _.:/=+-@",
        minimum=1,
        maximum=128,
        maximum_items=MOST_TAGS,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "source_identity",
        "text",
        "The source identity, the same through every hop. The trust policy has to allow sts:SetSourceIdentity.",
        characters=_NAME_CHARACTERS,
        shape=_NAME_SHAPE,
        minimum=2,
        # The limit was 64 until July 2026, when STS and its model changed to 256.
        maximum=256,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        REASON_TO,
        "text",
        "Sends the reason of `--reason` to AWS, as `source_identity` or as a session tag, `tag:KEY`. Then the "
        "store can't be used without a reason.",
        pattern=rf"source_identity|tag:{_TAG_CHARACTERS}{{1,128}}",
        shape="source_identity, or tag: and the key of a tag",
        minimum=1,
    ),
    StoreKey(
        "operation",
        "text",
        "The API action. It follows from the other keys; if it is set, it has to agree with them.",
        is_identity=False,
        choices=tuple([operation.name for operation in OPERATIONS]),
    ),
    StoreKey(
        "web_identity_token",
        "text",
        "An OpenID Connect token with which the role is assumed, without credentials; never shown.",
        is_secret=True,
        is_identity=False,
        minimum=4,
        maximum=20000,
        source=_WEB_IDENTITY,
    ),
    StoreKey(
        "web_identity_token_file",
        "file",
        "The file with the token, read for each new session; relative to the folder of this file, or `~/...`.",
        is_identity=False,
        minimum=1,
    ),
    StoreKey(
        "web_identity_process",
        "command",
        "A command that prints the token. It runs in the folder of this file.",
        is_identity=False,
    ),
    StoreKey(
        "web_identity",
        "text",
        "The platform that provides the token: GitHub Actions, GitLab CI, EKS (IRSA), and so on.",
        choices=("github", "gitlab", "kubernetes", "circleci", "buildkite", "spiffe"),
    ),
    StoreKey(
        "web_identity_audience",
        "text",
        "The token's audience, for `github`, `buildkite` and `spiffe` (default sts.amazonaws.com).",
        characters=r"[!-~]",
        shape="printable ASCII without spaces",
        minimum=1,
        maximum=255,
        source="the IAM API reference (CreateOpenIDConnectProvider)",
    ),
    StoreKey(
        "spiffe_id",
        "text",
        "The identity, for `web_identity: spiffe` and a workload with several. Default: the first one.",
        pattern=r"spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)+",
        shape="spiffe://TRUST-DOMAIN/PATH",
        maximum=2048,
        source="the SPIFFE ID standard",
    ),
    StoreKey(
        "saml_assertion_file",
        "file",
        "The file with a SAML response of the identity provider, in base64 or XML; relative to the folder of this "
        "file, or `~/...`.",
        is_identity=False,
        minimum=1,
    ),
    StoreKey(
        "saml_process",
        "command",
        "A command that prints the SAML response. It runs in the folder of this file.",
        is_identity=False,
    ),
    StoreKey(
        "saml_login_url",
        "page",
        "The login page of the identity provider. It has to post the SAML response to a port of this machine.",
        pattern=r"https://[^\s@/]+(?:/\S*)?|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]+)?(?:/\S*)?",
        shape="an https address",
    ),
    StoreKey(
        "saml_login_port",
        "integer",
        "The port of 127.0.0.1 that receives the SAML response (default 35001).",
        is_identity=False,
        minimum=1024,
        maximum=65535,
        source="dsops: lower ports belong to the system",
    ),
    StoreKey(
        "principal_arn",
        "text",
        ("The SAML provider in IAM. Default: the provider that the SAML response contains for the role."),
        pattern=r"arn:[a-z0-9-]+:iam::[0-9]{12}:saml-provider/[A-Za-z0-9._-]{1,128}",
        shape="a SAML provider's ARN, arn:aws:iam::ACCOUNT:saml-provider/NAME",
        minimum=20,
        maximum=2048,
        source=reference_of("AssumeRoleWithSAML"),
    ),
    StoreKey(
        "federated_user_name",
        "text",
        "The name of a federated user (GetFederationToken), who may do what `session_policy` and the calling user "
        "both allow.",
        characters=_NAME_CHARACTERS,
        shape=_NAME_SHAPE,
        minimum=2,
        maximum=32,
        source=reference_of("GetFederationToken"),
    ),
    StoreKey(
        "target_principal",
        "text",
        "The member account for a privileged task (AssumeRoot): its id, or the ARN of its root user.",
        pattern=r"[0-9]{12}|arn:[a-z0-9-]+:iam::[0-9]{12}:root",
        shape="an account's id, or arn:aws:iam::ACCOUNT:root",
        source=reference_of("AssumeRoot"),
    ),
    StoreKey(
        "task_policy_arn",
        "text",
        "The task: the AWS managed policy with the permissions of the root user's session.",
        pattern=rf"arn:[a-z0-9-]+:iam::aws:policy/root-task/(?:{'|'.join(ROOT_TASKS)})",
        shape=f"arn:aws:iam::aws:policy/root-task/ and one of {', '.join(ROOT_TASKS)}",
        source=reference_of("AssumeRoot"),
    ),
    StoreKey(
        "provided_contexts",
        "map",
        ("Context assertions: a mapping from the ARN of each context provider to its assertion, which is never shown."),
        is_secret=True,
        characters=r"[!-~]",
        shape="an ARN and an assertion, in printable ASCII",
        minimum=20,
        maximum=2048,
        maximum_value=3072,
        maximum_items=5,
        source=reference_of("AssumeRole"),
    ),
)
