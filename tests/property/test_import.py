"""Imported stores have the same identity as botocore has, for any graph of profiles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from dsops.aws_config.profiles import SourceText, read_profiles
from dsops.aws_config.stores import ImportResult, make_stores

NAMES = ("default", "a", "b", "c")
ENVIRONMENT_KEY = "environment"


class FakeSts:
    """An STS whose key ids contain the whole chain: `Role<Other<key`."""

    def __init__(self, caller: str) -> None:
        self._caller = caller

    def assume_role(self, **asked: Any) -> dict[str, Any]:
        """The role's credentials."""
        role = asked["RoleArn"].rpartition("/")[2]
        return {
            "Credentials": {
                "AccessKeyId": f"{role}<{self._caller}",
                "SecretAccessKey": "x",
                "SessionToken": "x",
                "Expiration": datetime.now(UTC) + timedelta(hours=1),
            },
            "AssumedRoleUser": {"Arn": f"arn:aws:sts::111111111111:assumed-role/{role}/x"},
        }


class OfflineSession(Session):  # type: ignore[misc]  # botocore ships no types
    """botocore with an STS that makes no calls."""

    def create_client(self, service_name: str, *_: object, **options: Any) -> FakeSts:
        """STS for these keys."""
        assert "sts" == service_name
        return FakeSts(options["aws_access_key_id"])


def botocores_way(folder: Path, profile: str) -> str | None:
    """botocore's identity for the profile, written as a chain; None if botocore has none."""
    session = OfflineSession(profile=profile)
    session.set_config_variable("config_file", str(folder / "config"))
    session.set_config_variable("credentials_file", str(folder / "credentials"))
    try:
        credentials = session.get_credentials()
        return None if credentials is None else str(credentials.get_frozen_credentials().access_key)
    except BotoCoreError:
        return None


def our_way(made: ImportResult, folder: Path, store: str) -> str | None:
    """The store's identity, written as a chain; botocore decides for a profile from which the store starts."""
    settings = {each.name: dict(each.settings) for each in made.stores}[store]
    role = settings["role_arn"].rpartition("/")[2]
    if "credentials_from" in settings:
        before = our_way(made, folder, settings["credentials_from"])
    elif "profile" in settings:
        before = botocores_way(folder, settings["profile"])
    else:
        before = ENVIRONMENT_KEY
    return None if before is None else f"{role}<{before}"


@st.composite
def profile(draw: st.DrawFn) -> dict[str, str]:
    """One profile."""
    collected = {}
    if draw(st.integers(0, 3)):
        collected["role_arn"] = f"arn:aws:iam::111111111111:role/{draw(st.sampled_from(['One', 'Two']))}"
    if draw(st.integers(0, 3)):
        collected["source_profile"] = draw(st.sampled_from([*NAMES, "gone"]))
    elif draw(st.booleans()):
        collected["credential_source"] = draw(st.sampled_from(["Environment", "Environment", "Moon"]))
    return collected


PROFILES = st.dictionaries(st.sampled_from(NAMES), profile(), min_size=2)
KEYS = st.sets(st.sampled_from(NAMES))


@given(PROFILES, KEYS)
def test_a_store_has_the_identity_of_its_profile(
    tmp_path_factory: pytest.TempPathFactory, profiles: Mapping[str, Mapping[str, str]], keys: set[str]
) -> None:
    """An import skips a role only if botocore can't assume it either, or its source has both keys and a role."""
    folder = tmp_path_factory.mktemp("aws")
    config = "".join(
        f"[profile {name}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for name, entries in profiles.items()
    )
    credentials = "".join(
        f"[{name}]\naws_access_key_id = key-{name}\naws_secret_access_key = x\n" for name in sorted(keys)
    )
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    made = make_stores(
        read_profiles(SourceText(text=config, shown="config"), SourceText(text=credentials, shown="credentials"))
    )

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ENVIRONMENT_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        of_profile = {store.profile: store.name for store in made.stores}
        for name, entries in profiles.items():
            if name in of_profile:
                assert botocores_way(folder, name) == our_way(made, folder, of_profile[name])
            elif "role_arn" in entries and botocores_way(folder, name) is not None:
                assert any("keys and a role" in note for note in made.notes)
