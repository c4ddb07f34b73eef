"""Fetches AWS's details of a denied request by its authorization id, with the credentials of the chain of sessions.

Source: IAM User Guide, "Troubleshoot access denied error messages with authorization ID (Preview)". The account of
the denied request, or its organization, fetches the details in the region of the request. They may become available
some seconds after the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dsops.arn import parse_arn, partition_of_region
from dsops.aws.apis.iam_toolbox import (
    AuthorizationDetails,
    IamToolbox,
    get_request_authorization_details,
    get_request_authorization_policy,
)
from dsops.endpoint import GLOBAL_REGION
from dsops.errors import AccessDenied, EntityNotFound
from dsops.explain.evidence.recorded import Recorded, read_record, refused_evaluation
from dsops.explain.finding import Fact
from dsops.explain.questions.chain import ChainKeys, Chains
from dsops.explain.questions.sentence import RefusalMessage
from dsops.plan import Step
from dsops.tasks import pause, settle

_PAUSES: Final = (0.5, 1.0, 2.0)
"""Pauses in seconds between attempts. On AWS, a third attempt found a record that two attempts had not found."""
_AT_ONCE: Final = 10
_MOST_POLICIES: Final = 200
_PERMISSION: Final = "iam:GetRequestAuthorizationDetails"


class RecordReader:
    """Reads the authorization details of one plan's denied requests."""

    def __init__(self, chains: Chains, pauses: Sequence[float] = _PAUSES) -> None:
        self._chains = chains
        self._pauses = pauses
        self._managed: dict[str, str] = {}
        """Policy documents by ARN. They are cached because many refusals in one run involve the same policies."""

    async def read(
        self, refusal: RefusalMessage, step: Step, chain: Sequence[ChainKeys], *, is_fresh: bool
    ) -> Recorded | Fact:
        """Return the record, or a Fact that says why it is missing.

        Retries, because a new record may not be available yet.
        """
        account = _account(refusal, chain)
        latest_first = chain[::-1]
        askers = sorted(latest_first, key=lambda chain_keys: chain_keys.identity.account != account)
        why, denied = "no keys here can ask for it", ""
        for seconds in (0.0, *(self._pauses if is_fresh else ())):
            if seconds:
                await pause(seconds)
            late = []
            for keys in askers:
                api = self._api(refusal, step, keys)
                (details,) = await settle(get_request_authorization_details(api, refusal.authorization_id))
                if isinstance(details, AuthorizationDetails):
                    return await self._recorded(details, refusal, api) or _missing(refusal, chain, _OTHER_FORM)
                why = details.message
                if isinstance(details, AccessDenied):
                    denied = f"not allowed to {_PERMISSION}"
                elif isinstance(details, EntityNotFound):
                    why = "AWS has no such record for the keys here, or none any more"
                    late.append(keys)
            # A new record can be read only by the refused account at first, and later perhaps also by its organization.
            askers = [keys for keys in late if keys.identity.account == account]
            if not askers:
                break
        return _missing(refusal, chain, denied or why)

    def _api(self, refusal: RefusalMessage, step: Step, keys: ChainKeys) -> IamToolbox:
        region = step.region if step.region not in ("", GLOBAL_REGION) else "us-east-1"
        arn = parse_arn(keys.identity.arn)
        if refusal.region and arn is not None and partition_of_region(refusal.region).name == arn.partition:
            # An attacker may have written the message: a signed request must not go to another partition than that of
            # the keys.
            region = refusal.region
        return IamToolbox(self._chains.client, keys.credentials, self._chains.endpoint(step, "iam-toolbox", region))

    async def _recorded(
        self, details: AuthorizationDetails, refusal: RefusalMessage, api: IamToolbox
    ) -> Recorded | None:
        evaluation = refused_evaluation(details, refusal.action)
        if evaluation is None:
            return None
        uris = list(dict.fromkeys(result.uri for result in details.policies if result.uri))[:_MOST_POLICIES]
        documents = {uri: self._managed[uri] for uri in uris if uri in self._managed}
        missing_uris = [uri for uri in uris if uri not in documents]
        for start in range(0, len(missing_uris), _AT_ONCE):
            part = missing_uris[start : start + _AT_ONCE]
            results = await settle(
                *[get_request_authorization_policy(api, refusal.authorization_id, uri) for uri in part]
            )
            documents |= {uri: text for uri, text in zip(part, results, strict=True) if isinstance(text, str)}
            if all(isinstance(result, AccessDenied) for result in results):
                break  # one permission is needed for all policies, so further requests would fail, too
        self._managed |= {uri: text for uri, text in documents.items() if uri.startswith("arn:")}
        return read_record(details, evaluation, documents, refusal)


_OTHER_FORM: Final = "AWS's record says of nothing that it was refused"


def _account(refusal: RefusalMessage, chain: Sequence[ChainKeys]) -> str:
    """Return the account whose request was refused.

    This is the caller's account in AWS's message. If the message has no caller, it is the account of the credentials
    that signed the call.
    """
    caller = parse_arn(refusal.caller)
    if caller is not None:
        return caller.account
    return chain[-1].identity.account if chain else ""


def _missing(refusal: RefusalMessage, chain: Sequence[ChainKeys], why: str) -> Fact:
    account = _account(refusal, chain)
    whose = f"account {account} or its organization" if account else "the account that was refused"
    link = f", who may also open {refusal.link}," if refusal.link else ""
    region = f" --region {refusal.region}" if refusal.region else ""
    return Fact(
        f"AWS's own record of the refusal, {refusal.authorization_id}",
        why,
        f"a caller with {_PERMISSION} in {whose}{link}",
        f"aws iam-toolbox get-request-authorization-details{region} --authorization-id {refusal.authorization_id}",
    )
