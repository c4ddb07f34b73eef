"""A made-up company of any size, in the files that `dsops access collect` writes, with an answer that is known.

An account has ten roles and five users with forty policies. The roles of many accounts are alike: administrators that
the first account may become with MFA, deployment by tokens of GitHub, roles of services, a partner with an external ID.
In one account of ten, a role trusts `*` within the organization. A chain of three roles leads from a user of the second
account to the secret `vault/key` of the last account.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from dsops.access.facts.world import OrganizationFacts, PolicyDocument

REGION: Final = "eu-central-1"
READ: Final = "secretsmanager:GetSecretValue"
ROLES_PER_ACCOUNT: Final = 10
_ORGANIZATION: Final = "o-company0001"
_ROOT: Final = "r-root"
_PARTNER: Final = "999999999999"
_GITHUB: Final = "token.actions.githubusercontent.com"
_UNITS: Final = 20
_SERVICES: Final = tuple(f"service{number}" for number in range(400))


class Company:
    """The company with this number of roles: a multiple of ten, at least forty."""

    def __init__(self, roles: int) -> None:
        self.accounts = tuple(f"{100_000_000_000 + number}" for number in range(roles // ROLES_PER_ACCOUNT))
        self.security, self.first, self.middle = self.accounts[:3]
        self.last = self.accounts[-1]

    @property
    def secret(self) -> str:
        """The ARN of the secret whose readers are known."""
        return _secret(self.last, "vault/key")

    @property
    def readers(self) -> frozenset[str]:
        """Return the ARNs of the users and roles that can read the secret, by assuming roles or without."""
        names = {
            self.security: ("role/Admin", "role/Ops", "role/Operator", "user/dev-0", "user/dev-1", "user/security"),
            self.first: ("role/Admin", "role/Ops", "role/Bridge", "user/dev-0", "user/dev-1", "user/chain"),
            self.middle: ("role/Bridge",),
            self.last: ("role/Admin", "role/Ops", "role/Vault", "user/dev-0", "user/dev-1"),
        }
        return frozenset(_arn(account, name) for account, listed in names.items() for name in listed)

    def write(self, folder: Path) -> None:
        """Write the files of all accounts, and those of the organization."""
        write_json(folder / "organization.json", self._organization())
        write_json(folder / "identity-center.json", {"Assignments": []})
        for number in range(len(self.accounts)):
            self.write_account(folder, number)

    def write_account(self, folder: Path, number: int, *, extra_users: int = 0) -> None:
        """Write the files of one account; `extra_users` is a change to it."""
        account = self.accounts[number]
        own = folder / "accounts" / account
        details = {
            "UserDetailList": [self._user(number, each) for each in range(5 + extra_users)],
            "GroupDetailList": [],
            "RoleDetailList": [
                _role(account, name, trust, inline, managed) for name, trust, inline, managed in self._roles(number)
            ],
            "Policies": [_managed(arn, document) for arn, document in _managed_policies(account).items()],
        }
        write_json(own / "authorization-details.json", details)
        write_json(own / "account.json", {"Name": f"team-{number}", "Regions": [REGION], "HasAllRegions": True})
        write_json(own / "identity-providers.json", {"OpenIDConnectProviderList": [{"Arn": _provider(account)}]})
        secrets = [{"Arn": _secret(account, name)} for name in ("app/config", "vault/key")]
        write_json(own / "resources" / f"secretsmanager.{REGION}.json", {"Resources": secrets})
        functions = {"Resources": self._functions(account)}
        write_json(own / "resources" / f"lambda.{REGION}.json", functions)
        for service in ("kms", "sns", "sqs", "tags"):
            write_json(own / "resources" / f"{service}.{REGION}.json", {"Resources": []})
        write_json(own / "resources" / "s3.json", {"Resources": [_bucket(account)]})

    @staticmethod
    def opened(world: OrganizationFacts) -> OrganizationFacts:
        """Return the facts with all roles trusting `*`."""
        text = json.dumps(_trust("*"))
        identities = {
            arn: identity._replace(trust=PolicyDocument(f"the trust policy of {arn}", "trust", text))
            if identity.kind == "role"
            else identity
            for arn, identity in world.identities.items()
        }
        return world._replace(identities=identities)

    def _roles(self, number: int) -> list[tuple[str, Any, Any, tuple[str, ...]]]:
        """Return the roles of an account: name, trust policy, inline policy and managed policies."""
        account, aws = self.accounts[number], "arn:aws:iam::aws:policy/"
        own = {"AWS": f"arn:aws:iam::{account}:root"}
        mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
        repository = {
            "StringEquals": {f"{_GITHUB}:aud": "sts.amazonaws.com"},
            "StringLike": {f"{_GITHUB}:sub": f"repo:company/team-{number}:*"},
        }
        partner = {"StringEquals": {"sts:ExternalId": f"partner-{number}"}}
        only_organization = {"StringEquals": {"aws:PrincipalOrgID": _ORGANIZATION}}
        auditor, hub = {"AWS": _arn(self.security, "role/Auditor")}, "role/Hub"
        return [
            ("Admin", _trust({"AWS": _arn(self.security, "root")}, mfa), None, (f"{aws}AdministratorAccess",)),
            ("ReadOnly", _trust(auditor), _use("s3:List*"), (f"{aws}ReadOnlyAccess", f"{aws}SecurityAudit")),
            (
                "Deploy",
                _trust({"Federated": _provider(account)}, repository, "sts:AssumeRoleWithWebIdentity"),
                _use("cloudformation:*", "s3:PutObject", "iam:PassRole"),
                (_customer(account, 0), _customer(account, 1)),
            ),
            ("Runtime", _trust({"Service": "lambda.amazonaws.com"}), _runtime(account), (_customer(account, 2),)),
            ("Partner", _trust({"AWS": f"arn:aws:iam::{_PARTNER}:root"}, partner), _use("s3:GetObject"), ()),
            ("Data", _trust({"AWS": _arn(account, "role/Deploy")}), _use("s3:*", "glue:*"), (_customer(account, 3),)),
            ("Backup", _trust({"Service": "backup.amazonaws.com"}), _use("backup:*"), (_customer(account, 4),)),
            ("Ops", _trust(own), _use("support:*"), (f"{aws}PowerUserAccess",)),
            ("Hub", _trust("*", only_organization), _use("sqs:SendMessage"), ())
            if number % 10 == 5
            else ("Queue", _trust({"Service": "ecs-tasks.amazonaws.com"}), _use("sqs:*", resource=_arn("*", hub)), ()),
            self._special_role(account),
        ]

    def _special_role(self, account: str) -> tuple[str, Any, Any, tuple[str, ...]]:
        """Return the tenth role: an operator, a step of the chain, or a role of a service."""
        first, middle, last = (f"arn:aws:iam::{each}:role/" for each in (self.first, self.middle, self.last))
        assume = "sts:AssumeRole"
        special: dict[str, tuple[str, Any, Any, tuple[str, ...]]] = {
            self.security: (
                "Operator",
                _trust({"AWS": _arn(account, "user/security")}),
                _use(assume, resource=_arn("*", "role/Admin")),
                (),
            ),
            self.first: (
                "Bridge",
                _trust({"AWS": _arn(account, "user/chain")}),
                _use(assume, resource=f"{middle}Bridge"),
                (),
            ),
            self.middle: ("Bridge", _trust({"AWS": f"{first[:-5]}root"}), _use(assume, resource=f"{last}Vault"), ()),
            self.last: (
                "Vault",
                _trust({"AWS": f"{middle}Bridge"}),
                _use(READ, resource=_secret(account, "vault/key")),
                (),
            ),
        }
        return special.get(account) or ("Job", _trust({"Service": "ecs-tasks.amazonaws.com"}), _use("logs:*"), ())

    def _user(self, number: int, position: int) -> dict[str, Any]:
        account = self.accounts[number]
        planted = {self.security: "security", self.first: "chain"}.get(account, "guest")
        name = ("dev-0", "dev-1", "viewer", planted, "mail")[position] if position < 5 else f"extra-{position}"
        inline = {"viewer": _use("ec2:Describe*", "cloudwatch:Get*"), "mail": _use("ses:SendEmail")}.get(
            name, _use("sts:AssumeRole", resource=_arn(account, "role/Ops")) if "dev" in name else _use("iam:Get*")
        )
        return {
            "Arn": _arn(account, f"user/{name}"),
            "UserId": f"AIDA{account}{position:05}",
            "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": inline}],
            "GroupList": [],
            "AttachedManagedPolicies": [{"PolicyArn": _customer(account, 5 + position)}] if position < 5 else [],
        }

    def _functions(self, account: str) -> list[dict[str, Any]]:
        """Return the functions of an account."""
        del account
        return []

    def _organization(self) -> dict[str, Any]:
        units = [f"ou-root-{number:08}" for number in range(_UNITS)]
        return {
            "Organization": {
                "Id": _ORGANIZATION,
                "Arn": f"arn:aws:organizations::888888888888:organization/{_ORGANIZATION}",
                "MasterAccountId": "888888888888",
                "FeatureSet": "ALL",
            },
            "Roots": [{"Id": _ROOT}],
            "OrganizationalUnits": [{"Id": unit, "ParentId": _ROOT} for unit in units],
            "Accounts": [
                {"Id": account, "Name": f"team-{number}", "ParentId": units[number % _UNITS], "Status": "ACTIVE"}
                for number, account in enumerate(self.accounts)
            ],
            "Policies": [
                _control("FullAWSAccess", "SERVICE_CONTROL_POLICY", _use("*"), [_ROOT, *units, *self.accounts]),
                _control("Regions", "SERVICE_CONTROL_POLICY", _regions(), [_ROOT]),
                _control("NoLeaving", "SERVICE_CONTROL_POLICY", _deny("organizations:LeaveOrganization"), units),
                _control("OnlyOurs", "RESOURCE_CONTROL_POLICY", _only_organization(), [_ROOT]),
            ],
        }


def _arn(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:{name}"


def _provider(account: str) -> str:
    return _arn(account, f"oidc-provider/{_GITHUB}")


def _customer(account: str, number: int) -> str:
    return _arn(account, f"policy/Team-{number}")


def _secret(account: str, name: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{account}:secret:{name}-AbCdEf"


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def _use(*actions: str, resource: str = "*") -> dict[str, Any]:
    return _policy({"Effect": "Allow", "Action": [*actions], "Resource": resource})


def _deny(action: str) -> dict[str, Any]:
    return _policy({"Effect": "Deny", "Action": action, "Resource": "*"})


def _runtime(account: str) -> dict[str, Any]:
    return _use(READ, "secretsmanager:DescribeSecret", resource=_secret(account, "app/*"))


def _regions() -> dict[str, Any]:
    unless = {"StringNotEquals": {"aws:RequestedRegion": [REGION, "eu-west-1"]}}
    exempt = ["iam:*", "sts:*", "organizations:*", "route53:*", "support:*", "cloudfront:*"]
    return _policy({"Effect": "Deny", "NotAction": exempt, "Resource": "*", "Condition": unless})


def _only_organization() -> dict[str, Any]:
    outside = {
        "StringNotEqualsIfExists": {"aws:PrincipalOrgID": _ORGANIZATION},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }
    actions = ["s3:*", "secretsmanager:*", "kms:*"]
    return _policy({"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": "*", "Condition": outside})


def _control(name: str, kind: str, content: dict[str, Any], targets: list[str]) -> dict[str, Any]:
    return {"Summary": {"Id": f"p-{name}", "Name": name, "Type": kind}, "Content": content, "Targets": targets}


def _trust(principal: Any, condition: Any = None, action: str = "sts:AssumeRole") -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return _policy(statement | ({"Condition": condition} if condition else {}))


def _bucket(account: str) -> dict[str, Any]:
    arn = f"arn:aws:s3:::company-{account}"
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    return {"Arn": arn, "Policy": _policy({**statement, "Condition": insecure})}


def _managed_policies(account: str) -> dict[str, dict[str, Any]]:
    """Return an account's copies of AWS's managed policies, and its own ones, as JSON."""
    aws = "arn:aws:iam::aws:policy/"
    own = [
        _policy(
            {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": [f"{_SERVICES[number]}:Get*", f"{_SERVICES[number]}:Put*", "logs:PutLogEvents"],
                "Resource": [f"arn:aws:{_SERVICES[number]}:{REGION}:{account}:thing/team-{number}/*"],
                "Condition": {"StringEquals": {"aws:ResourceTag/team": f"team-{number}"}},
            },
        )
        for number in range(10)
    ]
    return {
        f"{aws}AdministratorAccess": _use("*"),
        f"{aws}PowerUserAccess": _policy(
            {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"}
        ),
        f"{aws}ReadOnlyAccess": _use(
            *(f"{name}:{verb}*" for name in _SERVICES for verb in ("Describe", "List", "BatchGet"))
        ),
        f"{aws}SecurityAudit": _use(*(f"{name}:Describe*" for name in _SERVICES)),
        f"{aws}AmazonSSMManagedInstanceCore": _use("ssm:GetDocument", "ssmmessages:*", "ec2messages:*"),
        **{_customer(account, number): document for number, document in enumerate(own)},
    }


def _managed(arn: str, document: dict[str, Any]) -> dict[str, Any]:
    return {"Arn": arn, "PolicyVersionList": [{"IsDefaultVersion": True, "Document": document}]}


def _role(account: str, name: str, trust: Any, inline: Any, managed: tuple[str, ...]) -> dict[str, Any]:
    return {
        "Arn": _arn(account, f"role/{name}"),
        "RoleId": f"AROA{account}{name}",
        "AssumeRolePolicyDocument": trust,
        "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": inline}] if inline else [],
        "AttachedManagedPolicies": [{"PolicyArn": arn} for arn in managed],
        "InstanceProfileList": [],
        "Tags": [{"Key": "team", "Value": f"team-{account[-4:]}"}],
    }


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, in folders that it makes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
