"""The dialect of Amazon Security Lake: calls in the Open Cybersecurity Schema Framework (OCSF), version 1.1 to 1.x.

Security Lake's source version 2 has a table of CloudTrail's management events, `..._cloud_trail_mgmt_2_0`. Its mapping
of records is https://github.com/ocsf/examples/tree/main/mappings/markdown/AWS/v1.1.0/CloudTrail. Calls that issue
sessions have the class Authentication (3002), changes of IAM Account Change (3001), and all others API Activity (6003);
the fields that the questions read are at the same place in all three. A field without a place in OCSF is in the map
`unmapped`, under its path in the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from dsops.audit.cloudtrail.dialects import ATHENA

_PLACES: Final[Mapping[str, str]] = {
    "eventName": "api.operation",
    "eventSource": "api.service.name",
    # OCSF stores CloudTrail's event category as the feature's name. AWS's published example has a list of all
    # categories there, which gives NULL.
    "eventCategory": "CASE WHEN metadata.product.feature.name NOT LIKE '%,%' THEN metadata.product.feature.name END",
    "errorCode": "api.response.error",
    "eventID": "metadata.uid",
    "sourceIPAddress": "coalesce(src_endpoint.ip, src_endpoint.domain)",
    "userIdentity.type": "actor.user.type",
    "userIdentity.principalId": "actor.user.uid_alt",
    "userIdentity.arn": "actor.user.uid",
    "userIdentity.accountId": "actor.user.account.uid",
    "userIdentity.accessKeyId": "actor.user.credential_uid",
    "userIdentity.invokedBy": "actor.invoked_by",
    "userIdentity.sessionContext.attributes.mfaAuthenticated": "CAST(actor.session.is_mfa AS VARCHAR)",
    "userIdentity.sessionContext.sessionIssuer.arn": "actor.session.issuer",
}
"""The path in a CloudTrail record -> where OCSF has its text."""
_TEXTS: Final[Mapping[str, str]] = {"requestParameters": "api.request.data", "responseElements": "api.response.data"}
"""Fields whose structure depends on the event -> where OCSF has them as JSON text."""
OTHER_VERSION: Final = "this record is not OCSF 1.1 or a later 1.x, but "
"""The text in every engine's error for a record of another version, before the version."""
_MILLISECONDS: Final = (
    "CASE WHEN metadata.version LIKE '1.%' AND metadata.version NOT LIKE '1.0.%' THEN CAST(\"time\" AS VARCHAR)"
    f" ELSE CAST(CAST('{OTHER_VERSION}' || coalesce(metadata.version, 'without version') AS BIGINT) AS VARCHAR) END"
)
"""SQL for the time of a record. The cast of a text fails: the error of every engine then has the text."""


def _field(path: str) -> str:
    first, _, rest = path.partition(".")
    if path == "eventTime":
        return _MILLISECONDS
    if path in _PLACES:
        return _PLACES[path]
    if first in _TEXTS:
        return f"json_extract_scalar({_TEXTS[first]}, '$.{rest}')"
    return f"element_at(unmapped, '{path}')"


OCSF: Final = ATHENA._replace(
    name="ocsf",
    title="Security Lake",
    field=_field,
    time="CAST(date_add('second', CAST(floor(CAST({} AS DOUBLE) / 1000) AS BIGINT), TIMESTAMP '1970-01-01 00:00:00')"
    " AS TIMESTAMP)",
)
"""The SQL of Athena for Security Lake's tables."""


def days_of_lake(begin: str, end: str) -> str:
    """Return an SQL condition that limits the partitions to days (`YYYY-MM-DD`); "" sets no limit."""
    bounds = [f"time_dt >= TIMESTAMP '{begin} 00:00:00'"] if begin else []
    if end:
        bounds.append(f"time_dt < TIMESTAMP '{date.fromisoformat(end) + timedelta(days=1)} 00:00:00'")
    return " AND ".join(bounds)
