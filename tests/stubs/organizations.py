"""Organizations on loopback, read-only: a tree of units and accounts with control policies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.stubs.aws import json_answer, json_error
from tests.stubs.server import Answer, Seen

Document = Mapping[str, Any]  # a policy, as `json.dumps` takes it
ID = "o-exampleorg1"
ROOT = "r-root"
TYPES = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")
FULL: Mapping[str, Document] = {
    "p-FullAWSAccess": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
}


class StubOrganizations:
    """The organization of its caller; `parents` maps each account or unit to its parent."""

    def __init__(
        self,
        *,
        parents: Mapping[str, str],
        policies: Mapping[str, Mapping[str, Document]] | None = None,
        resource_policies: Mapping[str, Mapping[str, Document]] | None = None,
        management: str = "999999999999",
        enabled: Sequence[str] = TYPES,
        feature_set: str = "ALL",
        denied: Sequence[str] = (),
    ) -> None:
        self._parents = parents
        self._attached = {TYPES[0]: policies or {}, TYPES[1]: resource_policies or {}}
        self._management = management
        self._enabled = enabled
        self._feature_set = feature_set
        self._denied = denied
        self.calls: list[str] = []

    def __call__(self, seen: Seen) -> Answer:
        """The answer to one request."""
        target, _, action = seen.header("X-Amz-Target").partition(".")
        assert target == "AWSOrganizationsV20161128"
        request_parameters = json.loads(seen.body)
        self.calls.append(" ".join([action, *request_parameters.values()]).strip())
        if action in self._denied:
            return json_error("AccessDeniedException", "You don't have permissions to access this resource.")
        answers = {
            "DescribeOrganization": self._organization,
            "ListRoots": self._roots,
            "ListParents": self._parents_of,
            "ListPoliciesForTarget": self._page,
            "DescribePolicy": self._policy,
        }
        return answers[action](request_parameters)

    def _organization(self, _: Mapping[str, str]) -> Answer:
        organization = {"Id": ID, "MasterAccountId": self._management, "FeatureSet": self._feature_set}
        return json_answer({"Organization": organization})

    def _roots(self, _: Mapping[str, str]) -> Answer:
        types = [{"Type": entry, "Status": "ENABLED"} for entry in self._enabled]
        return json_answer({"Roots": [{"Id": ROOT, "PolicyTypes": types}]})

    def _parents_of(self, asked: Mapping[str, str]) -> Answer:
        parent = self._parents.get(asked["ChildId"])
        if parent is None:
            return json_error("ChildNotFoundException", "You specified a child that does not exist.")
        kind = "ROOT" if parent == ROOT else "ORGANIZATIONAL_UNIT"
        return json_answer({"Parents": [{"Id": parent, "Type": kind}]})

    def _policy(self, asked: Mapping[str, str]) -> Answer:
        return json_answer({"Policy": {"Content": json.dumps(self._documents()[asked["PolicyId"]])}})

    def _page(self, asked: Mapping[str, str]) -> Answer:
        """One policy per page."""
        names = list(self._attached[asked["Filter"]].get(asked["TargetId"], {}))
        start = int(asked.get("NextToken", "0"))
        page_names = names[start : start + 1]
        policies = [{"Id": name, "Arn": f"arn:aws:organizations::aws:policy/{name}"} for name in page_names]
        more = {"NextToken": str(start + 1)} if start + 1 < len(names) else {}
        return json_answer({"Policies": policies, **more})

    def _documents(self) -> Mapping[str, Document]:
        return {
            name: document
            for targets in self._attached.values()
            for attached in targets.values()
            for name, document in attached.items()
        }
