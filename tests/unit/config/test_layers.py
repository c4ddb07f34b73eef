"""The layers of a configuration: a project over the user's own file, and that over the profiles of AWS's files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from dsops.config import HOOKED, load
from dsops.config.allow import allow
from dsops.config.capabilities import powers_of
from dsops.config.layers import ProfileLayer, user_file
from dsops.config.sections import Part, Sections
from dsops.document import Scalar
from dsops.errors import ConfigError, ConfigNotFound, ConfigUnreadable, Where
from dsops.model import Config, Field, SourceFile
from dsops.schema import BUILTIN_TYPES

ROLE = "arn:aws:iam::111111111111:role/{}"
OWN = """
secretStores:
  corp: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Own", external_id: own-id}
  mine: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Mine"}
envs:
  personal: {A: {literal: a}}
default_env: personal
"""
PROJECT = """
secretStores:
  corp: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Project"}
envs:
  development: {B: {literal: b}}
"""


class World:
    """A home folder and a project below it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.project = self.home / "project"
        self.project.mkdir(parents=True)
        self.environ = {"HOME": str(self.home)}
        self.asked: list[Collection[str] | None] = []

    def write_own(self, text: str = OWN) -> Path:
        """Write the user's own file."""
        path = Path(user_file(self.environ))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def write_project(self, text: str = PROJECT) -> Path:
        """Write the project's dsops.yaml."""
        path = self.project / "dsops.yaml"
        path.write_text(text)
        return path

    def profiles(self, names: Collection[str] | None) -> ProfileLayer:
        """The profiles `prod` and `base`; `base` is in every answer."""
        self.asked.append(names)
        known = {"prod": "Prod", "base": "Base", "my profile": "Space"}
        wanted = known if names is None or set(names) - set(known) else {*names, "base"}
        where = Where("~/.aws/config", 7)
        parts = {
            name: [
                Part(
                    where,
                    f"secretStores.{name}",
                    {
                        key: Field(Scalar(value, "text", 7), where)
                        for key, value in (("type", "aws.sts"), ("role_arn", ROLE.format(role)))
                    },
                )
            ]
            for name, role in known.items()
            if name in wanted
        }
        return ProfileLayer(Sections(parts, {}, {}, []), (SourceFile("/c", "", "~/.aws/config"),))

    def load(
        self, names: Collection[str] | None = (), *, either: str = "", named: str = "", is_alone: bool = False
    ) -> Config:
        """Load the configuration that applies in the project's folder."""
        return load(
            folder=str(self.project),
            environ=self.environ,
            named=named,
            profiles=self.profiles,
            names=names,
            either=either,
            is_alone=is_alone,
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A home folder with an empty project."""
    return World(tmp_path)


def role_of(config: Config, store: str) -> str:
    """The name of the store's role."""
    return config.stores[store].text_of("role_arn").rpartition("/")[2]


def test_a_projects_store_replaces_the_users_own_as_a_whole(world: World) -> None:
    """A project's store inherits no field of the user's own store of the same name, such as an external ID."""
    world.write_own()
    world.write_project()
    config = world.load()
    assert (role_of(config, "corp"), role_of(config, "mine")) == ("Project", "Mine")
    assert config.stores["corp"].text_of("external_id") == ""
    assert set(config.environments) == {"development", "personal"}
    assert [file.path for file in config.files] == [str(world.project / "dsops.yaml")]
    assert [file.path for file in config.own_files] == [user_file(world.environ)]


def test_the_users_default_does_not_apply_in_a_project(world: World) -> None:
    """`default_env` of the user's own file applies only outside a project."""
    world.write_own()
    assert world.load().default_environment == "personal"
    world.write_project()
    assert world.load().default_environment == ""
    world.write_project(f"{PROJECT}default_env: development\n")
    assert world.load().default_environment == "development"


def test_defaults_of_both_apply_and_the_projects_win(world: World) -> None:
    """The user's own `defaults` apply to a project's stores, but the project's defaults take precedence."""
    world.write_own("defaults: {aws.sts: {region: eu-west-1, duration_seconds: 900}}")
    world.write_project(f"{PROJECT}defaults: {{aws.sts: {{region: us-east-1}}}}\n")
    fields = world.load().stores["corp"].fields
    assert {name: field.node.text for name, field in fields.items() if isinstance(field.node, Scalar)} == {
        "region": "us-east-1",
        "duration_seconds": "900",
        "role_arn": ROLE.format("Project"),
    }


def test_the_users_own_file_needs_no_permission_and_a_project_does(world: World) -> None:
    """The user's own file needs no permission; with a project, only the project's files need one."""
    own = world.write_own()
    assert world.load().is_allowed
    world.write_project()
    config = world.load()
    assert not config.is_allowed
    allow(config.files, world.environ)
    assert world.load().is_allowed
    own.write_text(f"{OWN}# changed\n")
    assert world.load().is_allowed


def test_an_own_file_that_others_may_write_is_not_used(world: World) -> None:
    """If other users can write the user's own file, the configuration is refused, with and without a project."""
    world.write_own().chmod(0o666)
    assert not world.load().is_allowed
    config = world.load()
    world.write_project()
    config = world.load()
    allow(config.files, world.environ)
    assert not world.load().is_allowed


def test_an_own_file_of_another_user_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own file must belong to the user or root."""
    world.write_own()
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    monkeypatch.setattr("dsops.config.files._trusted_owners", lambda _environ: frozenset({4711}))
    with pytest.raises(ConfigUnreadable, match="belongs to another user"):
        world.load()


def test_a_named_file_stands_alone(world: World) -> None:
    """With --config, the user's own file is ignored, but profiles can still be used as stores."""
    world.write_own()
    path = world.write_project("secretStores: {app: {type: aws.ssm, credentials_from: prod}}\nenvs: {e: {}}")
    config = world.load(named=str(path))
    assert set(config.stores) == {"app", "prod", "base"}
    assert config.is_allowed


def test_without_any_layer_the_error_is_that_there_is_no_file(world: World) -> None:
    """If no project, user file or matching profile exists, the error says that there is no dsops.yaml."""
    with pytest.raises(ConfigNotFound):
        world.load()
    assert world.asked == []


def test_a_profile_is_a_store_in_every_folder(world: World) -> None:
    """A profile can be used as a store, under its exact name, without any file of dsops."""
    config = world.load(("my profile",))
    assert role_of(config, "my profile") == "Space"
    assert config.files[0].shown == "~/.aws/config"
    assert config.is_allowed


def test_profiles_are_read_only_for_names_that_are_no_store(world: World) -> None:
    """The profiles are not read if the name is a store of the project or an environment in either file."""
    world.write_project()
    world.load(("corp",))
    world.load(either="development")
    world.load(either="corp")
    assert world.asked == []
    assert role_of(world.load(either="prod"), "prod") == "Prod"
    assert role_of(world.load(("prod",)), "prod") == "Prod"
    assert world.asked == [["prod"], ["prod"]]


def test_a_project_wins_over_a_profile(world: World) -> None:
    """A project's store with the name of a profile is used instead of the profile."""
    world.write_project(PROJECT.replace("corp", "prod"))
    assert role_of(world.load(("prod",)), "prod") == "Project"
    assert role_of(world.load(None), "prod") == "Project"


def chain_of_profiles(_names: Collection[str] | None) -> ProfileLayer:
    """The profile `far`, whose source is `prod`, whose source is `base`."""
    where = Where("~/.aws/config", 7)
    sources = {"far": "prod", "prod": "base", "base": ""}
    parts = {}
    for name, source in sources.items():
        texts = {"type": "aws.sts", "role_arn": ROLE.format(name.title())}
        texts |= {"credentials_from": source} if source else {}
        fields = {key: Field(Scalar(text, "text", 7), where) for key, text in texts.items()}
        parts[name] = [Part(where, f"secretStores.{name}", fields)]
    return ProfileLayer(Sections(parts, {}, {}, []), (SourceFile("/c", "", "~/.aws/config"),))


@pytest.mark.parametrize("name", ["far", "prod"])
def test_a_profile_never_gets_the_credentials_of_a_store_with_the_name_of_its_source(world: World, name: str) -> None:
    """A store `base` of a dsops.yaml does not sign the call of a profile whose `source_profile` is `base`."""
    world.write_project(PROJECT.replace("corp", "base"))
    folder = str(world.project)
    with pytest.raises(ConfigError) as caught:
        load(folder=folder, environ=world.environ, profiles=chain_of_profiles, names=(name,))
    assert [problem.path for problem in caught.value.problems] == [f"secretStores.{name}"]
    assert "`base`" in caught.value.problems[0].message
    assert list(load(folder=folder, environ=world.environ, profiles=chain_of_profiles, names=None).stores) == ["base"]


def test_a_store_can_not_use_a_profile_whose_source_has_another_meaning(world: World) -> None:
    """A store's profile is refused if the profile's source has the name of a store of dsops.yaml."""
    app = "  app: {type: aws.ssm, credentials_from: prod}\nenvs:"
    world.write_project(PROJECT.replace("corp", "base").replace("envs:", app))
    with pytest.raises(ConfigError) as caught:
        load(folder=str(world.project), environ=world.environ, profiles=chain_of_profiles)
    assert [problem.path for problem in caught.value.problems] == ["secretStores.prod"]


@pytest.mark.parametrize(
    "text",
    [
        "secretStores: {app: {type: aws.ssm, credentials_from: prod}}",
        'envs: {e: {KEY: {from: "prod:access_key_id"}}}',
        "secretStores: {app: {extends: prod, duration_seconds: 900}}",
    ],
)
def test_a_store_may_use_a_profile_by_its_name(world: World, text: str) -> None:
    """`credentials_from`, `from` and `extends` accept names of profiles."""
    world.write_project(text)
    assert role_of(world.load(), "prod") == "Prod"


def test_an_unknown_name_suggests_a_profile(world: World) -> None:
    """The error about an unknown store suggests the similar name of a profile."""
    world.write_project("secretStores: {app: {type: aws.ssm, credentials_from: prodd}}")
    with pytest.raises(ConfigError) as caught:
        world.load()
    assert [problem.hint for problem in caught.value.problems] == ["did you mean `prod`?"]


def test_the_hook_loads_only_what_a_folder_has(world: World) -> None:
    """In a folder without a dsops.yaml, the shell's hook loads nothing, whatever is in the user's own file."""
    world.write_own()
    with pytest.raises(ConfigNotFound):
        load(folder=str(world.project), environ=world.environ, permission=HOOKED)


def test_the_permission_question_shows_which_own_stores_a_project_uses(world: World) -> None:
    """`dsops allow` lists the user's own stores that a project uses, but not those stores' capabilities."""
    world.write_own()
    world.write_project(
        "secretStores: {app: {type: aws.ssm, credentials_from: mine}}\n"
        'envs: {e: {KEY: {from: "prod:access_key_id"}, A: {from: "app:a"}}}'
    )
    lines = [power.line for power in powers_of(world.load(), BUILTIN_TYPES)]
    assert [line for line in lines if line.startswith("uses")] == [
        "uses     your own store mine (app)",
        "uses     your own store prod (KEY)",
    ]
    assert not [line for line in lines if "role/" in line or "personal" in line]


def test_the_folder_of_the_own_file_is_no_project(world: World) -> None:
    """In the folder of the user's own file, the file is read only once, as the user's own file."""
    path = world.write_own()
    config = load(folder=str(path.parent), environ=world.environ)
    assert config.is_allowed
    assert [file.path for file in config.all_files] == [str(path)]


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"HOME": "/h"}, "/h/.config/dsops/dsops.yaml"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/x/"}, "/x/dsops/dsops.yaml"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "x"}, "/h/.config/dsops/dsops.yaml"),
        ({"HOME": "h"}, ""),
        ({}, ""),
    ],
)
def test_where_the_users_own_file_is(environ: dict[str, str], path: str) -> None:
    """The user's own file is in the XDG configuration folder; a relative XDG_CONFIG_HOME is ignored."""
    assert user_file(environ) == path


@pytest.mark.parametrize("key", ["credentials_from: corp", "extends: corp", "extends: [other, corp]"])
def test_an_own_store_never_gets_the_identity_of_a_projects_store(world: World, key: str) -> None:
    """The user's own store is left out with a note if it depends on a store name that a project has, too."""
    world.write_own(
        f"{OWN}".replace(
            "envs:",
            f'  other: {{type: aws.sts, role_arn: "{ROLE.format("Other")}"}}\n'
            f'  uses: {{type: aws.sts, role_arn: "{ROLE.format("Uses")}", {key}}}\n'
            f'  further: {{type: aws.sts, role_arn: "{ROLE.format("Further")}", credentials_from: uses}}\nenvs:',
        )
    )
    assert {"uses", "further"} <= set(world.load().stores)
    world.write_project()
    config = world.load()
    assert set(config.stores) == {"corp", "mine", "other"}
    assert [note.partition(":")[0] for note in config.notes] == [
        "your own store `uses` is left out",
        "your own store `further` is left out",
    ]


@pytest.mark.parametrize(
    "source", ["corp:key", "store://corp/key", "{store: corp, key: k}", "{store: store://corp/key}", "reader:key"]
)
def test_an_own_environment_never_reads_a_projects_store(world: World, source: str) -> None:
    """The user's own environment is left out if it reads a store whose name a project also defines."""
    quoted = source if source.startswith("{") else f'"{source}"'
    world.write_own(
        OWN.replace("envs:", "  reader: {type: aws.ssm, credentials_from: corp}\nenvs:").replace(
            "default_env: personal",
            f"  reads: {{KEY: {{from: {quoted}}}}}\n  more: {{extends: reads, B: {{literal: corp}}}}\n",
        )
    )
    assert {"personal", "reads", "more"} <= set(world.load().environments)
    world.write_project()
    assert set(world.load().environments) == {"personal", "development"}


@pytest.mark.parametrize(("names", "either"), [(("prod",), ""), ((), "prod"), (("mine", "prod"), ""), ((), "personal")])
def test_the_users_own_names_work_beside_a_file_that_is_not_allowed(
    world: World, names: tuple[str, ...], either: str
) -> None:
    """A project's file that is not allowed is left out, with a note, if a command needs only the user's own names."""
    world.write_own()
    world.write_project(f"{PROJECT}default_env: development\n")

    config = world.load(names, either=either, is_alone=True)

    assert config.is_allowed
    assert "development" not in config.environments
    assert (role_of(config, "corp"), config.default_environment) == ("Own", "personal")
    assert [file.path for file in config.files] == [user_file(world.environ)]
    assert [note for note in config.notes if note.startswith("dsops.yaml is not used: you have not allowed it")]


@pytest.mark.parametrize(
    ("names", "either"),
    [(("corp",), ""), ((), "corp"), ((), "development"), (("prod", "corp"), ""), ((), "nobody"), (("nobody",), "")],
)
def test_a_file_that_has_the_name_is_never_left_out(world: World, names: tuple[str, ...], either: str) -> None:
    """A project's file that has one of the names needs the permission: the name keeps its meaning after the answer."""
    world.write_own()
    world.write_project()
    config = world.load(names, either=either, is_alone=True)
    assert not config.is_allowed
    assert role_of(config, "corp") == "Project"


def test_only_a_file_that_is_not_allowed_is_left_out(world: World) -> None:
    """An allowed file is used, and so is one for a command that needs more than the names, and one that is named."""
    path = world.write_project()
    assert not world.load(("prod",)).is_allowed
    assert "development" in world.load(("prod",), named=str(path), is_alone=True).environments
    allow(world.load().files, world.environ)
    config = world.load(("prod",), is_alone=True)
    assert (config.is_allowed, "development" in config.environments) == (True, True)


def test_a_broken_file_is_never_left_out(world: World) -> None:
    """The names in a file that can't be parsed are unknown, so the file is not left out."""
    world.write_project("secretStores: [")
    with pytest.raises(ConfigError, match=r"dsops\.yaml can't be used"):
        world.load(("prod",), is_alone=True)


def test_what_a_project_replaces_is_named(world: World) -> None:
    """The configuration names the user's own stores and environments that a project replaces."""
    world.write_own()
    assert world.load().replaced == ()
    world.write_project(f"{PROJECT}  personal: {{A: {{literal: b}}}}\n")
    shown = world.load().own_files[0].shown
    assert world.load().replaced == (
        f"your own store `corp` ({shown}:3)",
        f"your own environment `personal` ({shown}:6)",
    )
