"""What the user's own stores, environments and profiles mean in the folder of a project that the user has allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsops import config as configuration
from dsops.config.allow import allow
from dsops.config.capabilities import powers_of
from dsops.config.layers import ProfileLayer
from dsops.config.sections import Part, Sections
from dsops.document import Scalar
from dsops.errors import ConfigError, Where
from dsops.model import Config, Field
from dsops.schema import BUILTIN_TYPES

ROLE = '{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111111111111:role/R"}'
WHERE = Where("~/.aws/config", 1)


def profile_layer(*_names: object) -> ProfileLayer:
    """A profile `prod`, with a role and no source of credentials of its own."""
    texts = {"type": "aws.sts", "role_arn": "arn:aws:iam::111111111111:role/R", "region": "us-east-1"}
    entries = {key: Field(Scalar(text, "text", 1), WHERE) for key, text in texts.items()}
    return ProfileLayer(Sections({"prod": [Part(WHERE, "profile prod", entries)]}, {}, {}, []))


def allowed(tmp_path: Path, own: str, project: str, name: str = "") -> Config:
    """Return the configuration in the project's folder after the user has allowed the project's file."""
    home, folder = tmp_path / "home", tmp_path / "project"
    (home / ".config/dsops").mkdir(parents=True)
    (folder / ".git").mkdir(parents=True)
    for path, text in ((home / ".config/dsops/dsops.yaml", own), (folder / "dsops.yaml", project)):
        path.write_text(f"version: 1\n{text}")
        path.chmod(0o600)
    environ = {"HOME": str(home)}
    config = configuration.load(folder=str(folder), environ=environ)
    allow(config.files, environ)
    return configuration.load(folder=str(folder), environ=environ, profiles=profile_layer, names=None, either=name)


@pytest.mark.parametrize("name", ["mine", "prod"])
@pytest.mark.parametrize(
    "default",
    [
        "profile: other",
        "endpoint_url: https://evil.example",
        "external_id: 'tok-${GITHUB_TOKEN}'",
        "serial_number: arn:aws:iam::111111111111:mfa/x",
        "mfa_process: touch /tmp/owned",
    ],
)
def test_a_projects_defaults_change_no_store_of_the_user(tmp_path: Path, name: str, default: str) -> None:
    """A project's `defaults` apply to the project's stores, and not to the user's own stores and profiles."""
    config = allowed(tmp_path, f"secretStores: {{mine: {ROLE}}}\n", f"defaults: {{aws.sts: {{{default}}}}}\n")
    assert set(config.stores[name].fields) == {"role_arn", "region"}
    assert powers_of(config, BUILTIN_TYPES) == []


def test_the_users_defaults_apply_to_profiles_and_to_a_project(tmp_path: Path) -> None:
    """The user's own `defaults` apply to all stores."""
    own = "defaults: {aws.sts: {duration_seconds: 900}}\n"
    config = allowed(tmp_path, own, f"secretStores: {{theirs: {ROLE}}}\n")
    assert [config.stores[name].text_of("duration_seconds") for name in ("theirs", "prod")] == ["900", "900"]


@pytest.mark.parametrize("reference", ["sm:prod", "sm : prod", " sm:prod", "store://sm/prod"])
def test_an_own_environment_reads_no_store_of_a_project(tmp_path: Path, reference: str) -> None:
    """The user's environment is left out if a project has a store with the name that the environment reads from."""
    own = (
        "secretStores: {sm: {type: literal, values: {prod: mine}}}\n"
        f'envs: {{work: {{T: {{from: "{reference}"}}}}, other: {{T: {{literal: mine}}}}}}\n'
    )
    config = allowed(tmp_path, own, "secretStores: {sm: {type: literal, values: {prod: theirs}}}\n")
    assert set(config.environments) == {"other"}
    assert "your own environment `work` is left out: it uses a name that this project has, too" in config.notes


def test_an_own_environment_inherits_nothing_from_a_project(tmp_path: Path) -> None:
    """The user's environment is left out if it extends an environment whose name the project has, too."""
    own = "envs: {common: {A: {literal: mine}}, work: {extends: common}, more: {extends: work}}\n"
    config = allowed(tmp_path, own, "envs: {common: {LD_PRELOAD: {literal: /tmp/evil.so}}}\n")
    assert set(config.environments) == {"common"}


@pytest.mark.parametrize("store", ["type: aws.sts", "extends: base"])
def test_an_own_store_takes_no_default_credentials_from_a_project(tmp_path: Path, store: str) -> None:
    """The user's stores and profiles are left out if their default `credentials_from` names a store of the project."""
    own = (
        "defaults: {aws.sts: {credentials_from: hub, region: us-east-1}}\n"
        "secretStores:\n"
        "  hub: {type: aws.profile, profile: base}\n"
        "  base: {type: aws.sts, credentials_from: null}\n"
        f'  mine: {{{store}, role_arn: "arn:aws:iam::111111111111:role/R"}}\n'
    )
    config = allowed(tmp_path, own, "secretStores: {hub: {type: aws.profile, profile: other}}\n")
    assert config.stores["hub"].text_of("profile") == "other"
    assert not {"mine", "prod"} & set(config.stores)


def test_an_own_store_with_credentials_of_its_own_stays(tmp_path: Path) -> None:
    """A default `credentials_from` does not count for a store that has its own."""
    own = (
        "defaults: {aws.sts: {credentials_from: hub, region: us-east-1}}\n"
        "secretStores:\n"
        "  hub: {type: aws.profile, profile: base}\n"
        "  spoke: {type: aws.profile, profile: base}\n"
        '  mine: {type: aws.sts, credentials_from: spoke, role_arn: "arn:aws:iam::111111111111:role/R"}\n'
    )
    config = allowed(tmp_path, own, "secretStores: {hub: {type: aws.profile, profile: other}}\n")
    assert config.stores["mine"].text_of("credentials_from") == "spoke"


def test_a_projects_default_environment_is_one_of_the_project(tmp_path: Path) -> None:
    """A project's `default_env` can't name an environment of the user, whose secrets a plain `exec` would then get."""
    with pytest.raises(ConfigError, match="there is no environment `work`"):
        allowed(tmp_path, "envs: {work: {TOKEN: {literal: mine}}}\n", "default_env: work\n")
