"""Replace the parts of resources and condition values that change from run to run by wildcards.

In a generalised text, ANY_RUN stands for `*` and ANY_ONE for `?`; all other characters are literal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Literal, get_args

from dsops.arn import parse_arn
from dsops.recording.call import ANY_ONE, ANY_RUN
from dsops.recording.permissions import REGION_KEY, KeyCondition, NeededPermission

Generalise = Literal["none", "names", "accounts"]
"""What wildcards may replace. `names`: random names and the keys of objects; `accounts`: also accounts and regions."""

LEVELS: tuple[Generalise, ...] = get_args(Generalise)

_MOST_AT_TOP = 10
"""So many objects directly in a bucket are generalised to all objects of the bucket."""
_MOST_FOLDERS = 3
"""So many sibling folders with objects are generalised to their parent folder."""

_EDGE, _END = "(?<![0-9A-Za-z])", "(?![0-9A-Za-z])"
_RANDOM = re.compile(
    "|".join(
        (
            rf"{_EDGE}[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}{_END}",  # UUID
            rf"{_EDGE}[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:T[0-9:.]+Z?)?{_END}",  # date or time
            rf"{_EDGE}[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}(?:/[0-9]{{2}})?{_END}",  # folders of dates
            rf"{_EDGE}[0-9]{{8}}T[0-9]{{6}}Z?{_END}",
            rf"{_EDGE}(?![0-9]{{12}}{_END})[0-9]{{8,}}{_END}",  # a date, or Terraform's suffix, but no account id
            rf"{_EDGE}(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{{8,}}{_END}",  # id of a resource, hash
            rf"(?<=-)(?=[A-Z]*[0-9])(?=[0-9]*[A-Z])[0-9A-Z]{{12,13}}{_END}",  # CloudFormation's suffix
        )
    )
)
_SECRET_SUFFIX = re.compile(r"(?<=-)[A-Za-z0-9]{6}\Z")
_WORD = re.compile(r"[0-9A-Za-z]{6,}")
_CHANGE = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")
_LOG_STREAM = re.compile(r"(?<=:log-stream:).+", re.DOTALL)
_REGION_NAME = re.compile(
    rf"{_EDGE}(?:af|ap|ca|cn|eu|il|me|mx|sa|us)(?:-gov|-iso[a-z]?)?"
    rf"-(?:central|(?:north|south)?(?:east|west)|north|south)-[0-9]{{1,2}}{_END}"
)
_ACCOUNT_ID = re.compile(rf"{_EDGE}[0-9]{{12}}{_END}")


def generalised(permissions: Iterable[NeededPermission], level: Generalise) -> list[NeededPermission]:
    """Return permissions that allow at least the same calls, without repetition."""
    known = list(permissions)
    if level == "none":
        return known
    names = _Names(known, has_keys=level == "accounts")
    known = [_with_texts(permission, names.of, names.of_value) for permission in known]
    if level == "accounts":
        known = [_with_texts(_without_region(permission), _anywhere, _value_anywhere) for permission in known]
    return list(dict.fromkeys(known))


def is_pattern(text: str) -> bool:
    """Whether the text has a wildcard."""
    return ANY_RUN in text or ANY_ONE in text


def covers(pattern: str, text: str) -> bool:
    """Whether a generalised text matches everything that another one matches. May miss a case, but is never wrong."""
    parts = re.split(f"([{ANY_RUN}{ANY_ONE}])", pattern)
    expressions = [{ANY_RUN: ".*", ANY_ONE: f"[^{ANY_RUN}]"}.get(part, re.escape(part)) for part in parts]
    return re.fullmatch("".join(expressions), text, re.DOTALL) is not None


def _with_texts(
    permission: NeededPermission, of: Callable[[str], str], of_value: Callable[[KeyCondition, str], str]
) -> NeededPermission:
    conditions = [_with_values(condition, of_value) for condition in permission.conditions]
    return permission._replace(resource=of(permission.resource), conditions=tuple(conditions))


def _with_values(condition: KeyCondition, of_value: Callable[[KeyCondition, str], str]) -> KeyCondition:
    # A condition whose value is only `*` would allow everything, so such a value stays as it is.
    values = [value if (text := of_value(condition, value)) == ANY_RUN else text for value in condition.values]
    operator = condition.operator.replace("Equals", "Like") if any(map(is_pattern, values)) else condition.operator
    return KeyCondition(operator, condition.key, tuple(values))


def _without_region(permission: NeededPermission) -> NeededPermission:
    conditions = [condition for condition in permission.conditions if condition.key != REGION_KEY]
    return permission._replace(conditions=tuple(conditions))


def _anywhere(text: str) -> str:
    """Replace the region and account of an ARN, and those in the resource's name, by wildcards."""
    arn = parse_arn(text)
    if arn is None:
        return text
    account = ANY_RUN if arn.account.isdigit() else arn.account
    arn = arn._replace(region=ANY_RUN if arn.region else "", account=account, resource=_no_place(arn.resource))
    return str(arn)


def _value_anywhere(condition: KeyCondition, value: str) -> str:
    return _anywhere(value) if condition.operator.startswith("Arn") else _no_place(value)


def _no_place(text: str) -> str:
    return re.sub(f"{ANY_RUN}+", ANY_RUN, _ACCOUNT_ID.sub(ANY_RUN, _REGION_NAME.sub(ANY_RUN, text)))


class _Names:
    """The random parts and common folders of one set of permissions."""

    def __init__(self, permissions: list[NeededPermission], *, has_keys: bool) -> None:
        """`has_keys`: whether ids of KMS keys are generalised. They are the same in each run of one account."""
        self._has_keys = has_keys
        resources = {permission.resource for permission in permissions}
        values = {
            value
            for permission in permissions
            for condition in permission.conditions
            if condition.key == "s3:prefix"
            for value in condition.values
        }
        self._varying = _varying_shapes([*resources, *values])
        self._objects: dict[str, list[str]] = {}
        keys = defaultdict(set)
        for resource in map(self._without_random, resources):
            bucket, slash, key = resource.partition("/")
            if _is_in_s3(bucket) and slash:
                keys[bucket].add(key)
        for bucket, names in keys.items():
            self._objects[bucket] = _common_folders(names)

    def of(self, resource: str) -> str:
        """Return the generalised resource."""
        text = self._without_random(resource)
        bucket, slash, key = text.partition("/")
        if slash and _is_in_s3(bucket):
            return f"{bucket}/{_covering(self._objects[bucket], key)}"
        return text

    def of_value(self, condition: KeyCondition, value: str) -> str:
        """Return the generalised value of a condition."""
        return self._without_random(value) if condition.key == "s3:prefix" else value

    def _without_random(self, text: str) -> str:
        arn = parse_arn(text)
        head, name = (text[: -len(arn.resource)], arn.resource) if arn is not None and arn.resource else ("", text)
        if name == "*" or (arn is not None and arn.service == "kms" and not self._has_keys):
            return text
        if arn is not None and arn.service == "secretsmanager":
            name = _SECRET_SUFFIX.sub(ANY_ONE * 6, name)
        if arn is not None and arn.service == "logs":
            name = _LOG_STREAM.sub(ANY_RUN, name)
        name = _RANDOM.sub(ANY_RUN, name)
        name = _WORD.sub(lambda word: ANY_RUN if self._is_random(word[0], text) else word[0], name)
        return head + re.sub(f"{ANY_RUN}+", ANY_RUN, name)

    def _is_random(self, word: str, text: str) -> bool:
        changes = len(_CHANGE.findall(word))
        return (changes >= 4 and len(word) >= 10) or (changes >= 3 and _shape(text) in self._varying)


def _varying_shapes(texts: Iterable[str]) -> set[str]:
    """Return the shapes of texts that differ only in words which look random."""
    counts: dict[str, int] = defaultdict(int)
    for text in set(texts):
        counts[_shape(text)] += 1
    return {shape for shape, count in counts.items() if count > 1}


def _shape(text: str) -> str:
    return _WORD.sub(lambda word: ANY_RUN if len(_CHANGE.findall(word[0])) >= 3 else word[0], text)


def _is_in_s3(bucket: str) -> bool:
    arn = parse_arn(bucket)
    return arn is not None and arn.service == "s3" and not arn.account


def _common_folders(keys: set[str]) -> list[str]:
    """Return patterns that match the keys of one bucket: folders with several objects, and single keys."""
    patterns = _merged_once(keys, 2, _MOST_AT_TOP)
    while (wider := _merged_once(patterns, _MOST_FOLDERS, _MOST_AT_TOP, folders_only=True)) != patterns:
        patterns = wider
    return sorted(patterns, key=lambda pattern: (ANY_RUN not in pattern, len(pattern), pattern))


def _merged_once(keys: set[str], most: int, most_at_top: int, *, folders_only: bool = False) -> set[str]:
    children: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        is_folder = key.endswith(f"/{ANY_RUN}")
        if is_folder or not folders_only:
            parent, slash, _ = key.removesuffix(f"/{ANY_RUN}").rpartition("/")
            children[parent + slash].add(key)
    merged = set(keys)
    for parent, names in children.items():
        if len(names) >= (most if parent else most_at_top):
            merged = {key for key in merged if not key.startswith(parent)} | {parent + ANY_RUN}
    return merged


def _covering(patterns: list[str], key: str) -> str:
    return next(pattern for pattern in patterns if pattern == key or covers(pattern, key))
