"""A company in AWS: accounts, roles and people. The same seed gives the same company."""

from __future__ import annotations

import random
from typing import Final

from tests.cloudtrail.facts import Actor, Json, Role

NAMES: Final = ("management", "security", "shared", "development", "staging", "production", "data", "vault")
REGIONS: Final = ("eu-west-1", "us-east-1", "eu-central-1")
SERVICES: Final = ("ecs-tasks", "lambda", "ec2", "states", "codebuild", "events", "config", "backup")
# Role name, path, how its sessions are used, and the requested duration in seconds.
ROLES: Final[tuple[tuple[str, str, str, int | None], ...]] = (
    ("Deploy", "/", "mixed", 900),
    ("ReadOnly", "/", "mixed", None),
    ("Administrator", "/people/", "end", 3600),
    ("BreakGlass", "/", "never", 3600),
    ("SecretsReader", "/dsops/", "seconds", 3600),
    ("Migrator", "/dsops/", "end", 900),
    ("Probe", "/", "seconds", 900),  # 900 is the shortest duration that AWS allows
    ("Nightly", "/", "mixed", 43200),
    ("Auditor", "/AWSReservedSSO_of_old/", "mixed", None),  # this path resembles that of Identity Center's roles
)
PERMISSION_SETS: Final = (
    ("AdministratorAccess", "end", 3600),
    ("ReadOnlyAccess", "mixed", 43200),
    ("Billing", "never", 28800),
)
# Names that are possible in a company directory and that a page must escape. Their byte order is not alphabetical.
ODD_SUBJECTS: Final = (
    "<script>alert('cloudtrail')</script>",
    'Ann "the admin" O\'Neil',
    "jürgen.groß@example.com",
    "李雷@example.com",
    "\N{MAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}@example.com",
    "a&b;--%s{0}$x`y`\\n",
    "tab\there\u2028line",
    "zoë@example.com",
    "Zoe@example.com",
    "</td></table><img src=x onerror=alert(1)>",
)
PARTNERS: Final = ("900000000001", "900000000002")
OIDC: Final = "token.actions.githubusercontent.com"


class Company:
    """Accounts, roles and principals."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._roles_of: dict[str, list[Role]] = {}
        chance = random.Random(f"company {seed}")  # noqa: S311 - the same company each time
        self._chance = chance
        self.accounts = {name: f"{chance.randrange(10**11, 9 * 10**11)}" for name in NAMES}
        self.roles = {(name, role[0]): self._role(name, *role) for name in NAMES for role in ROLES}
        self.people_roles = {
            (name, permissions): self._permission_set(name, permissions, habit, duration)
            for name in NAMES
            for permissions, habit, duration in PERMISSION_SETS
        }
        self.users = [self._user(NAMES[number % 4], f"user-{number:02}") for number in range(24)]
        self.early = [self._user("shared", f"early-{number:02}") for number in range(31)]
        """Users that appear only once, in a single shift."""
        self.newcomers = [self._user("shared", f"newcomer-{number}") for number in range(4)]
        self.people = [f"person{number:02}@example.com" for number in range(30)]
        self.new_people = [f"starter{number}@example.com" for number in range(3)]
        self.pipelines = [self._pipeline(name, f"repo-{number:02}") for number in range(8) for name in NAMES[3:6]]
        self.subjects = [self._subject(text) for text in (*ODD_SUBJECTS, *(f"staff{n}" for n in range(6)))]
        self.services = [self._service(name) for name in SERVICES]
        self.partners = [self._partner(account, number) for account in PARTNERS for number in range(3)]
        self.standing = [self._standing(name, number) for name in NAMES for number in range(6)]
        """Workloads whose sessions were issued before the logs begin."""

    def role_of(self, account: str, name: str) -> Role:
        """A role by account and name."""
        return self.roles[account, name]

    def roles_of(self, principal: str) -> list[Role]:
        """The roles that a principal uses: three, or one for a role; none in the account without visitors."""
        found = self._roles_of.get(principal)
        if found is None:
            chance = random.Random(f"{self._seed} {principal}")  # noqa: S311 - the same habits each time
            open_roles = [role for (account, _), role in self.roles.items() if account != NAMES[-1]]
            found = self._roles_of[principal] = chance.sample(open_roles, 1 if ":role/" in principal else 3)
        return found

    def _id(self, prefix: str) -> str:
        return prefix + "".join(self._chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=17))

    def _role(self, account: str, name: str, path: str, habit: str, duration: int | None) -> Role:
        number = self.accounts[account]
        return Role(number, name, f"arn:aws:iam::{number}:role{path}{name}", self._id("AROA"), habit, duration)

    def _permission_set(self, account: str, name: str, habit: str, duration: int) -> Role:
        number = self.accounts[account]
        name = f"AWSReservedSSO_{name}_{self._chance.getrandbits(64):016x}"
        arn = f"arn:aws:iam::{number}:role/aws-reserved/sso.amazonaws.com/eu-west-1/{name}"
        return Role(number, name, arn, self._id("AROA"), habit, duration, is_person=True)

    def _user(self, account: str, name: str) -> Actor:
        number = self.accounts[account]
        arn = f"arn:aws:iam::{number}:user/{name}"
        unique = self._id("AIDA")
        identity: Json = {
            "type": "IAMUser",
            "principalId": unique,
            "arn": arn,
            "accountId": number,
            "accessKeyId": self._id("AKIA"),
            "userName": name,
        }
        twin = {"type": "AWSAccount", "principalId": unique, "accountId": number}
        return Actor(arn, number, identity, twin, is_user=True, address=f"203.0.113.{self._chance.randrange(1, 255)}")

    def _pipeline(self, account: str, repository: str) -> Actor:
        provider = f"arn:aws:iam::{self.accounts[account]}:oidc-provider/{OIDC}"
        subject = f"repo:example/{repository}:ref:refs/heads/main"
        principal = f"{provider}:sts.amazonaws.com:{subject}"
        identity: Json = {
            "type": "WebIdentityUser",
            "principalId": principal,
            "userName": subject,
            "identityProvider": provider,
        }
        agent = "configure-aws-credentials-for-github-actions"
        return Actor(principal, "", identity, address="20.102.38.10", agent=agent)

    def _subject(self, subject: str) -> Actor:
        identity: Json = {
            "type": "SAMLUser",
            "principalId": f"q3Vn8gTDkYEXAMPLE=:{subject}",
            "userName": subject,
            "identityProvider": "q3Vn8gTDkYEXAMPLE=",
        }
        return Actor(identity["principalId"], "", identity, agent="signin.amazonaws.com")

    @staticmethod
    def _service(name: str) -> Actor:
        source = f"{name}.amazonaws.com"
        return Actor(source, "", {"type": "AWSService", "invokedBy": source}, address=source, agent=source)

    def _partner(self, account: str, number: int) -> Actor:
        """A caller from another company: the logs contain only our account's copy of the call."""
        unique = self._id("AROA" if number else "AIDA")
        identity: Json = {
            "type": "AWSAccount",
            "principalId": f"{unique}:job-{number}" if number else unique,
            "accountId": account,
        }
        return Actor(f"{account}/{unique}", account, identity)

    def _standing(self, account: str, number: int) -> Actor:
        role = self._role(account, f"service-{number}", "/service-role/", "mixed", None)
        return act_as(role, f"i-{self._chance.getrandbits(68):017x}", self._id("ASIA"), "2026-09-30T22:11:09Z")


def act_as(role: Role, session_name: str, key: str, created: str, source_identity: str = "") -> Actor:
    """The caller that a session of a role is."""
    arn = f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session_name}"
    unique = f"{role.unique_id}:{session_name}"
    identity: Json = {
        "type": "AssumedRole",
        "principalId": unique,
        "arn": arn,
        "accountId": role.account,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role.unique_id,
                "arn": role.arn,
                "accountId": role.account,
                "userName": role.name,
            },
            "attributes": {"creationDate": created, "mfaAuthenticated": "false"},
        },
    }
    if source_identity:
        identity["sessionContext"]["sourceIdentity"] = source_identity
    twin: Json = {"type": "AWSAccount", "principalId": unique, "accountId": role.account}
    principal = arn if role.is_person else role.arn
    return Actor(principal, role.account, identity, twin, source_identity=source_identity)
