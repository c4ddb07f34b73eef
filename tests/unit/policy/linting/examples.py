"""Examples for each lint rule: documents with a finding and without one, each with an explaining sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from tests.unit.policy.linting.reference import policy
from tests.unit.policy.policies import Json, allow, deny

if TYPE_CHECKING:
    from dsops.policy import PolicyKind

THEM = "arn:aws:iam::444455556666:root"
GITHUB = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
SUBJECT = "token.actions.githubusercontent.com:sub"
AUDIENCE = {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}
EKS = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
SAML = "arn:aws:iam::111122223333:saml-provider/Corp"
MFA = "aws:MultiFactorAuthPresent"
BUCKET = "arn:aws:s3:::bucket"


class Example(NamedTuple):
    """A document in which one rule must find a fault, or must find none."""

    code: str
    is_found: bool
    sentence: str
    kind: PolicyKind | None
    document: str


_EXAMPLES: list[Example] = []


def _add(code: str, sentence: str, kind: PolicyKind | None, document: str | Json, *, is_found: bool) -> None:
    written = document if isinstance(document, str) else policy(document)
    _EXAMPLES.append(Example(code, is_found, sentence, kind, written))


def yes(code: str, sentence: str, kind: PolicyKind | None, document: str | Json) -> None:
    """Register a document in which the rule must find a fault."""
    _add(code, sentence, kind, document, is_found=True)


def no(code: str, sentence: str, kind: PolicyKind | None, document: str | Json) -> None:
    """Register a document in which the rule must find nothing."""
    _add(code, sentence, kind, document, is_found=False)


def trust(principal: Json, action: Json = "sts:AssumeRole", **elements: Json) -> dict[str, Json]:
    """Return a statement of a trust policy."""
    return allow(action, None, Principal=principal, **elements)


def web(condition: Json = None, provider: str = GITHUB) -> dict[str, Json]:
    """Return a statement that trusts an OIDC provider."""
    elements = {"Condition": condition} if condition else {}
    return trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", **elements)


def when(**operators: Json) -> dict[str, Json]:
    """Return an Allow of everything under a condition; a keyword `Set__X` stands for the operator `Set:X`."""
    return allow(Condition={operator.replace("__", ":"): keys for operator, keys in operators.items()})


def unless(**operators: Json) -> dict[str, Json]:
    """Return a Deny of everything under a condition."""
    return deny(Condition={operator.replace("__", ":"): keys for operator, keys in operators.items()})


PLAIN = allow("s3:GetObject", f"{BUCKET}/*")

# --- syntax and grammar

yes("syntax.invalid", "a missing comma", "identity", '{"Version": "2012-10-17" "Statement": []}')
yes("syntax.invalid", "a text that is no JSON at all", "identity", "{nonsense}")
no("syntax.invalid", "a well-formed policy", "identity", PLAIN)
yes("syntax.comment", "a comment to the end of the line", "identity", "{// why\n}")
yes("syntax.comment", "a comment between stars", "identity", "{/* why */}")
no("syntax.comment", "two slashes inside of a text", "identity", allow("s3:GetObject", f"{BUCKET}//*"))
yes("syntax.duplicate-key", "an element that stands twice", "identity", '{"Version": "2012-10-17", "Version": "x"}')
no("syntax.duplicate-key", "one key in two objects", "identity", policy(PLAIN, PLAIN))
yes(
    "grammar.fragment",
    "a condition block alone",
    "identity",
    '{"Condition": {"Bool": {"aws:SecureTransport": "true"}}}',
)
no("grammar.fragment", "a policy", "identity", PLAIN)
yes("grammar.document", "a list", "identity", "[]")
yes("grammar.document", "an empty text", "identity", "")
no("grammar.document", "an object", "identity", PLAIN)
yes("grammar.version", "a year that never was", "identity", policy(PLAIN, version="2020-01-01"))
yes("grammar.version", "an SCP of 2008", "scp", policy(allow("s3:*"), version="2008-10-17"))
no("grammar.version", "the version of 2012", "scp", allow("s3:*"))
yes("grammar.id", "an Id in an identity policy", "identity", '{"Id": "x", "Statement": []}')
no("grammar.id", "an Id in a trust policy", "trust", '{"Id": "x", "Statement": []}')
yes("grammar.statement", "no statements", "identity", '{"Version": "2012-10-17", "Statement": []}')
no("grammar.statement", "one statement without a list", "identity", PLAIN)
yes("grammar.sid", "a Sid with a space", "identity", PLAIN | {"Sid": "two words"})
no("grammar.sid", "a Sid of letters and digits", "identity", PLAIN | {"Sid": "Two2"})
yes("grammar.effect", "an effect in small letters", "identity", PLAIN | {"Effect": "allow"})
no("grammar.effect", "Deny", "identity", PLAIN | {"Effect": "Deny"})
yes("grammar.principal", "a principal in an identity policy", "identity", PLAIN | {"Principal": "*"})
yes("grammar.principal", "a trust policy without one", "trust", allow("sts:AssumeRole", None))
yes("grammar.principal", "a group", "trust", trust({"AWS": "arn:aws:iam::444455556666:group/admins"}))
no("grammar.principal", "an account", "trust", trust({"AWS": THEM}))
yes("grammar.action", "an action without a service", "identity", allow("GetObject"))
yes("grammar.action", "an action of S3 in a trust policy", "trust", trust({"AWS": THEM}, "s3:GetObject"))
no("grammar.action", "an action of STS in a trust policy", "trust", trust({"AWS": THEM}))
yes("grammar.resource", "a bucket's name", "identity", allow("s3:*", "bucket"))
yes("grammar.resource", "a resource in a trust policy", "trust", trust({"AWS": THEM}, Resource="*"))
no("grammar.resource", "an ARN", "identity", PLAIN)
yes("grammar.condition", "an operator that is none", "identity", when(StringEqual={"aws:userid": "x"}))
no("grammar.condition", "an operator", "identity", when(StringEquals={"aws:userid": "x"}))
yes("grammar.element", "an element that is none", "identity", PLAIN | {"Actions": "x"})
no("grammar.element", "elements that are", "identity", PLAIN)

# --- the policy as a whole

yes("version.old", "no version", "identity", '{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}')
yes("version.old", "the version of 2008", "identity", policy(PLAIN, version="2008-10-17"))
no("version.old", "the version of 2012", "identity", PLAIN)
HOME = allow("s3:GetObject", f"{BUCKET}/${{aws:username}}/*")
yes("version.variables-are-text", "a variable in a resource", "identity", policy(HOME, version="2008-10-17"))
yes(
    "version.variables-are-text",
    "a variable in a condition",
    "identity",
    policy(when(StringLike={"s3:prefix": "${aws:username}/*"}), version="2008-10-17"),
)
no("version.variables-are-text", "a variable in the version of 2012", "identity", HOME)
no("version.variables-are-text", "no variable", "identity", policy(PLAIN, version="2008-10-17"))
SEND = allow("sqs:SendMessage", "arn:aws:sqs:us-east-1:111122223333:q", Principal={"AWS": THEM}, Sid="Send")
yes("sid.twice", "two statements of one Sid", "resource", policy(SEND, SEND))
no("sid.twice", "two Sids", "resource", policy(SEND, SEND | {"Sid": "Again"}))
no("sid.twice", "two statements without a Sid", "scp", policy(allow("s3:*"), allow("s3:*")))
yes("policy.allows-nothing", "a session policy that only denies", "session", deny(["iam:*", "sts:*"]))
yes("policy.allows-nothing", "a boundary that only denies", "boundary", deny("iam:*"))
yes("policy.allows-nothing", "a trust policy that only denies", "trust", deny("sts:AssumeRole", None, Principal="*"))
no("policy.allows-nothing", "a session policy that allows something", "session", policy(allow(), deny("iam:*")))
no("policy.allows-nothing", "an SCP that only denies, beside FullAWSAccess", "scp", deny("iam:*"))
yes("policy.only-denies", "an identity policy that only denies", None, deny("iam:*"))
no("policy.only-denies", "one that allows something too", None, policy(allow(), deny("iam:*")))


def of_size(size: int, kind: PolicyKind) -> str:
    """Return a policy of exactly this many characters."""
    action, resource = ("sts:AssumeRole", None) if kind == "trust" else ("s3:GetObject", f"{BUCKET}/*")
    elements = {"Principal": {"AWS": THEM}} if kind in {"trust", "resource"} else {}
    document = {"Version": "2012-10-17", "Statement": [allow(action, resource, Sid="", **elements)]}
    missing = size - len(json.dumps(document, separators=(",", ":")))
    document["Statement"][0]["Sid"] = "x" * missing  # type: ignore[index]
    return json.dumps(document, separators=(",", ":"))


for kind, most in (("identity", 10_240), ("boundary", 6_144), ("trust", 4_096), ("session", 2_048), ("scp", 5_120)):
    yes("size.too-long", f"{kind}: one character too many", kind, of_size(most + 1, kind))  # type: ignore[arg-type]
    no("size.too-long", f"{kind}: just as many as fit", kind, of_size(most, kind))  # type: ignore[arg-type]
no("size.too-long", "white space that IAM does not count", "identity", policy(PLAIN).replace(" ", " " * 2000))
READ = allow("secretsmanager:GetSecretValue", "*", Principal={"AWS": THEM})
yes("size.too-long", "a secret's policy", "resource", policy(READ | {"Sid": "x" * 20_480}))
no("size.too-long", "a queue's policy of that length", "resource", policy(SEND | {"Sid": "x" * 20_480}))
yes("size.needs-room", "an identity policy for inline use only", "identity", of_size(6_145, "identity"))
yes("size.needs-room", "a trust policy that needs a raised quota", "trust", of_size(2_049, "trust"))
no("size.needs-room", "a managed policy's length", "identity", of_size(6_144, "identity"))
yes("size.white-space", "an indented session policy", "session", policy(PLAIN).replace(" ", " " * 400))
no("size.white-space", "an indented identity policy", "identity", policy(PLAIN).replace(" ", " " * 2000))
no("size.white-space", "a short session policy", "session", PLAIN)

# --- principals

ORG = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
ID = {"StringEquals": {"sts:ExternalId": "agreed"}}
yes("trust.everyone", "a bare star", "trust", trust("*"))
yes("trust.everyone", "a star under AWS", "trust", trust({"AWS": "*"}))
yes("trust.everyone", "a star with an external ID", "trust", trust("*", Condition=ID))
yes(
    "trust.everyone",
    "a condition that anything meets",
    "trust",
    trust("*", Condition={"ArnLike": {"aws:PrincipalArn": "*"}}),
)
yes(
    "trust.everyone",
    "a condition that those without the key meet",
    "trust",
    trust("*", Condition={"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
)
yes(
    "trust.everyone",
    "a Deny of something else",
    "trust",
    policy(
        trust("*"),
        deny("sts:TagSession", None, Principal="*", Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}),
    ),
)
no("trust.everyone", "an organization", "trust", trust("*", Condition=ORG))
no(
    "trust.everyone",
    "a pattern of roles",
    "trust",
    trust("*", Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/deploy-*"}}),
)
no(
    "trust.everyone",
    "IfExists with a key that is always there",
    "trust",
    trust("*", Condition={"ArnEqualsIfExists": {"aws:PrincipalArn": THEM}}),
)
no(
    "trust.everyone",
    "a Deny for all but an organization",
    "trust",
    policy(
        trust("*"), deny("sts:*", None, Principal="*", Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}})
    ),
)
no("trust.everyone", "a Deny for everyone", "trust", deny("sts:AssumeRole", None, Principal="*"))
no("trust.everyone", "an account", "trust", trust({"AWS": THEM}))
PUBLIC = allow("s3:GetObject", f"{BUCKET}/*", Principal="*")
yes("resource.everyone", "a public bucket", "resource", PUBLIC)
no(
    "resource.everyone",
    "a bucket for a VPC endpoint",
    "resource",
    PUBLIC | {"Condition": {"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}},
)
no("resource.everyone", "a bucket for an organization", "resource", PUBLIC | {"Condition": ORG})
no("resource.everyone", "a Deny for everyone", "resource", PUBLIC | {"Effect": "Deny"})
yes("trust.whole-account", "an account's root", "trust", trust({"AWS": THEM}))
yes("trust.whole-account", "an account's number", "trust", trust({"AWS": "444455556666"}))
no("trust.whole-account", "a root with an external ID", "trust", trust({"AWS": THEM}, Condition=ID))
no("trust.whole-account", "a root in an organization", "trust", trust({"AWS": THEM}, Condition=ORG))
no("trust.whole-account", "a role", "trust", trust({"AWS": "arn:aws:iam::444455556666:role/Deploy"}))
no("trust.whole-account", "a root in a resource's policy", "resource", SEND)
ALICE = "arn:aws:iam::444455556666:user/alice"
yes("principal.one-user", "a user", "trust", trust({"AWS": ALICE}))
no("principal.one-user", "a role", "trust", trust({"AWS": "arn:aws:iam::444455556666:role/alice"}))
no("principal.one-user", "a user in a resource's policy", "resource", SEND | {"Principal": {"AWS": ALICE}})
yes("principal.unique-id", "the id of a user", "trust", trust({"AWS": "AIDAI23HXD3MBVD4EFPWX"}))
yes("principal.unique-id", "the id of a role", "resource", SEND | {"Principal": {"AWS": "AROAI23HXD3MBVD4EFPWX"}})
no("principal.unique-id", "an ARN", "trust", trust({"AWS": ALICE}))
OTHERS = {key: value for key, value in PUBLIC.items() if key != "Principal"} | {"NotPrincipal": {"AWS": THEM}}
yes("principal.all-others", "NotPrincipal in an Allow", "resource", OTHERS)
no("principal.all-others", "NotPrincipal in a Deny", "resource", OTHERS | {"Effect": "Deny"})
yes("principal.spared", "NotPrincipal in a Deny", "resource", OTHERS | {"Effect": "Deny"})
no("principal.spared", "Principal in a Deny", "resource", PUBLIC | {"Effect": "Deny"})
yes("trust.other-call", "a provider that may call AssumeRole", "trust", trust({"Federated": GITHUB}))
yes(
    "trust.other-call",
    "an account that may call AssumeRoleWithSAML",
    "trust",
    trust({"AWS": THEM}, "sts:AssumeRoleWithSAML"),
)
yes(
    "trust.other-call",
    "a SAML provider with the call of OIDC",
    "trust",
    trust({"Federated": SAML}, "sts:AssumeRoleWithWebIdentity"),
)
no("trust.other-call", "a provider and its call", "trust", web())
no("trust.other-call", "a wildcard for all calls", "trust", trust({"Federated": SAML}, "sts:AssumeRole*"))
no("trust.other-call", "only session tags", "trust", trust({"Federated": GITHUB}, "sts:TagSession"))
PODS = {"Service": "pods.eks.amazonaws.com"}
yes("trust.no-session-tags", "EKS Pod Identity without tags", "trust", trust(PODS))
no("trust.no-session-tags", "EKS Pod Identity with tags", "trust", trust(PODS, ["sts:AssumeRole", "sts:TagSession"]))
no("trust.no-session-tags", "another service", "trust", trust({"Service": "ec2.amazonaws.com"}))
TOPIC = {"Service": "sns.amazonaws.com"}
yes("service.any-source", "a topic of any account", "resource", SEND | {"Principal": TOPIC})
yes(
    "service.any-source",
    "a source that may be left out",
    "resource",
    SEND | {"Principal": TOPIC, "Condition": {"ArnLikeIfExists": {"aws:SourceArn": "arn:aws:sns:*:111122223333:t"}}},
)
no(
    "service.any-source",
    "a topic of one's own",
    "resource",
    SEND | {"Principal": TOPIC, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:t"}}},
)
no(
    "service.any-source",
    "an account as source",
    "resource",
    SEND | {"Principal": TOPIC, "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}},
)
no("service.any-source", "a service's role", "trust", trust({"Service": "scheduler.amazonaws.com"}))
yes("service.any-source-role", "a scheduler's role", "trust", trust({"Service": "scheduler.amazonaws.com"}))
no(
    "service.any-source-role",
    "a scheduler's role with its account",
    "trust",
    trust({"Service": "scheduler.amazonaws.com"}, Condition={"StringEquals": {"aws:SourceAccount": "111122223333"}}),
)
no("service.any-source-role", "an instance's role", "trust", trust({"Service": "ec2.amazonaws.com"}))

# --- providers


def subject(operator: str, value: Json) -> dict[str, Json]:
    """Return a statement that trusts GitHub's OIDC provider for these subjects."""
    operators: dict[str, dict[str, Json]] = {"StringEquals": dict(AUDIENCE)}
    operators.setdefault(operator, {})[SUBJECT] = value
    return web(operators)


MAIN = "repo:octo-org/octo-repo:ref:refs/heads/main"
yes("oidc.no-tenant", "GitHub without a condition", "trust", web())
yes("oidc.no-tenant", "GitHub with an audience only", "trust", web({"StringEquals": AUDIENCE}))
yes(
    "oidc.no-tenant",
    "GitHub with another claim only",
    "trust",
    web({"StringEquals": AUDIENCE | {"token.actions.githubusercontent.com:repository": "octo-org/octo-repo"}}),
)
yes("oidc.no-tenant", "a subject that may be missing", "trust", subject("StringEqualsIfExists", MAIN))
yes("oidc.no-tenant", "a subject that must not be", "trust", subject("StringNotEquals", MAIN))
yes("oidc.no-tenant", "subjects under ForAllValues", "trust", subject("ForAllValues:StringEquals", MAIN))
yes("oidc.no-tenant", "Google without an audience", "trust", web(provider="accounts.google.com"))
yes(
    "oidc.no-tenant",
    "Cognito with amr only",
    "trust",
    web(
        {"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}},
        "cognito-identity.amazonaws.com",
    ),
)
no("oidc.no-tenant", "GitHub with a subject", "trust", subject("StringEquals", MAIN))
no(
    "oidc.no-tenant",
    "ForAllValues and a Null that demands the subject",
    "trust",
    web({"ForAllValues:StringEquals": {SUBJECT: MAIN}, "Null": {SUBJECT: "false"}}),
)
no(
    "oidc.no-tenant",
    "Cognito with an identity pool",
    "trust",
    web(
        {"StringEquals": {"cognito-identity.amazonaws.com:aud": "eu-west-1:12345678"}}, "cognito-identity.amazonaws.com"
    ),
)
no("oidc.no-tenant", "a provider of one's own", "trust", web(provider=f"arn:aws:iam::111122223333:oidc-provider/{EKS}"))
yes("oidc.any-tenant", "any subject", "trust", subject("StringLike", "*"))
yes("oidc.any-tenant", "any repository", "trust", subject("StringLike", "repo:*"))
yes("oidc.any-tenant", "any owner", "trust", subject("StringLike", "repo:*/octo-repo:ref:refs/heads/main"))
yes("oidc.any-tenant", "an owner's name that may go on", "trust", subject("StringLike", "repo:octo-org*"))
yes(
    "oidc.any-tenant",
    "a question mark in the owner's name",
    "trust",
    subject("StringLike", "repo:octo-or?/octo-repo:*"),
)
yes("oidc.any-tenant", "any repository on the main branch", "trust", subject("StringLike", "*:ref:refs/heads/main"))
yes("oidc.any-tenant", "one good value and one that is anything", "trust", subject("StringLike", [MAIN, "repo:*"]))
no("oidc.any-tenant", "any branch of a repository", "trust", subject("StringLike", "repo:octo-org/octo-repo:*"))
no("oidc.any-tenant", "a customized subject", "trust", subject("StringLike", "repository_owner_id:123456:*"))
no("oidc.any-tenant", "a star that is a character", "trust", subject("StringEquals", "repo:octo*"))
yes("oidc.wide-subject", "any branch", "trust", subject("StringLike", "repo:octo-org/octo-repo:*"))
yes("oidc.wide-subject", "any repository of an owner", "trust", subject("StringLike", "repo:octo-org/*"))
yes("oidc.wide-subject", "repositories whose names begin alike", "trust", subject("StringLike", "repo:octo-org/octo*"))
no(
    "oidc.wide-subject",
    "release branches",
    "trust",
    subject("StringLike", "repo:octo-org/octo-repo:ref:refs/heads/release/*"),
)
no("oidc.wide-subject", "one branch", "trust", subject("StringEquals", MAIN))
OWN = f"arn:aws:iam::111122223333:oidc-provider/{EKS}"
ACCOUNT = {f"{EKS}:sub": "system:serviceaccount:default:app"}
yes("oidc.no-subject", "a cluster without a service account", "trust", web(provider=OWN))
yes("oidc.no-subject", "a cluster with an audience only", "trust", web({"StringEquals": {f"{EKS}:aud": "sts"}}, OWN))
no("oidc.no-subject", "a cluster's service account", "trust", web({"StringEquals": ACCOUNT}, OWN))
no("oidc.no-subject", "GitHub, which is shared", "trust", web())
yes("oidc.no-audience", "GitHub with a subject only", "trust", web({"StringEquals": {SUBJECT: MAIN}}))
yes("oidc.no-audience", "a cluster with a subject only", "trust", web({"StringEquals": ACCOUNT}, OWN))
no("oidc.no-audience", "both", "trust", subject("StringEquals", MAIN))
yes(
    "oidc.other-provider",
    "a host with a letter missing",
    "trust",
    web({"StringEquals": {SUBJECT: MAIN, "token.action.githubusercontent.com:sub": MAIN}}),
)
no(
    "oidc.other-provider",
    "the provider's own host, in capitals",
    "trust",
    web({"StringEquals": {SUBJECT.upper(): MAIN}}),
)
no(
    "oidc.other-provider",
    "a tag with a dot and a colon in its name",
    "trust",
    web({"StringEquals": {SUBJECT: MAIN, "aws:RequestTag/a.b:c": "x"}}),
)
yes(
    "oidc.unknown-claim",
    "a claim of GitHub that AWS does not map",
    "trust",
    web({"StringEquals": {SUBJECT: MAIN, "token.actions.githubusercontent.com:repository_owner": "octo-org"}}),
)
yes("oidc.unknown-claim", "a claim of a cluster", "trust", web({"StringEquals": {f"{EKS}:kubernetes": "x"}}, OWN))
no(
    "oidc.unknown-claim",
    "a claim of GitHub that AWS maps",
    "trust",
    web({"StringEquals": {SUBJECT: MAIN, "token.actions.githubusercontent.com:ref": "refs/heads/main"}}),
)
yes("saml.no-audience", "SAML without a condition", "trust", trust({"Federated": SAML}, "sts:AssumeRoleWithSAML"))
no(
    "saml.no-audience",
    "SAML with its recipient",
    "trust",
    trust(
        {"Federated": SAML},
        "sts:AssumeRoleWithSAML",
        Condition={"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
    ),
)

# --- MFA

yes("mfa.long-term-keys", "Bool false in a Deny", "identity", unless(Bool={MFA: "false"}))
yes(
    "mfa.long-term-keys",
    "an age above a limit in a Deny",
    "identity",
    unless(NumericGreaterThan={"aws:MultiFactorAuthAge": "3600"}),
)
yes(
    "mfa.long-term-keys",
    "BoolIfExists true in an Allow",
    "trust",
    trust({"AWS": THEM}, Condition={"BoolIfExists": {MFA: "true"}}),
)
no("mfa.long-term-keys", "BoolIfExists false in a Deny", "identity", unless(BoolIfExists={MFA: "false"}))
no("mfa.long-term-keys", "Bool true in an Allow", "identity", when(Bool={MFA: "true"}))
no(
    "mfa.long-term-keys",
    "an age below a limit in an Allow",
    "identity",
    when(NumericLessThan={"aws:MultiFactorAuthAge": "3600"}),
)
no(
    "mfa.long-term-keys",
    "an age below a limit in a Deny",
    "identity",
    unless(NumericLessThan={"aws:MultiFactorAuthAge": "60"}),
)
no(
    "mfa.long-term-keys",
    "a Deny that says it is about sessions",
    "identity",
    unless(Bool={MFA: "false"}, Null={MFA: "false"}),
)
yes("mfa.null-test", "Null true in a Deny", "identity", unless(Null={MFA: "true"}))
yes("mfa.null-test", "Null false in an Allow", "identity", when(Null={MFA: "false"}))
no("mfa.null-test", "Null beside Bool", "identity", when(Null={MFA: "false"}, Bool={MFA: "true"}))

# --- conditions

yes(
    "condition.absent-key-passes",
    "an external ID that may be missing",
    "trust",
    trust({"AWS": THEM}, Condition={"StringEqualsIfExists": {"sts:ExternalId": "agreed"}}),
)
yes(
    "condition.absent-key-passes",
    "an external ID that must not be",
    "trust",
    trust({"AWS": THEM}, Condition={"StringNotEquals": {"sts:ExternalId": "agreed"}}),
)
yes("condition.absent-key-passes", "a subject that may be missing", "trust", subject("StringEqualsIfExists", MAIN))
no("condition.absent-key-passes", "an external ID", "trust", trust({"AWS": THEM}, Condition=ID))
no(
    "condition.absent-key-passes",
    "IfExists in a Deny",
    "identity",
    unless(StringNotEqualsIfExists={"aws:PrincipalOrgID": "o-1"}),
)
no(
    "condition.absent-key-passes",
    "IfExists and a Null that demands the key",
    "identity",
    when(StringEqualsIfExists={"aws:PrincipalOrgID": "o-1"}, Null={"aws:PrincipalOrgID": "false"}),
)
no(
    "condition.absent-key-passes",
    "IfExists with a key that guards nothing",
    "identity",
    when(StringEqualsIfExists={"aws:SourceVpc": "vpc-1"}),
)
yes(
    "condition.for-all-values",
    "a key that may be missing",
    "identity",
    when(ForAllValues__StringEquals={"aws:CalledVia": "athena.amazonaws.com"}),
)
no(
    "condition.for-all-values",
    "a Null that demands the key",
    "identity",
    when(ForAllValues__StringEquals={"aws:CalledVia": "athena.amazonaws.com"}, Null={"aws:CalledVia": "false"}),
)
no(
    "condition.for-all-values",
    "a Deny",
    "identity",
    unless(ForAllValues__StringEquals={"aws:CalledVia": "athena.amazonaws.com"}),
)
no("condition.for-all-values", "tag keys", "identity", when(ForAllValues__StringEquals={"aws:TagKeys": "team"}))
yes(
    "condition.for-all-tags",
    "tag keys that may be missing",
    "identity",
    when(ForAllValues__StringEquals={"aws:TagKeys": "team"}),
)
no(
    "condition.for-all-tags",
    "tag keys that have to be there",
    "identity",
    when(ForAllValues__StringEquals={"aws:TagKeys": "team"}, Null={"aws:TagKeys": "false"}),
)
yes(
    "condition.set-of-one",
    "ForAnyValue with one value",
    "identity",
    when(ForAnyValue__StringEquals={"aws:username": "x"}),
)
no("condition.set-of-one", "ForAnyValue with several", "identity", when(ForAnyValue__StringEquals={"aws:TagKeys": "x"}))
yes("condition.set-missing", "an organization's paths", "identity", when(StringLike={"aws:PrincipalOrgPaths": "o-1/*"}))
yes(
    "condition.set-missing",
    "a service's key with several values",
    "trust",
    trust({"AWS": THEM}, Condition={"StringEquals": {"sts:TransitiveTagKeys": "team"}}),
)
no("condition.set-missing", "ForAnyValue", "identity", when(ForAnyValue__StringLike={"aws:PrincipalOrgPaths": "o-1/*"}))
no("condition.set-missing", "Null", "identity", when(Null={"aws:PrincipalOrgPaths": "false"}))
yes(
    "condition.wrong-operator",
    "a number where a text is",
    "identity",
    when(NumericEquals={"aws:PrincipalAccount": "1"}),
)
yes(
    "condition.wrong-operator",
    "an ARN where a number is",
    "identity",
    allow("s3:ListBucket", BUCKET, Condition={"ArnLike": {"s3:max-keys": "arn:*"}}),
)
no("condition.wrong-operator", "a text operator on a number", "identity", when(StringEquals={"s3:max-keys": "10"}))
no("condition.wrong-operator", "a number in a tag", "identity", when(NumericLessThan={"aws:PrincipalTag/level": "3"}))
no("condition.wrong-operator", "epoch seconds as a number", "identity", when(NumericLessThan={"aws:EpochTime": "3"}))
yes("condition.wildcard-is-text", "a star under StringEquals", "identity", when(StringEquals={"s3:prefix": "home/*"}))
yes(
    "condition.wildcard-is-text",
    "a star under its negation",
    "identity",
    unless(StringNotEquals={"aws:userid": "AROA:*"}),
)
no("condition.wildcard-is-text", "a star under StringLike", "identity", when(StringLike={"s3:prefix": "home/*"}))
no("condition.wildcard-is-text", "a star that is meant", "identity", when(StringEquals={"s3:prefix": "home/${*}"}))
yes("condition.wildcard-in-id", "part of an account", "identity", when(StringLike={"aws:PrincipalAccount": "1111*"}))
no("condition.wildcard-in-id", "a whole account", "identity", when(StringLike={"aws:PrincipalAccount": "111122223333"}))
no("condition.wildcard-in-id", "part of an ARN", "identity", when(ArnLike={"aws:PrincipalArn": f"{THEM[:-4]}*"}))
yes("condition.same-key", "one key in two cases", "identity", when(StringLike={"aws:userid": "x", "aws:UserId": "y"}))
no(
    "condition.same-key",
    "one key under two operators",
    "identity",
    when(StringLike={"aws:userid": "x*"}, StringNotLike={"aws:UserId": "xy*"}),
)
yes(
    "condition.never",
    "a key that is absent and has a value",
    "identity",
    when(Null={"aws:PrincipalTag/team": "true"}, StringEquals={"aws:PrincipalTag/Team": "red"}),
)
no(
    "condition.never",
    "a key that is absent, or has a value",
    "identity",
    when(Null={"aws:PrincipalTag/team": "true"}, StringEqualsIfExists={"aws:PrincipalTag/Team": "red"}),
)
yes("condition.unknown-key", "a mistyped global key", "identity", when(StringEquals={"aws:PrincipalOrgld": "o-1"}))
yes("condition.unknown-key", "a mistyped key of a service", "identity", when(StringEquals={"s3:prefixx": "x"}))
yes("condition.unknown-key", "a key without a prefix", "identity", when(StringEquals={"username": "x"}))
yes("condition.unknown-key", "a tag without a name", "identity", when(StringEquals={"aws:PrincipalTag/": "x"}))
no(
    "condition.unknown-key",
    "a global key in small letters",
    "identity",
    when(StringEquals={"aws:principalorgid": "o-1"}),
)
no("condition.unknown-key", "a tag", "identity", when(StringEquals={"aws:ResourceTag/anything at all": "x"}))
no("condition.unknown-key", "an object's tag", "identity", when(StringEquals={"s3:ExistingObjectTag/team": "x"}))
no("condition.unknown-key", "a key of a session", "identity", when(ArnEquals={"lambda:SourceFunctionArn": "x"}))
no("condition.unknown-key", "a SAML key", "identity", when(StringEquals={"SAML:aud": "x"}))
no("condition.unknown-key", "a claim of a provider", "trust", subject("StringEquals", MAIN))
yes(
    "condition.key-not-sent",
    "a duration with AssumeRole",
    "trust",
    trust({"AWS": THEM}, Condition={"NumericLessThanEquals": {"sts:DurationSeconds": "3600"}}),
)
yes(
    "condition.key-not-sent",
    "an external ID with web identity",
    "trust",
    web({"StringEquals": {"sts:ExternalId": "x"}}),
)
no("condition.key-not-sent", "an external ID with AssumeRole", "trust", trust({"AWS": THEM}, Condition=ID))
no(
    "condition.key-not-sent",
    "a key of one of several actions",
    "identity",
    allow(["s3:GetObject", "s3:ListBucket"], "*", Condition={"StringLike": {"s3:prefix": "x*"}}),
)
no(
    "condition.key-not-sent",
    "an object's tag",
    "identity",
    allow("s3:Get*", "*", Condition={"StringEquals": {"s3:ExistingObjectTag/a": "b"}}),
)
no("condition.key-not-sent", "every action", "identity", when(StringLike={"s3:prefix": "x*"}))
HERE = "aws:SourceIp"
yes(
    "condition.private-address",
    "private ranges alone",
    "identity",
    when(IpAddress={HERE: ["10.0.0.0/8", "172.16.0.0/12"]}),
)
yes(
    "condition.private-address",
    "a private address among public ones",
    "identity",
    unless(NotIpAddress={HERE: ["8.8.8.0/24", "192.168.1.7"]}),
)
yes("condition.private-address", "a private range of IPv6", "identity", when(IpAddress={HERE: "fd00::/8"}))
no("condition.private-address", "a public range", "identity", when(IpAddress={HERE: "203.0.113.0/24"}))
no(
    "condition.private-address",
    "a range that has private and public addresses",
    "identity",
    when(IpAddress={HERE: "8.0.0.0/5"}),
)
no(
    "condition.private-address",
    "the address inside of a VPC",
    "identity",
    when(IpAddress={"aws:VpcSourceIp": "10.0.0.0/8"}),
)
yes("condition.userid-of-user", "a user's id", "identity", when(StringEquals={"aws:userid": "AIDAI23HXD3MBVD4EFPWX"}))
no(
    "condition.userid-of-user",
    "sessions of a role",
    "identity",
    when(StringLike={"aws:userid": "AROAI23HXD3MBVD4EFPWX:*"}),
)
yes("condition.userid-of-role", "a role's id", "identity", when(StringLike={"aws:userid": "AROAI23HXD3MBVD4EFPWX"}))
no("condition.userid-of-role", "its sessions", "identity", when(StringLike={"aws:userid": "AROAI23HXD3MBVD4EFPWX:*"}))
SESSION = "arn:aws:sts::444455556666:assumed-role/Deploy/run-1"
yes("condition.session-arn", "a session's ARN", "identity", when(ArnEquals={"aws:PrincipalArn": SESSION}))
no(
    "condition.session-arn",
    "a role's ARN",
    "identity",
    when(ArnEquals={"aws:PrincipalArn": "arn:aws:iam::444455556666:role/D"}),
)

# --- actions, resources, variables

yes("variable.unknown", "a mistyped variable", "identity", allow("s3:GetObject", f"{BUCKET}/${{aws:usrname}}/*"))
yes(
    "variable.unknown",
    "a mistyped variable in a condition",
    "identity",
    when(StringLike={"s3:prefix": "${username}/*"}),
)
no(
    "variable.unknown",
    "a variable with a default",
    "identity",
    allow("s3:GetObject", f"{BUCKET}/${{aws:PrincipalTg, 'x'}}"),
)
no("variable.unknown", "a tag", "identity", allow("s3:GetObject", f"{BUCKET}/${{aws:PrincipalTag/team}}/*"))
no(
    "variable.unknown",
    "a variable in the version of 2008",
    "identity",
    policy(allow("s3:GetObject", f"{BUCKET}/${{aws:usrname}}"), version="2008-10-17"),
)
yes("variable.many-values", "the keys of tags", "identity", allow("s3:GetObject", f"{BUCKET}/${{aws:TagKeys}}"))
no("variable.many-values", "the user's name", "identity", HOME)
yes("action.unknown-service", "a mistyped service", "identity", allow("s4:GetObject"))
no("action.unknown-service", "a wildcard", "identity", allow("s?:GetObject"))
no("action.unknown-service", "a service in capitals", "identity", allow("S3:GetObject"))
yes("action.unknown", "a mistyped action", "identity", allow("s3:GetObjects"))
yes("action.unknown", "a wildcard for no action", "identity", allow("s3:Fetch*"))
no("action.unknown", "an action in small letters", "identity", allow("s3:getobject"))
no("action.unknown", "a wildcard", "identity", allow("s3:Get*"))
yes("action.no-effect", "GetCallerIdentity", "identity", allow("sts:GetCallerIdentity"))
no("action.no-effect", "AssumeRole", "identity", allow("sts:AssumeRole"))
no(
    "action.no-effect",
    "an exception from a Deny",
    "identity",
    policy(allow(), {"Effect": "Deny", "NotAction": "sts:GetSessionToken", "Resource": "*"}),
)
ALL_BUT = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
yes("action.all-others", "NotAction in an Allow", "identity", ALL_BUT)
no("action.all-others", "NotAction in a Deny", "identity", ALL_BUT | {"Effect": "Deny"})
no("action.all-others", "NotAction in what only limits", "session", ALL_BUT)
yes(
    "resource.all-others",
    "NotResource in an Allow",
    "identity",
    {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": f"{BUCKET}/*"},
)
no(
    "resource.all-others",
    "NotResource in a Deny",
    "identity",
    {"Effect": "Deny", "Action": "s3:GetObject", "NotResource": f"{BUCKET}/*"},
)
yes("resource.unknown-partition", "a partition that is none", "identity", allow("s3:GetObject", "arn:amazon:s3:::b/*"))
no("resource.unknown-partition", "China", "identity", allow("s3:GetObject", "arn:aws-cn:s3:::b/*"))
no("resource.unknown-partition", "any partition", "identity", allow("s3:GetObject", "arn:aws*:s3:::b/*"))
QUEUE = "arn:aws:sqs:us-east-1:{}:q"
yes("resource.no-account", "eleven digits", "identity", allow("sqs:SendMessage", QUEUE.format("11122223333")))
yes("resource.no-account", "a colon too few", "identity", allow("s3:GetObject", "arn:aws:s3::bucket/*"))
no("resource.no-account", "every colon", "identity", allow("s3:GetObject", "arn:aws:s3:::bucket/*"))
no("resource.no-account", "twelve digits", "identity", allow("sqs:SendMessage", QUEUE.format("011122223333")))
no("resource.no-account", "a wildcard", "identity", allow("sqs:SendMessage", QUEUE.format("1111*")))
no("resource.no-account", "AWS's own", "identity", allow("iam:PassRole", "arn:aws:iam::aws:role/x"))
yes(
    "resource.variable-is-text",
    "a variable for the account",
    "identity",
    allow("sqs:SendMessage", QUEUE.format("${aws:PrincipalAccount}")),
)
no("resource.variable-is-text", "a variable behind the fifth colon", "identity", HOME)
yes("resource.other-service", "a queue for S3", "identity", allow("s3:GetObject", [f"{BUCKET}/*", QUEUE.format("*")]))
no("resource.other-service", "a role for STS", "identity", allow("sts:AssumeRole", "arn:aws:iam::444455556666:role/x"))
no("resource.other-service", "an unknown service", "identity", allow(["s3:GetObject", "new:Do"], QUEUE.format("*")))
no(
    "resource.other-service",
    "a service under its older name",
    "identity",
    allow("codestar-connections:UseConnection", "arn:aws:codeconnections:*:*:connection/*"),
)
yes("resource.other-kind", "a bucket for an action on objects", "identity", allow("s3:GetObject", BUCKET))
yes(
    "resource.other-kind",
    "objects for an action on buckets",
    "identity",
    allow("s3:ListBucket", "arn:aws:sqs:*:*:x/*") | {"Resource": ["arn:aws:s3:us-east-1:111122223333:bucket"]},
)
no(
    "resource.other-kind",
    "both for both",
    "identity",
    allow(["s3:GetObject", "s3:ListBucket"], [BUCKET, f"{BUCKET}/*"]),
)
no("resource.other-kind", "a wildcard that may be an object", "identity", allow("s3:GetObject", "arn:aws:s3:::*"))
no("resource.other-kind", "objects by a variable", "identity", allow("s3:GetObject", "arn:aws:s3:::b${aws:username}"))
no("resource.other-kind", "an ARN that AWS completes", "identity", allow("sqs:SendMessage", "arn:aws:sqs:us-east-1"))
yes("resource.needs-star", "a list of all buckets", "identity", allow("s3:ListAllMyBuckets", BUCKET))
no("resource.needs-star", "a list of all buckets of everything", "identity", allow("s3:ListAllMyBuckets", "*"))
no("resource.needs-star", "a list of all buckets of S3", "identity", allow("s3:ListAllMyBuckets", "arn:aws:s3:::*"))

EXAMPLES = tuple(_EXAMPLES)
