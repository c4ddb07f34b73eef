"""What a plan's trial gave -> why it failed: one hop or secret at a time, with what its callers may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from dsops.arn import parse_arn
from dsops.aws.client import Client
from dsops.aws.iam import Iam, list_roles
from dsops.aws.organizations import Organizations
from dsops.aws.secret_policy import SecretsManager, describe_secret, get_resource_policy
from dsops.aws.sts import Identity, get_caller_identity
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, is_aws_host, parse_address, resolve_endpoint
from dsops.errors import DsopsError, EntityNotFound, PolicyInvalid, nearest
from dsops.explain.answer import UNKNOWN_SUFFIX, findings_of
from dsops.explain.attached import PolicyText, Reader
from dsops.explain.causes import About, EditAt
from dsops.explain.finding import Finding, Place, Remedy
from dsops.explain.organization import OrganizationReader
from dsops.explain.questions import Completed, Completer
from dsops.explain.readers import Given, SeveralReaders
from dsops.explain.refused import finding_of, is_policys
from dsops.explain.request import Caller, base_caller, context_of_call, questions, session_caller, unsigned_question
from dsops.explain.said import Said, read_refusal
from dsops.iam.policy import Policy, parse_policy
from dsops.iam.simulate import Asked, Unread, simulate
from dsops.iam.simulate import Place as PolicyPlace
from dsops.plan import Plan, Step
from dsops.startup import NamedTuple


class Evidence(NamedTuple):
    """What an explanation may use besides AWS."""

    given: Given
    trusts: Mapping[str, Policy]
    """Trust policies from files, by the role's ARN."""


class Failure(NamedTuple):
    """Something that did not work."""

    step: Step
    error: DsopsError
    secret: str = ""
    """What was asked for, where a secret was read."""
    region: str = ""


class _Keys(NamedTuple):
    """Credentials that sign calls of the chain, and whose they are."""

    credentials: Credentials
    identity: Identity
    caller: Caller | None


class Investigator:
    """Explains the failures of one plan. `get` gives the credentials of a step, or of a profile's base."""

    def __init__(
        self,
        plan: Plan,
        client: Client,
        sessions: Mapping[str, Credentials],
        bases: Mapping[str, Credentials],
        evidence: Evidence,
        edit_at: EditAt,
    ) -> None:
        self._plan = plan
        self._client = client
        self._sessions = sessions
        self._bases = bases
        self._evidence = evidence
        self._edit_at = edit_at
        self._keys: dict[int, _Keys | None] = {}

    async def explain(self, failure: Failure) -> list[Finding]:
        """Why it failed: the first broken place, and others that would refuse as well."""
        step, error = failure.step, failure.error
        # A read is no hop.
        hop = self._hop(step) if step.operation else 0
        if not is_policys(error):
            return [finding_of(error, step, hop, self._edit_at)]
        said = read_refusal(error.aws.message if error.aws else "")
        chain = await self._chain(step)
        asked = await self._asked(failure, said, chain)
        if isinstance(asked, Finding):
            return [asked]
        readers, completer = self._completer(step, chain)
        findings: list[Finding] = []
        for question, unread in asked:
            about = self._about(question, step, hop)
            try:
                completed = await self._complete(question, unread, chain, readers, completer)
            except EntityNotFound as missing:
                return [await self._missing(missing, about, chain, step)]
            outcome = simulate(completed.asked, completed.policies, completed.unread, self._now(step))
            exact = _is_exact(chain, completed)
            about = about._replace(request=outcome.decision.request, is_role_exact=exact)
            found = findings_of(outcome, said, about, error)
            if found and found[0].certainty == "proven":
                return found
            findings = findings or found
        return findings or [finding_of(error, step, hop, self._edit_at)]

    # --- who calls, and who may read ------------------------------------------------------------------------

    def _hop(self, step: Step) -> int:
        below = self._plan.steps.get(step.credentials_from)
        own = 1 if step.operation else 0
        return own + self._hop(below) if below is not None else own

    async def _chain(self, step: Step) -> list[_Keys]:
        """Those who sign the calls before and of that step, the base credentials first."""
        below = self._plan.steps.get(step.credentials_from)
        if below is None:
            credentials = self._bases.get(step.profile)
            if credentials is None:
                return []
            keys = await self._keys_of(credentials, step, None, None)
            return [keys] if keys is not None else []
        chain = await self._chain(below)
        session = self._sessions.get(below.name)
        if session is None:
            return chain
        # What a token opened inherits nothing from the base credentials, which may only read here.
        before = chain[-1].caller if chain and below.proof is None else None
        keys = await self._keys_of(session, step, below, before)
        return [*chain, keys] if keys is not None else chain

    async def _keys_of(
        self, credentials: Credentials, step: Step, issuer: Step | None, before: Caller | None
    ) -> _Keys | None:
        """Whose those are, asked of STS once; None when it does not say."""
        if id(credentials) not in self._keys:
            self._keys[id(credentials)] = None
            try:
                identity = await get_caller_identity(self._client, credentials, self._endpoint(step, "sts"))
            except DsopsError:
                return None
            if issuer is None:
                caller = base_caller(identity, is_temporary=credentials.is_temporary)
            else:
                caller = session_caller(issuer, identity, before)
            self._keys[id(credentials)] = _Keys(credentials, identity, caller)
        return self._keys[id(credentials)]

    def _endpoint(self, step: Step, service: str, region: str = "") -> Endpoint:
        """Where that service is for the step; a store's own address of a stand-in for AWS is that of all services."""
        url = str(step.settings.get("endpoint_url", ""))
        address = parse_address(url) if url else None
        own = url if address is not None and not is_aws_host(address.host) else ""
        environ = {**self._client.runtime.environ, **dict(step.endpoints)}
        return resolve_endpoint(service, region or step.region or "us-east-1", environ, endpoint_url=own)

    def _now(self, step: Step) -> datetime:
        """The time by AWS's clock, where that is known to differ from this machine's."""
        skew = self._client.skew_seconds(self._endpoint(step, "sts"))
        return self._client.runtime.now() + timedelta(seconds=skew)

    # --- what is asked --------------------------------------------------------------------------------------

    async def _asked(
        self, failure: Failure, said: Said, chain: Sequence[_Keys]
    ) -> list[tuple[Asked, tuple[Unread, ...]]] | Finding:
        """The questions that AWS has put to policies; a finding where there is none to put."""
        step, region = failure.step, failure.region or failure.step.region
        if step.proof is not None and not failure.secret:
            question = unsigned_question(step, region)
            return [question] if question is not None else _of_trust(failure, self._hop(step), self._edit_at)
        caller = chain[-1].caller if chain else None
        if caller is None:
            return _unknown(failure, self._hop(step), self._edit_at)
        if step.operation == "AssumeRole" and not failure.secret:
            asked = questions(step, caller, region)
            # The one that AWS names is the one that it refused.
            asked.sort(key=lambda each: each[0].action.lower() != said.action.lower())
            return asked[:1] if said.action else asked
        return await self._question_of_read(failure, said, caller, chain)

    async def _question_of_read(
        self, failure: Failure, said: Said, caller: Caller, chain: Sequence[_Keys]
    ) -> list[tuple[Asked, tuple[Unread, ...]]] | Finding:
        """The call that AWS names, by the caller that it names."""
        step, region = failure.step, failure.region or failure.step.region
        resource = said.resource or "*"
        if failure.secret and step.type == "aws.secretsmanager":
            found = await self._secret_arn(failure, region, chain)
            if isinstance(found, Finding):
                return found
            resource = found
        arn = parse_arn(resource)
        account = arn.account if arn is not None and arn.account else caller.principal.account
        action = said.action or ("secretsmanager:GetSecretValue" if failure.secret else f"sts:{step.operation}")
        asked = Asked(caller.principal, action, resource, account, context_of_call(caller, region))
        return [(asked, caller.unread)]

    async def _secret_arn(self, failure: Failure, region: str, chain: Sequence[_Keys]) -> str | Finding:
        """The secret's whole ARN; with question marks at its end where nobody may look it up."""
        step, secret = failure.step, failure.secret
        identity = chain[-1].identity
        named = parse_arn(secret)
        account = named.account if named is not None else identity.account
        for keys in reversed(chain):
            if keys.identity.account != account and named is None:
                continue
            api = SecretsManager(self._client, keys.credentials, self._endpoint(step, "secretsmanager", region))
            for look in (_described, _with_policy):
                try:
                    return await look(api, secret)
                except EntityNotFound as missing:
                    place = Place(step.name, 0, "", secret, "", 0, "", 0)
                    text = "check name and region; a secret of another account needs its whole ARN"
                    message = f"there is no secret `{secret}` in {region} of account {account}"
                    remedy = Remedy(text, failure.error.where)
                    return Finding("secret-missing", "proven", message, place, remedy=remedy, aws=missing.aws)
                except DsopsError:
                    continue
        if named is not None:
            is_whole = len(secret.rpartition("-")[2]) == len(UNKNOWN_SUFFIX) - 1 and "-" in named.resource
            return secret if is_whole else f"{secret}{UNKNOWN_SUFFIX}"
        partition = identity.arn.split(":")[1]
        return f"arn:{partition}:secretsmanager:{region}:{account}:secret:{secret}{UNKNOWN_SUFFIX}"

    # --- reading --------------------------------------------------------------------------------------------

    def _completer(
        self, step: Step, chain: Sequence[_Keys]
    ) -> tuple[Mapping[str, SeveralReaders], Completer]:
        """Readers by account: the latest session first, it is the nearest to what was refused."""
        by_account: dict[str, list[_Keys]] = {}
        for keys in reversed(chain):
            by_account.setdefault(keys.identity.account, []).append(keys)
        accounts = {*by_account, *(account for account, _, _ in self._evidence.given)}
        readers = {
            account: SeveralReaders(
                account, [Reader(self._iam(step, keys)) for keys in by_account.get(account, ())], self._evidence.given
            )
            for account in sorted(accounts)
        }
        organizations = {account: self._organizations(step, all_keys[0]) for account, all_keys in by_account.items()}

        def secrets(account: str, region: str) -> SecretsManager | None:
            # Another account's secret may be read about by whom its policy lets.
            found = by_account.get(account) or list(reversed(chain))
            endpoint = self._endpoint(step, "secretsmanager", region)
            return SecretsManager(self._client, found[0].credentials, endpoint) if found else None

        completer = Completer(readers, OrganizationReader(organizations, organizations.get), secrets)
        return readers, completer

    def _iam(self, step: Step, keys: _Keys) -> Iam:
        return Iam(self._client, keys.credentials, self._endpoint(step, "iam"))

    def _organizations(self, step: Step, keys: _Keys) -> Organizations:
        return Organizations(self._client, keys.credentials, self._endpoint(step, "organizations"))

    async def _complete(
        self,
        asked: Asked,
        unread: tuple[Unread, ...],
        chain: Sequence[_Keys],
        readers: Mapping[str, SeveralReaders],
        completer: Completer,
    ) -> Completed:
        """The question with everything that can be read; what goes wrong on the way is not read, and says so."""
        given: dict[PolicyPlace, tuple[tuple[Policy, ...], ...]] = {}
        trust = self._evidence.trusts.get(asked.resource)
        if trust is not None:
            given["trust"] = ((trust,),)
        more = [*unread]
        if asked.resource.endswith(UNKNOWN_SUFFIX):
            given["resource"] = ()
            more.append(Unread("resource", "the caller may not look up the secret's whole ARN"))
        caller = chain[-1].caller if chain else None
        issuer = self._plan.steps.get(caller.step) if caller is not None else None
        if issuer is not None and asked.principal.account:
            layer, missing = await self._session_layer(issuer, readers.get(asked.principal.account))
            given["session"] = (layer,) if layer else ()
            more += missing
        try:
            completed = await completer.complete(asked, given)
        except EntityNotFound:
            raise
        except DsopsError as error:
            places: tuple[PolicyPlace, ...] = ("trust", "identity", "boundary", "scp", "rcp")
            left = [place for place in places if place not in given]
            completed = Completed(asked, given, tuple(Unread(place, error.message) for place in left))
        completed = completed._replace(unread=(*completed.unread, *more))
        return completed if _is_exact(chain, completed) else _without_path(completed)

    async def _session_layer(
        self, issuer: Step, readers: SeveralReaders | None
    ) -> tuple[tuple[Policy, ...], list[Unread]]:
        """The session policies that the caller's own session was given."""
        found: list[Policy] = []
        missing: list[Unread] = []
        text = issuer.settings.get("session_policy")
        if isinstance(text, str) and text:
            name = f"`session_policy` of store `{issuer.name}`"
            found.append(parse_policy(text, "session", name=name))
        arns = issuer.settings.get("policy_arns", ())
        for arn in arns if isinstance(arns, tuple) else ():
            read = await readers.managed(str(arn)) if readers is not None else "no keys here may read it"
            if isinstance(read, PolicyText):
                try:
                    found.append(parse_policy(read.text, "session", name=read.name))
                    continue
                except PolicyInvalid as error:
                    read = error.message
            missing.append(Unread("session", f"{arn}: {read}"))
        return tuple(found), missing

    # --- a role that is not there ---------------------------------------------------------------------------

    async def _missing(
        self, missing: EntityNotFound, about: About, chain: Sequence[_Keys], step: Step
    ) -> Finding:
        """A role that does not exist, and the one that was probably meant."""
        arn = about.request.resource
        if ":secret:" in arn:
            place = Place(step.name, 0, "", arn, "", 0, "", 0)
            remedy = Remedy(missing.hint or "check the secret's ARN")
            return Finding("secret-missing", "proven", f"there is no {arn}", place, remedy=remedy, aws=missing.aws)
        account = about.request.resource_account
        names: list[str] = []
        for keys in chain:
            if keys.identity.account == account and not names:
                try:
                    names = await list_roles(self._iam(step, keys))
                except DsopsError:
                    continue
        by_name = {each.rpartition("/")[2]: each for each in names}
        meant = by_name.get(nearest(arn.rpartition("/")[2], by_name), "")
        text = f"did you mean {meant}?" if meant else missing.hint or "check the role's name, path and account"
        remedy = Remedy(text, self._edit_at(step.name, "role_arn"))
        place = Place(step.name, about.hop, "", arn, "", 0, "", 0)
        return Finding("role-missing", "proven", f"there is no {arn}", place, remedy=remedy, aws=missing.aws)

    def _about(self, asked: Asked, step: Step, hop: int) -> About:
        from dsops.iam.question import Request

        request = Request(asked.principal, asked.action, asked.resource, asked.resource_account, asked.context)
        return About(request, step, hop, self._edit_at)


def _is_exact(chain: Sequence[_Keys], completed: Completed) -> bool:
    """Whether the caller's ARN is known with its path: from the configuration, or because IAM told it."""
    caller = chain[-1].caller if chain else None
    if caller is None or caller.is_role_exact or completed.asked.principal.kind != "role-session":
        return True
    return not any("aws:userid" in each.keys for each in completed.unread)


def _without_path(completed: Completed) -> Completed:
    """A role of IAM Identity Center, for one, has a path that its sessions don't tell."""
    asked = completed.asked._replace(context={**completed.asked.context, "aws:PrincipalArn": ()})
    unread = Unread("context", "the path of the caller's role is not known", ("aws:principalarn",))
    return completed._replace(asked=asked, unread=(*completed.unread, unread))


async def _described(api: SecretsManager, secret: str) -> str:
    return (await describe_secret(api, secret)).arn


async def _with_policy(api: SecretsManager, secret: str) -> str:
    """The ARN that comes with the secret's policy, which somebody may read who may not describe it."""
    return (await get_resource_policy(api, secret)).arn


def _of_trust(failure: Failure, hop: int, edit_at: EditAt) -> Finding:
    """A token or an assertion of a provider that is not known here: only a trust policy lets those in, or not."""
    found = finding_of(failure.error, failure.step, hop, edit_at)
    place = found.place._replace(policy_type="role trust policy", of=failure.step.role)
    return found._replace(cause="trust-policy", certainty="likely", place=place)


def _unknown(failure: Failure, hop: int, edit_at: EditAt) -> Finding:
    """A refusal of which nothing can be read."""
    found = finding_of(failure.error, failure.step, hop, edit_at)
    return found._replace(cause="not-read", certainty="missing")
