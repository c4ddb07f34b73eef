"""A question to policies -> the same with all that the given files say of it; what they don't say stands as unread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from dsops.arn import Arn, parse_arn
from dsops.errors import EntityNotFound
from dsops.explain.evidence.readers import ANY_ACCOUNT
from dsops.explain.findings.answer import UNKNOWN_SUFFIX
from dsops.policy.language.policy import Policy
from dsops.policy.simulate import CaseQuestion, Place, PolicySet, Unread, is_about_roles
from dsops.policy.sources.files import Kind, Known, Levels, PolicyFile

_OF_CALLERS: Final = ("aws:principaltag/", "aws:userid")
_OF_ROLES: Final = ("aws:resourcetag/", "iam:resourcetag/")
_OF_ORGANIZATIONS: Final = ("aws:principalorgid", "aws:principalorgpaths", "aws:resourceorgid", "aws:resourceorgpaths")


class PlanQuestion(NamedTuple):
    """A question, and what is known for it."""

    asked: CaseQuestion
    policies: PolicySet
    unread: tuple[Unread, ...]


class GivenPolicies:
    """What files say, and single policies by the ARN of whose they are."""

    def __init__(
        self, files: Sequence[PolicyFile], trusts: Mapping[str, Policy], identities: Mapping[str, tuple[Policy, ...]]
    ) -> None:
        self._trusts = trusts
        self._identities = identities
        self._accounts = {account: file.name for file in files for account in file.accounts}
        self._organizations = [file.organization for file in files if file.organization is not None]
        self._secrets = {place: policy for file in files for place, policy in file.secrets.items()}
        self._providers = {provider for file in files for provider in file.providers}
        self._people: dict[tuple[str, Kind, str], Known] = {}
        for known in (known for file in files for known in file.people):
            arn = parse_arn(known.arn)
            if arn is not None:
                self._people.setdefault((arn.account, known.kind, arn.resource_name), known)

    def complete(self, asked: CaseQuestion) -> PlanQuestion:
        """The question with policies, tags and ids. Raises EntityNotFound for whom a seed would have and hasn't."""
        question = _Question(asked)
        self._add_caller(question)
        if is_about_roles(asked.action):
            self._add_role(question)
        elif asked.action.startswith("secretsmanager:"):
            self._add_secret(question)
        self._add_organization(question)
        return question.completed()

    def has_secrets(self, account: str) -> bool:
        """Whether a file tells of that account's secrets; one without any may be about users and roles alone."""
        return any(place[0] == account for place in self._secrets)

    def longest_seconds(self, role_arn: str) -> int:
        """How long a session of the role may be; 0 where nobody says."""
        known = self._find("role", parse_arn(role_arn))
        return known.max_seconds if known is not None else 0

    def _find(self, kind: Kind, arn: Arn | None) -> Known | None:
        if arn is None:
            return None
        exact = self._people.get((arn.account, kind, arn.resource_name))
        return exact or self._people.get((ANY_ACCOUNT, kind, arn.resource_name))

    def _add_caller(self, question: _Question) -> None:
        principal = question.asked.principal
        if principal.kind not in ("user", "role-session"):
            self._check_provider(principal.federated)
            if principal.kind == "federated-session":
                question.miss("identity", "the policies of the user who federated are not looked at")
            return
        is_role = principal.kind == "role-session"
        text = principal.issuer_arn if is_role else principal.arn
        known = self._found("role" if is_role else "user", text)
        own = self._identities.get(text, ())
        if known is None:
            if own:
                question.policies["identity"] = (own,)
            else:
                question.miss("identity", f"the policies of {text} are not given")
                question.miss("boundary", f"the permissions boundary of {text} is not given")
            question.miss_keys(_OF_CALLERS, f"the tags of {text} are not given")
            return
        question.policies["identity"] = ((*own, *known.identity),)
        if known.unread_identity:
            question.miss("identity", known.unread_identity)
        if known.boundary is not None:
            question.policies["boundary"] = ((known.boundary,),)
        if known.unread_boundary:
            question.miss("boundary", known.unread_boundary)
        named = principal._replace(unique_id=principal.unique_id or known.unique_id)
        question.asked = question.asked._replace(principal=named)
        question.learn({f"aws:PrincipalTag/{key}": (value,) for key, value in known.tags})

    def _check_provider(self, provider: str) -> None:
        arn = parse_arn(provider)
        file = self._accounts.get(arn.account) if arn is not None else None
        if file and provider not in self._providers:
            raise EntityNotFound(f"there is no {provider}", hint=f"{file} has no such provider in that account")

    def _add_role(self, question: _Question) -> None:
        role = question.asked.resource
        known = self._found("role", role)
        given = self._trusts.get(role)
        if given is not None:
            question.policies["trust"] = ((given,),)
        elif known is None or known.trust is None:
            why = known.unread_trust if known is not None else ""
            question.miss("trust", why or f"the trust policy of {role} is not given")
        else:
            question.policies["trust"] = ((known.trust,),)
        if known is None:
            question.miss_keys(_OF_ROLES, f"the tags of {role} are not given")
        else:
            for prefix in ("aws:ResourceTag", "iam:ResourceTag"):
                question.learn({f"{prefix}/{key}": (value,) for key, value in known.tags})

    def _add_secret(self, question: _Question) -> None:
        """The policy of a secret that is named without the six characters that AWS puts behind its name."""
        arn = parse_arn(question.asked.resource)
        if arn is None or not self.has_secrets(arn.account):
            return
        name = arn.resource.removeprefix("secret:").removesuffix(UNKNOWN_SUFFIX)
        place = (arn.account, arn.region, name)
        if place not in self._secrets:
            file = self._accounts[arn.account]
            raise EntityNotFound(f"there is no secret {name}", hint=f"{file} has none of that name in {arn.region}")
        policy = self._secrets[place]
        if isinstance(policy, str):
            question.miss("resource", policy)
        else:
            question.policies["resource"] = ((policy,),) if policy is not None else ()

    def _found(self, kind: Kind, text: str) -> Known | None:
        """Who has that ARN."""
        arn = parse_arn(text)
        known = self._find(kind, arn)
        file = self._accounts.get(arn.account) if arn is not None else None
        # Of a session's role the path is not always known.
        if known is not None and known.arn in (text, _in_any_account(arn)):
            return known
        if known is not None and file:
            raise EntityNotFound(f"there is no {text}", hint=f"{file} has {known.arn}")
        if file and text not in self._trusts and text not in self._identities:
            raise EntityNotFound(f"there is no {text}", hint=f"{file} has no {kind} of that name in that account")
        return None

    def _add_organization(self, question: _Question) -> None:
        asked = question.asked
        if not self._organizations:
            question.miss_keys(_OF_ORGANIZATIONS, "the organization is not given")
            return
        places: tuple[tuple[Place, str], ...] = (("scp", asked.principal.account), ("rcp", asked.resource_account))
        for place, account in places:
            for organization in self._organizations:
                levels: Levels = (organization.service if place == "scp" else organization.resource).get(account, ())
                if levels:
                    question.policies[place] = levels
        if any(organization.is_there for organization in self._organizations):
            question.miss_keys(_OF_ORGANIZATIONS, "AWS makes up the ids and paths of an organization")


def _in_any_account(arn: Arn | None) -> str:
    return f"arn:aws:iam::{ANY_ACCOUNT}:{arn.resource}" if arn is not None else ""


class _Question:
    """A question while it is being completed."""

    def __init__(self, asked: CaseQuestion) -> None:
        self.asked = asked
        self.policies: dict[Place, tuple[tuple[Policy, ...], ...]] = {}
        self.unread: list[Unread] = []

    def completed(self) -> PlanQuestion:
        return PlanQuestion(self.asked, self.policies, tuple(self.unread))

    def miss(self, place: Place, why: str) -> None:
        """Policies that are not given."""
        self.unread.append(Unread(place, why))

    def miss_keys(self, keys: tuple[str, ...], why: str) -> None:
        """Condition keys whose values are not given."""
        self.unread.append(Unread("context", why, keys))

    def learn(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Keys of the context under those that the request has itself."""
        said = {key.lower() for key in self.asked.context}
        kept = {key: values for key, values in keys.items() if key.lower() not in said}
        self.asked = self.asked._replace(context=kept | dict(self.asked.context))


def assumptions(files: Sequence[PolicyFile], *, has_single: bool) -> Iterator[str]:
    """What is taken for so because no file says otherwise."""
    if not any(file.organization is not None for file in files):
        yield "no service or resource control policies are given, so none are looked at"
    if has_single:
        yield "whoever is given with --identity-policy and in no file has no other policies, and no boundary"
