"""Unusual records found in years of real logs, and how each of them has to be counted."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any, Final

from tests.cloudtrail.columns import spoken
from tests.cloudtrail.desk import Desk
from tests.cloudtrail.facts import Actor, Issue, Json
from tests.cloudtrail.records import DEFAULT_ADDRESS, encode, record

GARBAGE: Final[tuple[Any, ...]] = (
    None,
    42,
    "a text",
    ["a", {"list": True}],
    {},
    True,
    {"eventName": "NoTime"},
    {"eventTime": "2026-10-05T10:00:00Z"},
    {"eventTime": "yesterday", "eventName": "AssumeRole", "eventSource": "sts.amazonaws.com", "eventID": "never"},
    {"eventTime": None, "eventName": "GetObject"},
    {"eventTime": "", "eventName": "GetObject"},
    {"eventTime": "2026-10-05T10:00:00Z", "eventName": None, "eventSource": "sts.amazonaws.com"},
    {"eventTime": "2026-13-45T99:00:00Z", "eventName": "GetObject"},
    {"Records": [{"eventTime": "2026-10-05T10:00:00Z", "eventName": "Nested", "eventSource": "sts.amazonaws.com"}]},
)
MOST: Final = 6
"""The maximum number of calls of one oddity."""


class Oddities:
    """Each method makes records of one kind, and updates the tally as the definition counts them."""

    def __init__(self, desk: Desk, chance: random.Random, moment: Callable[[], int]) -> None:
        self.desk = desk
        self.chance = chance
        self.moment = moment
        self.account = desk.company.accounts["production"]
        self._kinds = (
            self.garbage,
            self.without_source,
            self.without_identity,
            self.old_version,
            self.other_service,
            self.other_forms,
            self.texts_for_trees,
            self.two_times,
            self.without_id,
            self.without_issuer,
            self.early_use,
            self.odd_name,
            self.refused_and_given,
            self.outside_with_arn,
        )

    def all(self) -> None:
        """Make every oddity once."""
        for kind in self._kinds:
            kind()

    def one(self) -> None:
        """Make one random oddity."""
        self.chance.choice(self._kinds)()

    def put(self, category: str, service: str, name: str, identity: Json | None, **more: Any) -> int:
        """Add a record and count it as an ordinary call; returns its time."""
        time = self.moment()
        made = record(
            time,
            f"{service}.amazonaws.com",
            name,
            identity,
            **{"eventID": self.desk.new_id(), "recipientAccountId": self.account, **more},
        )
        self.desk.tally.call(time, category, service)
        self.desk.put(self.account, "eu-west-1", time, encode(made))
        return time

    def user(self) -> Actor:
        """A user with a long-term key."""
        return self.chance.choice(self.desk.company.users)

    def garbage(self) -> None:
        """Make elements that are not records."""
        for element in self.chance.sample(GARBAGE, 3):
            self.desk.files.add(self.account, "eu-west-1", self.moment(), encode(element), is_record=False)

    def without_source(self) -> None:
        """Make calls without a service."""
        self.put("Management", "", "Something", self.user().identity, eventSource=...)
        self.put("Management", "", "Something", self.user().identity, eventSource=None)

    def without_identity(self) -> None:
        """Make repeated denials without a caller identity."""
        for number in range(3):
            identity: Any = (None, ..., "root")[number]  # a string in place of an object
            time = self.put("Management", "s3", "ListBuckets", identity, errorCode="AccessDenied", errorMessage="no")
            self.desk.tally.refuse(time, ("unknown", "s3", "ListBuckets", ""), "AccessDenied")

    def old_version(self) -> None:
        """Make records of an old version, which have no category."""
        old = {"eventVersion": "1.02", "eventCategory": ..., "tlsDetails": ..., "readOnly": ...}
        self.put("Management", "ec2", "RunInstances", self.user().identity, managementEvent=..., **old)
        self.put("Data", "s3", "GetObject", self.user().identity, managementEvent=False, **old)
        self.put("Management", "s3", "ListBuckets", self.user().identity, managementEvent=None, **old)

    def other_service(self) -> None:
        """Make calls with unknown services and categories."""
        self.put(
            "NetworkActivity",
            "quantum-notary",
            "Notarize",
            self.user().identity,
            eventCategory="NetworkActivity",
            eventVersion="9.99",
            eventType="AwsVpceEvent",
            vpcEndpointId="vpce-1",
        )
        self.put("Management", "example.com", "Log<in>", self.user().identity, eventSource="example.com")
        self.put("Management", "not.sts", "AssumeRole", self.user().identity)

    def other_forms(self) -> None:
        """Make calls with additional, deeply nested fields and large numbers."""
        deep: Any = 1  # nested to any depth
        for _ in range(40):
            deep = {"deeper": [deep]}
        more = {
            "addendum": {"reason": "DELIVERY_DELAY", "updatedFields": "x"},
            "edgeDeviceDetails": deep,
            "eventVersion": 1.11,
            "serviceEventDetails": {"n": 10**30, "x": 1e-300},
            "Records": [1, 2],
        }
        self.put("Management", "ec2", "RunInstances", self.user().identity, **more)

    def texts_for_trees(self) -> None:
        """Make a call for credentials whose other fields are strings, so only its success is counted."""
        actor = self.user()
        arguments: dict[str, Any] = {"without": "parameters"}
        self.desk.issue(
            actor,
            self.moment(),
            "AssumeRole",
            self.desk.company.role_of("shared", "Deploy"),
            **arguments,
            code="ValidationError",
        )
        self.put(
            "Management",
            "ec2",
            "RunInstances",
            actor.identity,
            requestParameters="too large",
            responseElements=["a", 1],
            resources="none",
            additionalEventData=7,
        )

    def two_times(self) -> None:
        """Record one call with two times: the earlier time counts."""
        time = self.moment() - 5
        made = record(
            time,
            "kms.amazonaws.com",
            "Encrypt",
            self.user().identity,
            eventID=self.desk.new_id(),
            recipientAccountId=self.account,
        )
        later = {**made, "eventTime": spoken(time + 5), "eventCategory": "Data", "eventSource": "never.amazonaws.com"}
        self.desk.tally.call(time, "Management", "kms")
        for one in (later, made, later):
            self.desk.put(self.account, "us-east-1", time, encode(one))

    def without_id(self) -> None:
        """Make two equal records without event id, which count as two calls."""
        time = self.moment()
        made = record(
            time, "sqs.amazonaws.com", "ListQueues", self.user().identity, eventID=None, recipientAccountId=self.account
        )
        for _ in range(2):
            self.desk.tally.call(time, "Management", "sqs")
            self.desk.files.add(self.account, "eu-west-1", time, encode(made), is_single=True)

    def without_issuer(self) -> None:
        """Use a session without session issuer, which is named by its role, without the path."""
        standing = self.chance.choice(self.desk.company.standing)
        identity = copy.deepcopy(standing.identity)
        del identity["sessionContext"]
        role = identity["arn"].split("/")[1]
        actor = Actor(f"arn:aws:iam::{standing.account}:role/{role}", standing.account, identity, standing.twin)
        self.desk.issue(
            actor, self.moment(), "AssumeRole", self.desk.company.role_of("data", "ReadOnly"), session_name="x"
        )

    def refused_and_given(self) -> None:
        """Make a refused call with an answer, which does not count as a session."""
        actor, role = self.user(), self.desk.company.role_of("data", "Deploy")
        request_asked = {"roleArn": role.arn, "roleSessionName": "both"}
        given = {"credentials": {"accessKeyId": self.desk.new_key(), "expiration": "Oct 31, 2026, 11:00:00 PM"}}
        time = self.put(
            "Management",
            "sts",
            "AssumeRole",
            actor.identity,
            requestParameters=request_asked,
            responseElements=given,
            errorCode="AccessDenied",
        )
        self.desk.tally.issue(
            Issue(
                time=time,
                name="AssumeRole",
                role=role.arn,
                principal=actor.principal,
                from_account=actor.account,
                to_account=role.account,
                code="AccessDenied",
                is_user=True,
                address=DEFAULT_ADDRESS,
            )
        )
        self.desk.tally.refuse(time, (actor.principal, "sts", "AssumeRole", role.arn), "AccessDenied")

    def outside_with_arn(self) -> None:
        """Make a call by a web identity or SAML user, who is named by the provider's name, whatever else is known."""
        for kind, name in (("WebIdentityUser", "AssumeRoleWithWebIdentity"), ("SAMLUser", "AssumeRoleWithSAML")):
            identity = {
                "type": kind,
                "principalId": f"provider:{kind}",
                "arn": "arn:aws:iam::1:user/x",
                "userName": "never",
            }
            self.desk.issue(
                Actor(f"provider:{kind}", "", identity),
                self.moment(),
                name,
                self.desk.company.role_of("data", "Deploy"),
                session_name="outside",
            )

    def early_use(self) -> None:
        """Use a session before its issue time (clock skew)."""
        time = self.moment()
        role = self.desk.company.role_of("data", "Probe")
        acting = self.desk.issue(self.user(), time, "AssumeRole", role, session_name="early", asked=3600)
        if acting is not None and acting.session is not None:
            acting.session.use(time - 3)
            made = record(
                time - 3,
                "sns.amazonaws.com",
                "ListTopics",
                acting.identity,
                eventID=self.desk.new_id(),
                recipientAccountId=role.account,
            )
            self.desk.tally.call(time - 3, "Management", "sns")
            self.desk.put(role.account, "eu-west-1", time - 3, encode(made))

    def odd_name(self) -> None:
        """Make a call whose name and error contain HTML."""
        name = '<img src=x onerror="alert(1)">'
        actor = self.user()
        for _ in range(3):
            time = self.put(
                "Management",
                "iam",
                name,
                actor.identity,
                errorCode="AccessDenied\n\u2028<b>",
                userAgent='"><script>alert(1)</script>\x07\U0001f480',
                errorMessage="\\\"'`\n\t",
            )
            self.desk.tally.refuse(time, (actor.principal, "iam", name, ""), "AccessDenied\n\u2028<b>")
