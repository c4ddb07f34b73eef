"""Whatever botocore would do with a profile, another way of doing it is another identity to dsops."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import parse_qsl

import pytest
from botocore.awsrequest import AWSResponse
from botocore.credentials import SSOProvider
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.session import Session
from botocore.tokens import SSOTokenProvider
from hypothesis import given
from hypothesis import strategies as st

from dsops.errors import ConfigUnreadable
from dsops.resolve import ambient_of

KEY = b"k" * 32
LOADER = create_loader()
LATER = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
PROFILES, SESSIONS, SERVICES = ("default", "a", "b", "é c"), ("s", "t"), ("v", "w")
ADDRESSES = ("https://one.example", "https://two.example")
REQUEST_PARTS = {"Authorization", "x-amz-sso_bearer_token"}

Section = tuple[str, tuple[str, ...]]
"""A header, and the lines below it."""


KEYS = {
    "aws_access_key_id": ("AKIAONE", "AKIATWO"),
    "aws_secret_access_key": ("one", "two"),
    "aws_session_token": ("one", "two"),
}
ROLE = {
    "role_arn": tuple(f"arn:aws:iam::111111111111:role/{name}" for name in "RQ"),
    "source_profile": PROFILES,
    "mfa_serial": tuple(f"arn:aws:iam::111111111111:mfa/{name}" for name in ("ada", "ben")),
    "external_id": ("one", "two"),
    "role_session_name": ("ada", "ben"),
    "duration_seconds": ("900", "1800"),
    "web_identity_token_file": ("token-one", "token-two"),
}
SSO = {
    "sso_session": SESSIONS,
    "sso_start_url": ADDRESSES,
    "sso_region": ("us-east-1", "eu-west-1"),
    "sso_account_id": ("111111111111", "222222222222"),
    "sso_role_name": ("R", "Q"),
}
PLACE = {
    "endpoint_url": ADDRESSES,
    "services": SERVICES,
    "region": ("us-east-1", "cn-north-1"),
    "use_fips_endpoint": ("true",),
}
VALUES = {**KEYS, **ROLE, **SSO, **PLACE, "sts": tuple(f"\n  endpoint_url = {url}" for url in ADDRESSES)}


def key_of(line: str) -> str:
    """The key of a line."""
    return line.replace(":", "=", 1).partition("=")[0].strip().lower()


@st.composite
def lines(draw: st.DrawFn, *keys: str) -> str:
    """A line with one of these keys, in one of the spellings that configparser reads alike."""
    key = draw(st.sampled_from(keys))
    spelling = draw(st.sampled_from(["{} = {}", "{}={}", "{}: {}", "{} =   {}  "]))
    return spelling.format(draw(st.sampled_from([key, key, key.upper()])), draw(st.sampled_from(VALUES[key])))


LINE = st.one_of(lines(*ROLE), lines(*KEYS), lines(*SSO), lines(*PLACE))
PROFILE_HEADERS = st.sampled_from(
    [
        "default",
        "DEFAULT",
        "plugins",
        "a",
        "profile",
        "profile a b",
        "profiles b",
        *(f"profile '{name}'" for name in PROFILES),
    ]
    + [f"profile {name}" for name in PROFILES[:3]] * 4
    + ["profile\ta", 'profile "a']
)
ENDS = st.sampled_from(
    [
        ("aws_access_key_id = AKIAONE", "aws_secret_access_key = one"),
        ("aws_access_key_id = AKIATWO", "aws_secret_access_key = two", "aws_session_token = one"),
        ("role_arn = arn:aws:iam::111111111111:role/Q", "web_identity_token_file = token-one", "services = w"),
        ("sso_session = s", "sso_account_id = 111111111111", "sso_role_name = R"),
        ("sso_start_url = https://one.example", "sso_region = eu-west-1", "sso_account_id = 1", "sso_role_name = R"),
    ]
)
"""Profiles that give credentials by themselves."""
LINES = st.lists(LINE, max_size=4).map(tuple)
PROFILE = st.tuples(PROFILE_HEADERS, LINES)
SESSION = st.tuples(
    st.sampled_from([f"sso-session {name}" for name in SESSIONS]),
    st.tuples(lines("sso_start_url"), lines("sso_region")),
)
SERVICE = st.tuples(st.sampled_from([f"services {name}" for name in SERVICES]), st.tuples(lines("sts")))
NOISE = st.lists(st.one_of(PROFILE, PROFILE, SESSION, SERVICE), max_size=4)
CREDENTIALS = st.lists(st.tuples(st.sampled_from([*PROFILES, "DEFAULT", "profile a"]), LINES), max_size=2)


class World(NamedTuple):
    """The sections of both files, and a profile that usually has credentials."""

    profile: str
    config: list[Section]
    credentials: list[Section]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A profile with a chain of source profiles, with some of its settings and other sections at random."""
    names = draw(st.permutations(PROFILES))
    hops, end = draw(st.integers(0, 2)), draw(ENDS)
    more = st.lists(LINE, max_size=1).map(tuple)
    chain = [
        (f"profile '{names[hop]}'", (f"role_arn = arn:aws:iam::1:role/{hop}", f"source_profile = {names[hop + 1]}"))
        for hop in range(hops)
    ]
    is_in_credentials = draw(st.booleans()) and end[0].startswith("aws_access_key_id")
    config = [*draw(NOISE), *[(header, role + draw(more)) for header, role in chain]]
    if not is_in_credentials:
        config.append((f"profile '{names[hops]}'", end))
    login = ("sso_start_url = https://one.example", "sso_region = eu-west-1")
    config += [(f"sso-session {name}", login) for name in SESSIONS]
    credentials = [*draw(CREDENTIALS), *([(names[hops], end)] if is_in_credentials else [])]
    is_unnamed = names[0] == "default" and draw(st.booleans())
    return World("" if is_unnamed else names[0], draw(st.permutations(config)), credentials)


@st.composite
def mutated(draw: st.DrawFn, sections: list[Section]) -> list[Section]:
    """The same sections with one change of a line, of a section, or of the order."""
    changed = list(sections)
    how = draw(st.sampled_from(["value", "value", "value", "lines", "drop", "add", "swap", "header"]))
    if how == "add" or not changed:
        return [*changed, draw(PROFILE)]
    place = draw(st.integers(0, len(changed) - 1))
    header, old = changed[place]
    if how == "drop":
        del changed[place]
    elif how == "swap":
        changed.append(changed.pop(place))
    elif how == "header":
        changed[place] = (draw(PROFILE_HEADERS), old)
    elif how == "lines" or not old:
        changed[place] = (header, draw(LINES))
    else:
        number = draw(st.integers(0, len(old) - 1))
        changed[place] = (header, (*old[:number], draw(lines(key_of(old[number]))), *old[number + 1 :]))
    return changed


def text_of(sections: list[Section]) -> str:
    """The file; a second line of the same key in a section is left out, since botocore would refuse the file."""
    text = ""
    for header, content in dict(sections).items():
        unique = {key_of(line): line for line in content}
        text += f"[{header}]\n" + "".join(f"{line}\n" for line in unique.values())
    return text


class Body(io.BytesIO):
    """The body of a response, as botocore reads it."""

    def stream(self) -> Iterator[bytes]:
        """The bytes."""
        yield self.getvalue()


class Requests:
    """Answers botocore's requests with sessions whose key ids tell the request, and remembers the requests."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, request: Any, **_: object) -> AWSResponse:
        """Answer one request. The type is Any because botocore has no types."""
        headers = {name: str(request.headers.get(name)).partition("/20")[0] for name in REQUEST_PARTS}
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        parameters = [pair for pair in parse_qsl(body.decode()) if not pair[1].startswith("botocore-session-")]
        self.seen.append(repr((request.url, sorted(headers.items()), sorted(parameters))))
        key = f"ASIA{sha256(self.seen[-1].encode()).hexdigest()[:12].upper()}"
        action = dict(parameters).get("Action")
        if action is None:
            role = {"accessKeyId": key, "secretAccessKey": "x", "sessionToken": "x", "expiration": 4102444800000}
            return AWSResponse(request.url, 200, {}, Body(json.dumps({"roleCredentials": role}).encode()))
        parts = f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>x</SessionToken>"
        answer = f"<{action}Result><Credentials>{parts}<Expiration>{LATER}</Expiration></Credentials></{action}Result>"
        return AWSResponse(request.url, 200, {}, Body(f"<R>{answer}</R>".encode()))


@contextmanager
def environment(environ: Mapping[str, str], folder: Path) -> Iterator[None]:
    """botocore's process: these variables, this folder, and the token cache of this HOME."""
    before, cache = Path.cwd(), f"{environ['HOME']}/.aws/sso/cache"
    os.chdir(folder)
    try:
        with (
            mock.patch.dict(os.environ, environ, clear=True),
            mock.patch.object(SSOProvider, "_SSO_TOKEN_CACHE_DIR", cache),
            mock.patch.object(SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", cache),
        ):
            yield
    finally:
        os.chdir(before)


def botocores_way(environ: Mapping[str, str], folder: Path, profile: str) -> list[str] | None:
    """The requests that botocore sends for the profile's credentials, and their key id; None without credentials."""
    with environment(environ, folder):
        session, requests = Session(profile=profile or None), Requests()
        session.register_component("data_loader", LOADER)
        session.register("before-send", requests)
        try:
            session.set_config_variable("region", session.get_config_variable("region") or "us-east-1")
            resolver = session.get_component("credential_provider")
            resolver.get_provider("assume-role")._prompter = lambda _: "123456"
            credentials = session.get_credentials()
            if credentials is None:
                return None
            frozen = credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError):
            return None
        return [*requests.seen, frozen.access_key, frozen.secret_key, str(frozen.token)]


class Files:
    """A home folder with AWS's files and a folder with two token files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
        for name in ("one", "two"):
            (home / f"token-{name}").write_text(name)
        (home / ".aws/sso/cache").mkdir(parents=True, exist_ok=True)
        for name in (*SESSIONS, *ADDRESSES):
            self.log_in(name, "first")

    def log_in(self, name: str, token: str) -> None:
        """Write the token of an SSO session or of a start URL."""
        file = self.home / ".aws/sso/cache" / f"{sha1(name.encode(), usedforsecurity=False).hexdigest()}.json"
        file.write_text(json.dumps({"accessToken": f"{token}-{name}", "expiresAt": LATER}))

    def write(self, config: list[Section], credentials: list[Section]) -> None:
        """Write both files."""
        (self.home / ".aws/config").write_text(text_of(config))
        (self.home / ".aws/credentials").write_text(text_of(credentials))

    def digest(self, profile: str) -> str | None:
        """The profile's digest; None for files that dsops refuses, so that no session is ever opened."""
        try:
            return ambient_of(self.environ, KEY, str(self.home))(profile).digest
        except ConfigUnreadable:
            return None

    def botocore(self, profile: str) -> list[str] | None:
        """What botocore does for the profile."""
        return botocores_way(self.environ, self.home, profile)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The home folder, which each example writes again."""
    return Files(tmp_path_factory.mktemp("home"))


@given(st.data(), worlds())
def test_another_way_of_botocore_is_another_identity(files: Files, data: st.DataObject, world: World) -> None:
    """If botocore signs with another key after an edit, or names another role, device or host, the digest differs."""
    files.write(world.config, world.credentials)
    before, way = files.digest(world.profile), files.botocore(world.profile)
    if data.draw(st.integers(0, 3)):
        files.write(data.draw(mutated(world.config)), world.credentials)
    else:
        files.write(world.config, data.draw(mutated(world.credentials)))
    after, other_way = files.digest(world.profile), files.botocore(world.profile)
    if way != other_way and before is not None:
        assert before != after
    assert files.digest(world.profile) == after


@given(worlds(), st.sampled_from([*SESSIONS, *ADDRESSES]))
def test_another_login_that_botocore_uses_is_another_identity(files: Files, world: World, login: str) -> None:
    """If botocore sends another token after a login, the digest differs."""
    files.write(world.config, world.credentials)
    before, way = files.digest(world.profile), files.botocore(world.profile)
    files.log_in(login, "second")
    after, other_way = files.digest(world.profile), files.botocore(world.profile)
    files.log_in(login, "first")
    if way != other_way and before is not None:
        assert before != after


@given(worlds(), PROFILE, SESSION, SERVICE)
def test_a_new_profile_is_no_other_identity(
    files: Files, world: World, new: Section, session: Section, service: Section
) -> None:
    """Sections to which no profile refers keep the digest, wherever they are in the file, and with any content."""
    files.write(world.config, world.credentials)
    before = files.digest(world.profile)
    others: list[Section] = [("profile new", new[1]), ("sso-session new", session[1]), ("services new", service[1])]
    files.write([*world.config, *others], [("other", new[1]), *world.credentials])
    assert files.digest(world.profile) == before
    files.write([*others[1:], *world.config, ("profile new", ())], world.credentials)
    assert files.digest(world.profile) == before


@given(st.data(), st.permutations(PROFILES), st.integers(1, 3))
def test_each_value_of_a_chain_counts(files: Files, data: st.DataObject, names: list[str], hops: int) -> None:
    """An edit of any value in any section of a chain of source profiles changes the digest; one beside it does not."""
    sections: list[list[str]] = [
        [f"[profile '{name}']", f"role_arn = {number}", f"source_profile = {names[number + 1]}", "sso_session = s"]
        if number < hops
        else [f"[profile '{name}']", "aws_access_key_id = x", "aws_secret_access_key = y", "services = v"]
        for number, name in enumerate(names)
    ]
    sections += [["[sso-session s]", "sso_start_url = https://one.example"], ["[services v]", "sts =\n  x = y"]]
    config = files.home / ".aws/config"
    (files.home / ".aws/credentials").write_text("")

    def digest() -> str | None:
        config.write_text("\n".join(line for section in sections for line in section))
        return files.digest(names[0])

    before = digest()
    place = data.draw(st.integers(0, len(sections) - 1))
    number = data.draw(st.integers(1, len(sections[place]) - 1))
    sections[place][number] += "x"
    is_related = place <= hops or place >= len(names)
    assert (digest() != before) is is_related
