"""Convert AWS profiles into the stores of a dsops.yaml, or explain why a profile cannot be converted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.aws_config.as_yaml import to_yaml
from dsops.aws_config.layer import profile_sections
from dsops.aws_config.profiles import SourceText, read_profiles
from dsops.aws_config.stores import ImportResult, make_stores
from dsops.config import load
from dsops.config.limits import check_limits
from dsops.document import Scalar
from dsops.interpolate import InterpolationNames, expand_node
from dsops.schema import BUILTIN_TYPES

ROLE = "role_arn = arn:aws:iam::111111111111:role/Role\n"
KEYS = "[base]\naws_access_key_id = AKIAHUSH\naws_secret_access_key = hush\n"


def made(config: str, *wanted: str, credentials: str = KEYS, keeps_external_ids: bool = False) -> ImportResult:
    """Return the import's result for that config file."""
    profiles = read_profiles(SourceText(text=config, shown="config"), SourceText(text=credentials, shown="credentials"))
    return make_stores(profiles, wanted, keeps_external_ids=keeps_external_ids)


def stores(found: ImportResult) -> dict[str, dict[str, str]]:
    """Return the settings of each store, without its type."""
    return {store.name: {key: value for key, value in store.settings if key != "type"} for store in found.stores}


def test_a_role_with_a_source_is_a_store_on_that_profile() -> None:
    """A profile with a role becomes a store with every setting that affects the session."""
    found = made(
        f"[profile a]\n{ROLE}source_profile = base\nrole_session_name = me\nduration_seconds = 7200\n"
        "mfa_serial = arn:aws:iam::111111111111:mfa/me\nregion = eu-west-1\n"
    )

    expected = {
        "profile": "base",
        "role_arn": "arn:aws:iam::111111111111:role/Role",
        "role_session_name": "me",
        "serial_number": "arn:aws:iam::111111111111:mfa/me",
        "duration_seconds": "7200",
        "region": "eu-west-1",
    }
    assert {"a": expected} == stores(found)
    assert () == found.notes


def test_a_chain_is_made_from_its_beginning() -> None:
    """Each hop of a chain names its source store, even if the source's profile comes later in the file."""
    found = made(f"[profile b]\n{ROLE}source_profile = a\n[profile a]\n{ROLE}source_profile = base\n")

    assert ["a", "b"] == [store.name for store in found.stores]
    assert "a" == stores(found)["b"]["credentials_from"]


def test_a_chained_role_has_an_hour() -> None:
    """A chained role gets a duration of one hour, AWS's maximum for role chaining; the first hop keeps its duration."""
    found = made(
        f"[profile a]\n{ROLE}source_profile = base\nduration_seconds = 7200\n"
        f"[profile b]\n{ROLE}source_profile = a\nduration_seconds = 7200\n"
    )

    assert "7200" == stores(found)["a"]["duration_seconds"]
    assert "duration_seconds" not in stores(found)["b"]
    assert "config:8" in found.notes[0]


def test_only_wanted_profiles_and_their_sources_are_made() -> None:
    """Only the requested profiles and their sources become stores."""
    text = "".join(f"[profile {name}]\n{ROLE}source_profile = {source}\n" for name, source in ("ab", "bc", "xc"))
    found = made(f"{text}[profile c]\n{ROLE}source_profile = base\n", "a")

    assert ["c", "b", "a"] == [store.name for store in found.stores]


@pytest.mark.parametrize(
    ("source", "comment"),
    [("Environment", "keys of the environment"), ("Ec2InstanceMetadata", "instance"), ("EcsContainer", "container")],
)
def test_a_source_that_is_not_a_profile_means_base_credentials(source: str, comment: str) -> None:
    """If the source is not a profile (`credential_source`), the store uses the base credentials.

    A comment in the configuration says so.
    """
    (store,) = made(f"[profile a]\n{ROLE}credential_source = {source}\n").stores

    assert ["type", "role_arn"] == [key for key, _ in store.settings]
    assert comment in store.comments[0]


def test_a_token_file_goes_before_a_source() -> None:
    """A token file takes precedence over a source profile, as in botocore, which then ignores MFA and external ID."""
    found = made(f"[profile a]\n{ROLE}web_identity_token_file = /t\nsource_profile = base\nexternal_id = hush\n")

    assert {"role_arn", "web_identity_token_file"} == stores(found)["a"].keys()
    assert "`external_id` means nothing" in found.notes[0]


def test_a_permission_set_is_a_store_of_its_own_type() -> None:
    """A permission set becomes an `aws.sso` store, which a role may use as its source.

    The permission set is defined by an sso-session or by the older keys.
    """
    session = "[sso-session corp]\nsso_start_url = https://x/start\nsso_region = eu-west-1\n"
    who = "sso_account_id = 012345678901\nsso_role_name = Admin\n"
    found = made(
        f"{session}[profile a]\nsso_session = corp\n{who}[profile old]\nsso_start_url = https://x/start\n"
        f"sso_region = eu-west-1\n{who}[profile r]\n{ROLE}source_profile = a\n"
    )

    assert ["aws.sso", "aws.sso", "aws.sts"] == [dict(store.settings)["type"] for store in found.stores]
    assert {"sso_session": "corp", "account_id": "012345678901", "role_name": "Admin"} == stores(found)["a"]
    assert "https://x/start" == stores(found)["old"]["start_url"]
    assert "a" == stores(found)["r"]["credentials_from"]


def test_profiles_without_a_role_are_named_as_they_are() -> None:
    """The configuration refers by name to profiles that have keys, a program or no settings of their own."""
    text = "[profile p]\ncredential_process = x\nendpoint_url = http://localhost\noutput = json\n"
    found = made(f"{text}[profile a]\n{ROLE}source_profile = p\n")

    assert {"p", "base"} == {profile.name for profile in found.as_they_are}
    assert "p" == stores(found)["a"]["profile"]
    assert () == found.notes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"[profile a]\n{ROLE}", "neither `source_profile` nor"),
        (f"[profile a]\n{ROLE}source_profile = base\ncredential_source = Environment\n", "both"),
        (f"[profile a]\n{ROLE}credential_source = Moon\n", "is none of"),
        (f"[profile a]\n{ROLE}source_profile = nobody\n", "no profile `nobody`"),
        (f"[profile a]\n{ROLE}source_profile = a\n", "a -> a"),
        (f"[profile a]\n{ROLE}source_profile = b\n[profile b]\n{ROLE}source_profile = a\n", "a -> b -> a"),
        (f"[profile a]\n{ROLE}source_profile = b\n[profile b]\n{ROLE}source_profile = nobody\n", "became no store"),
        (f"[profile base]\n{ROLE}source_profile = base\n", "keys and a role"),
        (f"[profile a]\n{ROLE}source_profile = base\n[profile base]\n{ROLE}source_profile = x\n", "keys and a role"),
        ("[profile a]\nrole_arn = Role\nsource_profile = base\n", "role's ARN"),
        ("[profile a]\nrole_arn =\nsource_profile = base\n", "is left out"),
        (f"[profile a]\n{ROLE.strip()} # mine\nsource_profile = base\n", "role's ARN"),
        (f"[profile a]\n{ROLE}source_profile = base\nrole_session_name = a b\n", "role_session_name"),
        (f"[profile a]\n{ROLE}source_profile = base\nexternal_id = x\n", "external_id"),
        ("[profile a]\nsso_session = gone\nsso_account_id = 012345678901\nsso_role_name = R\n", "[sso-session gone]"),
        ("[profile a]\nsso_session = gone\nsso_role_name = R\n", "[sso-session gone]"),
        ("[profile a]\nweb_identity_token_file = /t\n", "role_arn"),
    ],
)
def test_a_profile_without_an_equivalent_is_left_out(text: str, says: str) -> None:
    """A profile that no store can express is left out, with a note of the reason and the line."""
    found = made(text)

    assert not [store for store in found.stores if store.profile in {"a", "base"}]
    assert [note for note in found.notes if says in note and "is left out" in note], found.notes
    assert all(":" in note for note in found.notes)


@pytest.mark.parametrize("written", ["soon", "10", "43201", "3600 # an hour"])
def test_a_duration_that_aws_refuses_is_left_out_alone(written: str) -> None:
    """If AWS would refuse a profile's duration, only the duration is left out.

    The duration does not affect the identity.
    """
    found = made(f"[profile a]\n{ROLE}source_profile = base\nduration_seconds = {written}\n")

    assert {"profile", "role_arn"} == stores(found)["a"].keys()
    assert "config:4" in found.notes[0]


def test_an_external_id_is_a_variable_unless_it_is_kept() -> None:
    """External IDs become variables, numbered if their names are equal, unless the user chooses to keep the values."""
    text = "".join(
        f"[profile {name}]\n{ROLE}source_profile = base\nexternal_id = hush-{name}\n" for name in ("a-b", "a_b", "9")
    )
    found = made(text)

    variables = ["A_B_EXTERNAL_ID", "A_B_EXTERNAL_ID_2", "_9_EXTERNAL_ID"]
    assert variables == [name for name, _ in found.variables]
    assert [f"${{{name}}}" for name in variables] == [store["external_id"] for store in stores(found).values()]
    assert "hush" not in repr(found.stores) + repr(found.notes)
    assert "hush-9" == stores(made(text, keeps_external_ids=True))["9"]["external_id"]


def test_names_that_no_store_can_have_are_changed_with_a_note() -> None:
    """Profile names that no store can have are changed to distinct valid names, with a note."""
    text = "".join(f"[profile '{name}']\n{ROLE}source_profile = base\n" for name in ("a b", "a/b", "a-b", "://"))
    found = made(text)

    assert ["a-b", "a-b-2", "a-b-3", "profile"] == [store.name for store in found.stores]
    assert 4 == len(found.notes)


def test_keys_without_a_counterpart_give_one_note_per_profile() -> None:
    """A profile with settings that dsops cannot express gets one note for all of them."""
    found = made(
        f"[profile a]\n{ROLE}source_profile = base\noutput = json\ns3 =\n  x = 1\nservices = local\n"
        "endpoint_url = http://localhost\n"
    )

    assert ["`services` is not followed", "`output`, `s3` means nothing"] == [
        note.partition("): ")[2].partition(": set")[0].partition(" to dsops")[0] for note in found.notes
    ]


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="[]'\"\\"), min_size=1)
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1).map(str.strip).filter(bool)


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4, unique_by=lambda pair: pair[0].strip()))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    """For any profile names the written configuration is valid, and each store has the imported settings."""
    path = tmp_path_factory.mktemp("yaml") / "dsops.yaml"
    text = "".join(
        f"[profile '{name}']\n{ROLE}source_profile = {source}\n" for name, source in pairs if name.strip() == name
    )
    sources = "".join(f"[{source}]\naws_access_key_id = x\n" for source in {source for _, source in pairs})
    result = made(text, credentials=sources)
    path.write_text(to_yaml(result, "~/.aws/config"), encoding="utf-8")
    config = load(folder=str(path.parent), environ={}, named=str(path))

    assert () == check_limits(config, BUILTIN_TYPES)
    assert [store.name for store in result.stores] == list(config.stores)
    for store in result.stores:
        for key, value in store.settings[1:]:
            node = config.stores[store.name].fields[key].node
            assert isinstance(node, Scalar)
            assert value == node.text
            if key == "profile":
                plain = expand_node(node, InterpolationNames({}), "file", "path")
                assert isinstance(plain, Scalar)
                assert plain.text in {source for _, source in pairs}


def layer(
    config: str, names: tuple[str, ...] | None, credentials: str = KEYS
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the type of each store of the layer of profiles, and the notes."""
    profiles = read_profiles(SourceText(text=config, shown="config"), SourceText(text=credentials, shown="credentials"))
    sections, notes = profile_sections(profiles, names)
    return {
        name: str(getattr(part.entries["type"].node, "text", "")) for name, (part,) in sections.stores.items()
    }, notes


def test_every_profile_with_credentials_is_a_store_of_the_layer() -> None:
    """Profiles with keys, a program, a login or temporary keys become stores under their exact names."""
    config = (
        f"[profile 'my role']\n{ROLE}source_profile = base\n[profile program]\ncredential_process = x\n"
        "[profile empty]\nregion = us-east-1\n[profile login]\nlogin_session = arn:aws:iam::111111111111:user/a\n"
    )
    credentials = f"{KEYS}[temporary]\naws_access_key_id = ASIA\naws_secret_access_key = b\naws_session_token = c\n"
    assert layer(config, None, credentials)[0] == {
        "my role": "aws.sts",
        "program": "aws.profile",
        "login": "aws.profile",
        "base": "aws.sts",
        "temporary": "aws.profile",
    }


def test_the_layer_has_the_named_profiles_and_their_sources() -> None:
    """The layer has the named profiles and their source profiles.

    If no named profile exists, the layer has all profiles.
    """
    config = f"[profile a]\n{ROLE}source_profile = b\n[profile b]\n{ROLE}source_profile = base\n[profile c]\n{ROLE}"
    assert list(layer(config, ("b",))[0]) == ["b"]
    assert list(layer(config, ("a",))[0]) == ["b", "a"]
    assert list(layer(config, ("none",))[0]) == ["b", "a", "base"]


def test_only_notes_about_named_profiles_are_shown() -> None:
    """The layer's notes are only about the named profiles, since other profiles don't concern the run."""
    config = f"[profile a]\n{ROLE}source_profile = gone\n[profile b]\n{ROLE}source_profile = gone\n"
    assert [note.partition(" (")[0] for note in layer(config, ("a",))[1]] == ["profile `a`"]
    assert layer(config, None)[1] == ()
    assert layer("", ("base",))[1] == ()


def test_a_users_key_becomes_a_session_with_the_profiles_device() -> None:
    """A store made from a profile with a long-term key calls GetSessionToken.

    The store has the profile's `mfa_serial` and region.
    """
    device = "arn:aws:iam::111111111111:mfa/me"
    config = f"[profile base]\nmfa_serial = {device}\nregion = eu-west-1\n"
    profiles = read_profiles(SourceText(text=config, shown="config"), SourceText(text=KEYS, shown="credentials"))
    result = make_stores(profiles, ("base",), is_layer=True)
    assert stores(result) == {"base": {"profile": "base", "serial_number": device, "region": "eu-west-1"}}


SHARED = f"[profile a]\n{ROLE}source_profile = base\nmfa_serial = arn:aws:iam::111111111111:mfa/me\n"


def test_a_role_with_mfa_shares_the_session_of_its_source_profile() -> None:
    """A role whose source profile has a long-term key uses a GetSessionToken session, also in an imported file."""
    assert stores(made(SHARED))["a"]["mfa_session"] == "true"
    assert "    mfa_session: true\n" in to_yaml(made(SHARED), "config")


@pytest.mark.parametrize(
    ("config", "credentials"),
    [
        (f"{SHARED}duration_seconds = 3601\n", KEYS),
        (SHARED.replace("mfa_serial", "other"), KEYS),
        (SHARED, f"{KEYS}aws_session_token = hush\n"),
        (SHARED, f"{KEYS}aws_security_token = hush\n"),
        (f"{SHARED}[profile base]\ncredential_process = x\n", KEYS),
        (f"{SHARED}[profile base]\ncredential_process = x\n", ""),
        (f"{SHARED}[profile base]\nsso_account_id = 1\n", KEYS),
        (f"{SHARED.replace('source_profile = base', 'credential_source = Environment')}", KEYS),
    ],
)
def test_a_role_that_may_start_from_a_session_shares_none(config: str, credentials: str) -> None:
    """A role gets no `mfa_session` if it cannot share its source profile's session.

    That is a role without a device, with a duration over an hour, or whose source may be a session.
    """
    settings = stores(made(config, "a", credentials=credentials))["a"]
    assert "mfa_session" not in settings
    assert settings["role_arn"] == "arn:aws:iam::111111111111:role/Role"
