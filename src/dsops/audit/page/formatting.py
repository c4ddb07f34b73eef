"""Formats the values of a report: numbers, durations, times, names."""

from __future__ import annotations

from datetime import UTC, datetime

from dsops.arn import is_account_id, parse_arn
from dsops.audit.page.markup import Markup, element, joined

LONGEST_NAME = 80
"""The maximum length of a displayed name in characters; the middle of a longer name is left out."""

LONGEST_PATH = 200
"""The maximum length of a displayed file path in characters. CloudTrail's own paths in a bucket have about 140."""

LONGEST_TITLE = 4096
"""The maximum length of a tooltip in characters: twice the longest ARN (IAM API, 2048)."""

_RESERVED = "aws-reserved/"
"""The IAM path of Identity Center's roles. It is left out, because it is longer than the roles' own names."""

NOTHING = "\N{EN DASH}"
"""The text of an empty cell."""

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def count(number: int) -> str:
    """Format a number with separators: `12,345`."""
    return f"{number:,}"


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Format a number with its noun: `1 call`, `12,345 calls`."""
    return f"{count(number)} {noun if number == 1 else nouns or f'{noun}s'}"


def compact(number: int) -> str:
    """Format a number in about four characters: `999`, `1.2k`, `35k`, `2.1M`."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            value = number / size
            return f"{int(value * 10) / 10:g}{letter}" if value < 10 else f"{int(value)}{letter}"
    return str(number)


def share(part: int, whole: int) -> str:
    """Format a part as a percentage: `2.2 %`. A part is never rounded to 0 or 100 %."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if 99.9 < percent < 100:
        return "over 99.9 %"
    return f"{percent:.1f}".removesuffix(".0") + " %"


def duration(seconds: int) -> str:
    """Format a duration in its two largest units: `45 s`, `15 min`, `1 h 30 min`, `2 d 3 h`."""
    rest, parts = max(0, seconds), []
    for size, unit in _UNITS:
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{count(number)} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"


def moment(time: datetime) -> Markup:
    """Format a time in UTC: `2026-11-20 11:00:00`. The page says once that its times are UTC."""
    utc = time.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    # `isoformat` pads years before 1000 to four digits, which `strftime` does not.
    day, _, hour = utc.isoformat(" ").partition(" ")
    return element("time", element("span", day), f" {hour}", datetime=f"{utc.isoformat()}Z")


def name(text: str, most: int = LONGEST_NAME) -> Markup:
    """Shorten a name: show an ARN's resource and account, or the beginning and end of any other long name.

    The tooltip contains the whole name.
    """
    parts = short_arn(text)
    if parts is not None:
        return element("span", parts[0], " ", element("span", parts[1], class_="account"), title=title(text))
    if not text.strip():
        return element("span", NOTHING, class_="none")
    short = shortened(text, most)
    return element("span", short, title=title(text)) if short != text else joined([text])


def short_arn(text: str) -> tuple[str, str] | None:
    """Return the resource and account of an IAM or STS ARN; None for any other text."""
    arn = parse_arn(text)
    if arn is None or arn.service not in {"iam", "sts"} or not is_account_id(arn.account) or not arn.resource:
        return None
    resource = arn.resource.removeprefix("role/")
    if resource.startswith(_RESERVED):
        # Only AWS creates roles under this path, and no real path contains an ellipsis, so the shortened path can't
        # mislead.
        resource = f"{_RESERVED}…/{arn.resource_name}"
    return shortened(resource), arn.account


def shortened(text: str, most: int = LONGEST_NAME) -> str:
    """Return the text, or the beginning and end of a text that is too long."""
    if len(text) <= most:
        return text
    most_kept = most - 1
    return f"{text[: most_kept - most_kept // 2]}…{text[-(most_kept // 2) :]}"


def title(text: str) -> str:
    """Return the whole name, or its beginning and the number of characters left out."""
    more = len(text) - LONGEST_TITLE
    return text if more <= 0 else f"{text[:LONGEST_TITLE]}… ({counted(more, 'more character')})"


def number_of(value: object) -> int:
    """Return the number in a cell; 0 if the cell has none."""
    return value if isinstance(value, int) else 0


def text_of(value: object) -> str:
    """Return the text in a cell; "" if the cell is empty."""
    return value if isinstance(value, str) else "" if value is None else str(value)
