"""Load the policies of a guard: files, and the two built-in policies `read-only` and `auto`.

All policies together are one set, as the session policies of one AssumeRole call are: one of them must allow a
request, and none may deny it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from dsops.errors import PolicyInvalid, Problem, Where
from dsops.policy import LimitingPolicies, Policy, ReadFile, check_policy, lint, parse_policy, parse_policy_text
from dsops.service_reference import ServiceReference

READ_ONLY: Final = "read-only"
AUTO: Final = "auto"

_EVERYTHING: Final = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
_READ_LEVELS: Final = frozenset(("Read", "List"))
_READS_SECRETS: Final = re.compile(
    r"(?!list|describe).*(?:accessdetails|accesskeys|apikey|authtoken|authorizationtoken|bearertoken|chattoken"
    r"|connectiontoken|credentials|dataaccess\Z|embedurl|environmenttoken|externalaccountbinding|federationtoken"
    r"|oauth2token|openidtoken|password(?!policy)|paymenttoken|presignedurl|revealsecrets|secretvalue|sessiontoken"
    r"|streamingsessionurl|accesstoken)"
    r"|get(?:keypairs?|token|relationaldatabasemasteruserpassword|federationtoken)\Z"
)
"""Actions (without their service, in lower case) that return credentials or values of secrets."""
_NOT_READ_ONLY: Final = frozenset(
    """
    ssm:getparameter ssm:getparameterhistory ssm:getparameters ssm:getparametersbypath
    """.split()
)
"""More such actions. Values in Parameter Store are often secrets."""


def load_policies(
    arguments: Sequence[str],
    read_file: ReadFile,
    reference: ServiceReference,
    documents: Mapping[str, str] | None = None,
) -> LimitingPolicies:
    """Return the policies that the arguments name, as one set.

    An argument is the name of a policy file (JSON or YAML), `read-only`, or the name of one of the `documents`, which
    are policies as JSON text, such as `auto`. Raises PolicyInvalid with the problems of all files, PolicyUnreadable.
    """
    given = documents or {}
    policies: list[Policy] = []
    problems: list[Problem] = []
    for argument in arguments:
        if argument == READ_ONLY:
            policies.append(read_only(reference))
        elif argument in given:
            policies.append(parse_policy(given[argument], "session", name=argument))
        else:
            policy, found = _of_file(argument, read_file(argument), reference)
            problems += found
            policies += [] if policy is None else [policy]
    if problems:
        raise PolicyInvalid(
            "the guard's policy can't be used, so nothing was started",
            where=Where(problems[0].where.file, problems[0].where.line),
            problems=tuple(problems),
        )
    return LimitingPolicies(policies)


def _of_file(file: str, text: str, reference: ServiceReference) -> tuple[Policy | None, Iterable[Problem]]:
    """Return the policy of a file, or all errors: what AWS refuses, and what the linter calls an error."""
    document = parse_policy_text(text, file)
    checked = check_policy(document, "session", name=file, file=file)
    if checked.policy is None:
        return None, checked.problems
    report = lint(document, len(text), "session", reference=reference)
    errors = [finding for finding in report.findings if finding.severity == "error"]
    return checked.policy, [
        Problem(Where(file, finding.line), finding.path, finding.message, finding.hint) for finding in errors
    ]


def read_only(reference: ServiceReference) -> Policy:
    """Return the policy that allows the actions whose access level is Read or List, on all resources.

    Like AWS's ReadOnlyAccess, it allows neither sts:AssumeRole nor kms:Decrypt, nor reading the values of secrets. It
    also leaves out the values of parameters and all actions that return credentials.
    """
    policy = parse_policy(_EVERYTHING, "session", name=READ_ONLY)
    statement = policy.statements[0]
    actions = statement.actions._replace(written=(READ_ONLY,), matches=_read_only_test(reference))
    return policy._replace(statements=(statement._replace(sid="ReadOnly", actions=actions),))


def _read_only_test(reference: ServiceReference) -> Callable[[str], bool]:
    @lru_cache(maxsize=4096)
    def is_read(action: str) -> bool:
        prefix, _, name = action.partition(":")
        if action in _NOT_READ_ONLY or _READS_SECRETS.match(name):
            return False
        return reference.access_level(prefix, name) in _READ_LEVELS

    return is_read
