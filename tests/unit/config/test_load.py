"""Load a configuration: sections, defaults, extends, includes, overrides."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dsops.config import load
from dsops.document import Scalar, to_plain
from dsops.errors import ConfigError, Where
from dsops.model import Config
from dsops.schema import StoreType
from tests.unit.config.conftest import Configured, Refused

ROLE = "arn:aws:iam::123456789012:role/App"


def fields(config: Config, store: str) -> dict[str, object]:
    """Return a store's fields as plain values."""
    return {name: to_plain(field.node) for name, field in config.stores[store].fields.items()}


def literals(config: Config, environment: str) -> dict[str, str]:
    """Return an environment's literal values."""
    variables = config.environments[environment].variables
    return {name: variable.literal.text if variable.literal else "" for name, variable in variables.items()}


class TestTopLevel:
    """The sections of a configuration and their types."""

    @pytest.mark.parametrize("version", ["", "version: 1", "version: 0", 'version: "1"', "version:"])
    def test_versions_0_and_1_and_none_are_read(self, configured: Configured, version: str) -> None:
        """Version 0 (the original dsops), version 1 (the AWS STS page) and a missing version are accepted."""
        assert list(configured(f"{version}\nenvs: {{p: }}").environments) == ["p"]

    @pytest.mark.parametrize("version", ["2", '"one"', "1.0", "[1]", '""'])
    def test_other_versions_are_refused(self, refused: Refused, version: str) -> None:
        """A version other than 0 and 1 is refused."""
        problems = refused(f"envs: {{}}\nversion: {version}")
        assert [(problem.where.line, problem.path, problem.hint) for problem in problems] == [
            (2, "version", "write `version: 1`")
        ]

    def test_sections_may_be_empty(self, configured: Configured) -> None:
        """A section without a value is empty."""
        config = configured("secretStores:\nproviders:\nenvs:\ndefaults:\n")
        assert (config.stores, config.environments, config.default_environment) == ({}, {}, "")

    def test_keys_that_begin_with_x_keep_anchors(self, configured: Configured) -> None:
        """Keys that begin with `x-` are ignored, so that they can contain anchors."""
        config = configured(
            f"x-sts: &sts {{type: aws.sts, role_arn: '{ROLE}'}}\nsecretStores: {{a: *sts, b: {{<<: *sts}}}}"
        )
        assert list(config.stores) == ["a", "b"]
        assert fields(config, "b") == {"role_arn": ROLE}

    def test_sections_of_the_original_get_a_note(self, configured: Configured) -> None:
        """Sections of the original dsops that have no meaning here are ignored with a note."""
        config = configured("envs: {}\npolicies: {a: 1}\nservices: []\n")
        assert config.notes == (
            "`policies` (dsops.yaml:2) is a key of the original dsops without a meaning here",
            "`services` (dsops.yaml:3) is a key of the original dsops without a meaning here",
        )

    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("secretstores: {}", "did you mean `secretStores`?"),
            ("secret_stores: {}", "did you mean `secretStores`?"),
            ("environments: {}", "did you mean `envs`?"),
            ("default-env: p", "did you mean `default_env`?"),
            ("common: {}", "keys that only keep anchors start with `x-`"),
            ("prod: {type: aws.sts}", "it looks like a store: put it under `secretStores:`"),
            ("audit: off", "it is a setting of yours, and belongs into ~/.config/dsops/config.yaml"),
            ("keyring: [file]", "it is a setting of yours, and belongs into ~/.config/dsops/config.yaml"),
            ("session_policy: '{}'", "put it into a store in `secretStores:`"),
        ],
    )
    def test_other_keys_are_refused_with_what_was_meant(self, refused: Refused, text: str, hint: str) -> None:
        """The error for an unknown key suggests a similar name, or the section to which the key belongs."""
        assert [problem.hint for problem in refused(text)] == [hint]

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("secretStores: [a]", "secretStores"),
            ("envs: p", "envs"),
            ("defaults: 1", "defaults"),
            ("secretStores: {a: x}", "secretStores.a"),
            ("envs: {p: [X]}", "envs.p"),
            ("default_env: [p]", "default_env"),
            ("default_env:", "default_env"),
        ],
    )
    def test_wrong_shapes_are_refused(self, refused: Refused, text: str, path: str) -> None:
        """A list in place of a mapping is refused."""
        assert [problem.path for problem in refused(text)] == [path]

    @pytest.mark.parametrize("name", ["a b", "a/b", "a:b", "a#b", "a?b", "-a", "${A}", '"a\\n"', '""'])
    def test_names_that_could_not_be_written_in_a_reference_are_refused(self, refused: Refused, name: str) -> None:
        """Names of stores and environments that a reference cannot contain are refused."""
        name = name if name.startswith('"') else f'"{name}"'
        problems = refused(f"secretStores:\n  {name}: {{type: literal, values: {{}}}}\nenvs:\n  {name}: {{}}\n")
        assert [problem.where.line for problem in problems] == [2, 4]
        assert all("can't be a name" in problem.message for problem in problems)

    @pytest.mark.parametrize("escape", [r"\x9b", r"\u202e", r"\u200b", r"\u2028"])
    def test_a_name_that_moves_a_cursor_or_hides_is_refused(self, refused: Refused, escape: str) -> None:
        """Names with control or invisible characters are refused, because they could look like another name."""
        problems = refused(f'secretStores:\n  "a{escape}b": {{type: literal, values: {{}}}}\n')
        assert ["can't be a name" in problem.message for problem in problems] == [True]

    @pytest.mark.parametrize("name", ["a", "aws-sts_prod.1", "012345678901", "プロダクション", "on"])
    def test_other_names_are_good(self, configured: Configured, name: str) -> None:
        """Other names of stores and environments are accepted, and numbers keep their leading zeros."""
        config = configured(f"secretStores: {{{name}: {{type: literal, values: {{}}}}}}\nenvs: {{{name}: {{}}}}")
        assert ([name], [name]) == (list(config.stores), list(config.environments))

    def test_default_env_has_to_exist(self, configured: Configured, refused: Refused) -> None:
        """An unknown `default_env` is refused with a suggestion."""
        assert configured("default_env: prod\nenvs: {prod: }").default_environment == "prod"
        problems = refused("default_env: prd\nenvs: {prod: }")
        assert [(problem.message, problem.hint) for problem in problems] == [
            ("there is no environment `prd`", "did you mean `prod`?")
        ]

    def test_all_problems_are_told_in_the_order_of_the_file(self, refused: Refused) -> None:
        """All problems are reported, in the order of the file."""
        problems = refused(
            "default_env: x\n"
            "envs:\n"
            "  p:\n"
            "    A B: {literal: 1}\n"
            "    C: {from: 'no:k'}\n"
            "secretStores:\n"
            "  a: {type: aws.sts, role_arm: x}\n"
            "  a: {type: aws.sts}\n"
            "nope: 1\n"
        )
        assert [problem.where.line for problem in problems] == [1, 4, 5, 7, 8, 9]
        assert all(problem.where.file == "dsops.yaml" for problem in problems)

    def test_very_many_problems_are_counted_but_not_all_told(self, configured: Configured) -> None:
        """Of very many problems, the first hundred are shown and the rest are counted."""
        started = time.process_time()
        with pytest.raises(ConfigError, match="it has 20000 problems") as raised:
            configured("\n".join(f"key{number}: 1" for number in range(20_000)))
        assert time.process_time() - started < 10
        assert len(raised.value.problems) == 100
        assert raised.value.why == "the first 100 are shown"


class TestStores:
    """Stores and their fields."""

    def test_fields_keep_what_was_written_and_where(self, configured: Configured) -> None:
        """Fields keep text and line as written, with unexpanded variables and leading zeros."""
        config = configured(f"secretStores:\n  a:\n    type: aws.sts\n    role_arn: {ROLE}\n    token_code: 012345\n")
        assert config.stores["a"].where == Where("dsops.yaml", 2)
        field = config.stores["a"].fields["token_code"]
        assert (field.node, field.where) == (Scalar("012345", "integer", 5), Where("dsops.yaml", 5))

    def test_providers_are_stores(self, configured: Configured) -> None:
        """Entries of `providers` (the original dsops' name of the section) are stores."""
        config = configured(
            "providers: {a: {type: literal, values: {k: v}}}\nenvs: {p: {A: {from: {provider: a, key: k}}}}"
        )
        assert list(config.stores) == ["a"]

    def test_a_name_in_both_sections_is_refused(self, refused: Refused) -> None:
        """A name in both `secretStores` and `providers` is refused; the original dsops silently used one of them."""
        problems = refused(
            "secretStores: {a: {type: literal, values: {}}}\nproviders: {a: {type: literal, values: {}}}"
        )
        assert [(problem.where.line, problem.message) for problem in problems] == [
            (2, "`a` stands in both `secretStores` and `providers`")
        ]

    def test_old_names_become_new_ones_with_one_note_each(self, configured: Configured) -> None:
        """Old key names are replaced by the new ones, with one note for each."""
        config = configured(
            "providers:\n"
            f"  a: {{type: aws.sts, assume_role: '{ROLE}', duration: 900}}\n"
            f"  b: {{type: aws.sts, assume_role: '{ROLE}', mfa_serial_number: GAHT12345678, mfa_token_code: 012345}}\n"
        )
        assert fields(config, "a") == {"role_arn": ROLE, "duration_seconds": 900}
        assert list(config.stores["b"].fields) == ["role_arn", "serial_number", "token_code"]
        assert config.notes == (
            "`assume_role` (dsops.yaml:2) is an old name of `role_arn`",
            "`duration` (dsops.yaml:2) is an old name of `duration_seconds`",
            "`mfa_serial_number` (dsops.yaml:3) is an old name of `serial_number`",
            "`mfa_token_code` (dsops.yaml:3) is an old name of `token_code`",
        )

    def test_an_old_name_beside_the_new_one_is_refused(self, refused: Refused) -> None:
        """A store with both the old and the new name of a key is refused."""
        problems = refused(f"secretStores: {{a: {{type: aws.sts, role_arn: '{ROLE}', assume_role: '{ROLE}'}}}}")
        assert [problem.hint for problem in problems] == ["remove `assume_role`"]

    def test_an_unused_store_of_an_unknown_type_is_ignored(self, configured: Configured) -> None:
        """A store of unknown type can have any fields and be referenced, and is an error only if a plan uses it."""
        config = configured(
            "secretStores: {v: {type: vault, addr: [1], path: {a: b}}}\n"
            "envs: {p: {A: {from: 'v:k'}}, q: {B: {literal: x}}}\n"
        )
        assert (config.stores["v"].type, fields(config, "v")) == ("vault", {"addr": [1], "path": {"a": "b"}})

    def test_a_known_types_fields_are_checked(self, refused: Refused) -> None:
        """Unknown, missing and mistyped fields of a known type are refused."""
        problems = refused(
            "secretStores:\n"
            "  a:\n"
            "    type: aws.sts\n"
            "    duraton_seconds: 900\n"
            "    tags: [x]\n"
            "  b: {type: aws.secretsmanager, batch: sometimes}\n"
            "  c: {region: us-east-1}\n"
            "  d: {type: '${T}'}\n"
        )
        assert [(problem.where.line, problem.path) for problem in problems] == [
            (2, "secretStores.a"),
            (4, "secretStores.a.duraton_seconds"),
            (5, "secretStores.a.tags"),
            (6, "secretStores.b.batch"),
            (7, "secretStores.c.type"),
            (8, "secretStores.d.type"),
        ]

    def test_what_aws_would_refuse_is_left_to_the_plan(self, configured: Configured) -> None:
        """AWS's limits are checked in the plan, so that an unused store causes no error."""
        config = configured(f"secretStores: {{a: {{type: aws.sts, role_arn: '{ROLE}', duration_seconds: 86400}}}}")
        assert fields(config, "a")["duration_seconds"] == 86400

    def test_texts_with_names_wait_for_the_plan(self, configured: Configured, refused: Refused) -> None:
        """A field with variables is checked in the plan; IAM policy variables are not such variables."""
        config = configured(f"secretStores: {{a: {{type: aws.sts, role_arn: '{ROLE}', duration_seconds: '${{D}}'}}}}")
        assert fields(config, "a")["duration_seconds"] == "${D}"
        problems = refused("secretStores: {a: {type: aws.sts, role_arn: ['${A}'], duration_seconds: '${aws:x}'}}")
        assert [problem.path for problem in problems] == ["secretStores.a.role_arn", "secretStores.a.duration_seconds"]

    def test_an_unencrypted_endpoint_is_refused(self, refused: Refused) -> None:
        """An endpoint without TLS is refused even in an unused store."""
        problems = refused("secretStores: {a: {type: aws.ssm, endpoint_url: 'http://ssm.example'}}")
        assert ["secretStores.a.endpoint_url"] == [problem.path for problem in problems]


def test_a_type_is_looked_up_once_however_many_stores_have_it(tmp_path: Path) -> None:
    """A plugin's type is looked up once for all its stores, because a lookup scans all installed packages."""

    class Types(dict[str, StoreType]):
        """Counts the lookups."""

        looks = 0

        def get(self, name: str, default: object = None) -> StoreType | None:  # type: ignore[override]
            """The type, if there is one."""
            del default
            self.looks += name == "vault"
            return None

    stores = "".join(f"  v{number}: {{type: vault, credentials_from: v0}}\n" for number in range(100))
    (tmp_path / "dsops.yaml").write_text(f"defaults: {{vault: {{x: y}}}}\nsecretStores:\n{stores}")
    types = Types()
    assert len(load(folder=str(tmp_path), environ={"HOME": str(tmp_path)}, types=types).stores) == 100
    assert types.looks == 1


def test_an_empty_type_is_missing(refused: Refused) -> None:
    """A store with `type:` and no value lacks its type; no other key is suggested."""
    (problem,) = refused("secretStores:\n  a:\n    type:\n    region: us-east-1\n")
    assert (problem.path, problem.message) == ("secretStores.a.type", "`type` is missing")


class TestDefaults:
    """The section `defaults`, by store type."""

    def test_stores_of_that_type_get_them(self, configured: Configured) -> None:
        """Defaults apply to all stores of their type; a store's own fields override them, and null removes one."""
        config = configured(
            "defaults:\n"
            "  aws.sts: {region: eu-west-1, duration: 900}\n"
            "secretStores:\n"
            f"  a: {{type: aws.sts, role_arn: '{ROLE}'}}\n"
            f"  b: {{type: aws.sts, role_arn: '{ROLE}', region: us-east-1, duration_seconds: null}}\n"
            "  c: {type: aws.ssm}\n"
        )
        assert fields(config, "a") == {"region": "eu-west-1", "duration_seconds": 900, "role_arn": ROLE}
        assert fields(config, "b") == {"region": "us-east-1", "role_arn": ROLE}
        assert fields(config, "c") == {}

    def test_they_can_give_what_is_required(self, configured: Configured) -> None:
        """Defaults can supply required fields."""
        assert configured(f"defaults: {{aws.sts: {{role_arn: '{ROLE}'}}}}\nsecretStores: {{a: {{type: aws.sts}}}}")

    def test_they_are_checked_once(self, refused: Refused) -> None:
        """Mistakes in defaults are reported once, even if no store has the type."""
        problems = refused(
            "defaults:\n"
            "  aws.sts: {regoin: x}\n"
            "  aws.ssm: {with_decryption: maybe, type: aws.ssm}\n"
            "  aws.stss: {}\n"
            "secretStores:\n"
            f"  a: {{type: aws.sts, role_arn: '{ROLE}'}}\n"
            f"  b: {{type: aws.sts, role_arn: '{ROLE}'}}\n"
        )
        assert [(problem.where.line, problem.hint) for problem in problems] == [
            (2, "did you mean `region`?"),
            (3, ""),
            (3, ""),
            (4, "did you mean `aws.sts`?"),
        ]

    def test_those_of_an_unknown_type_that_is_used_are_nobodys_business(self, configured: Configured) -> None:
        """Defaults of an unknown type are accepted if a store has the type, because its plugin may be missing here."""
        assert configured("defaults: {vault: {addr: x}}\nsecretStores: {v: {type: vault}}")


class TestExtends:
    """Inheritance by `extends`, for stores and environments."""

    def test_a_store_inherits_what_it_does_not_say(self, configured: Configured) -> None:
        """A store's own fields override those of its bases, and later bases override earlier ones.

        Bases override defaults.
        """
        config = configured(
            "defaults: {aws.sts: {region: eu-west-1}}\n"
            "secretStores:\n"
            "  one: {type: aws.sts, role_session_name: one, external_id: one}\n"
            "  two: {role_session_name: two}\n"
            f"  a: {{extends: [one, two], role_arn: '{ROLE}', region: us-east-1}}\n"
            f"  b: {{extends: a, external_id: ~}}\n"
        )
        assert config.stores["b"].type == "aws.sts"
        assert fields(config, "b") == {"region": "us-east-1", "role_session_name": "two", "role_arn": ROLE}

    def test_a_base_may_be_incomplete_while_no_store_uses_it(self, configured: Configured, refused: Refused) -> None:
        """A base may lack required fields as long as no plan uses it."""
        base = "secretStores:\n  base: {type: aws.sts, role_session_name: ada}\n"
        text = f"{base}  a: {{extends: base, role_arn: '{ROLE}'}}\n"
        assert list(configured(text).stores) == ["base", "a"]
        for use in ("envs: {p: {A: {from: 'base:access_key_id'}}}", "  m: {type: aws.ssm, credentials_from: base}"):
            assert [entry.message for entry in refused(text + use)] == ["`role_arn` is missing"]

    def test_a_base_without_a_type_is_no_store(self, configured: Configured) -> None:
        """A base without a type is no store and only passes on its fields."""
        config = configured("secretStores:\n  base: {region: us-east-1}\n  a: {extends: base, type: aws.ssm}\n")
        assert list(config.stores) == ["a"]

    def test_a_mistake_in_a_base_is_told_once(self, refused: Refused) -> None:
        """A mistake in a base is reported once, at the base."""
        stores = "\n".join(f"  s{number}: {{extends: base, role_arn: '{ROLE}'}}" for number in range(30))
        problems = refused(f"secretStores:\n  base: {{type: aws.sts, regoin: x}}\n{stores}\n")
        assert [(problem.where.line, problem.path) for problem in problems] == [(2, "secretStores.base.regoin")]

    def test_a_cycle_is_named_whole(self, refused: Refused) -> None:
        """A cycle of `extends` is reported once, with all names in the cycle."""
        problems = refused(
            "secretStores:\n"
            "  x: {type: aws.ssm, extends: a}\n"
            "  a: {extends: b}\n"
            "  b: {extends: c}\n"
            "  c: {extends: a}\n"
            "envs:\n"
            "  p: {extends: q}\n"
            "  q: {extends: p}\n"
        )
        assert [problem.message for problem in problems] == [
            "stores extend each other: a -> b -> c -> a",
            "environments extend each other: p -> q -> p",
        ]

    def test_a_base_has_to_exist_and_be_of_the_same_type(self, refused: Refused) -> None:
        """A base must exist (the error suggests a similar name) and have the same type."""
        problems = refused(
            "secretStores:\n"
            "  base: {type: aws.ssm}\n"
            "  a: {extends: bse, type: aws.ssm}\n"
            "  b: {extends: base, type: aws.secretsmanager}\n"
            "  c: {extends: {x: y}, type: aws.ssm}\n"
            "envs:\n"
            "  prod: {extends: [prood]}\n"
        )
        assert [(problem.message, problem.hint) for problem in problems] == [
            ("there is no store `bse`", "did you mean `base`?"),
            ("a store of type aws.secretsmanager can't extend one of another type", ""),
            ("`extends` takes one name or a list of names", ""),
            ("there is no environment `prood`", "did you mean `prod`?"),
        ]

    def test_a_chain_without_end_is_refused(self, refused: Refused) -> None:
        """More than 50 levels of `extends` are refused, for stores and environments."""
        stores = "\n".join(f"  s{number}: {{extends: s{number + 1}}}" for number in range(2000))
        environments = "\n".join(f"  e{number}: {{extends: e{number + 1}}}" for number in range(2000))
        problems = refused(
            f"secretStores:\n{stores}\n  s2000: {{type: aws.ssm}}\nenvs:\n{environments}\n  e2000: {{}}\n"
        )
        assert {problem.message for problem in problems} == {"`extends` goes more than 50 deep"}

    def test_an_environment_inherits_variables_in_order(self, configured: Configured) -> None:
        """Own variables replace inherited ones in place, null removes a variable, and new variables follow."""
        config = configured(
            "envs:\n"
            "  base: {A: {literal: 1}, B: {literal: 2}, C: {literal: 3}}\n"
            "  more: {C: {literal: 4}}\n"
            "  p: {extends: [base, more], D: {literal: 5}, A: {literal: 6}, B: }\n"
        )
        assert list(literals(config, "p").items()) == [("A", "6"), ("C", "4"), ("D", "5")]
        assert literals(config, "base") == {"A": "1", "B": "2", "C": "3"}


class TestFiles:
    """Included files and the local file."""

    def test_the_local_file_overrides_store_by_field_and_environment_by_variable(self, configured: Configured) -> None:
        """The local file overrides stores by field and environments by variable."""
        config = configured(
            "default_env: p\nsecretStores:\n"
            f"  a: {{type: aws.sts, role_arn: '{ROLE}', region: us-east-1, profile: x}}\n"
            "envs: {p: {A: {literal: 1}, B: {literal: 2}}, q: {}}\n",
            dsops__local__yaml="default_env: q\n"
            "secretStores: {a: {region: eu-west-1, profile: ~}, b: {type: aws.ssm}}\n"
            "envs: {p: {B: {from: 'b:k'}, C: {literal: 3}}}\n",
        )
        assert fields(config, "a") == {"role_arn": ROLE, "region": "eu-west-1"}
        assert config.stores["a"].fields["region"].where == Where("dsops.local.yaml", 2)
        assert list(config.stores) == ["a", "b"]
        assert config.default_environment == "q"
        assert literals(config, "p") == {"A": "1", "B": "", "C": "3"}
        assert config.environments["p"].variables["B"].reference is not None

    def test_a_folder_in_the_local_files_place_is_told(self, configured: Configured, tmp_path: Path) -> None:
        """A folder in place of the local file is an error, and its descriptor is closed."""
        (tmp_path / "dsops.local.yaml").mkdir()
        before = os.dup(0)
        os.close(before)
        with pytest.raises(ConfigError, match=r"dsops\.local\.yaml can't be read: it is a folder"):
            configured("envs: {p: {}}\n")
        after = os.dup(0)
        os.close(after)
        assert after == before

    def test_another_type_in_the_local_file_replaces_the_store(self, configured: Configured) -> None:
        """If the local file gives a store another type, the local entry replaces the whole store."""
        config = configured(
            "secretStores: {a: {type: aws.secretsmanager, region: us-east-1}}\n",
            dsops__local__yaml="secretStores: {a: {type: literal, values: {k: v}}}\n",
        )
        assert fields(config, "a") == {"values": {"k": "v"}}

    def test_included_files_come_first_and_the_including_one_wins(self, configured: Configured) -> None:
        """The including file overrides included files, and later included files override earlier ones.

        Paths are relative to the including file.
        """
        config = configured(
            "include: [sub/a.yaml, b.yaml]\nenvs: {p: {C: {literal: main}}}\n",
            sub_in_a__yaml="include: deep.yaml\nenvs: {p: {A: {literal: a}, B: {literal: a}, C: {literal: a}}}\n",
            sub_in_deep__yaml="envs: {p: {A: {literal: deep}, D: {literal: deep}}}\n",
            b__yaml="envs: {p: {B: {literal: b}}}\n",
            dsops__local__yaml="include: b.yaml\n",
        )
        assert literals(config, "p") == {"A": "a", "B": "b", "C": "main", "D": "deep"}
        assert [file.path.rpartition("/")[2] for file in config.files] == [
            "dsops.yaml",
            "dsops.local.yaml",
            "a.yaml",
            "deep.yaml",
            "b.yaml",
        ]

    def test_problems_are_told_file_by_file(self, refused: Refused) -> None:
        """Problems are grouped by file, under the file's name, with the main file first."""
        problems = refused(
            "nope: 1\ninclude: sub/a.yaml\n", sub_in_a__yaml="a: [\n", dsops__local__yaml="version: 7\nnope: 1\n"
        )
        assert [str(problem.where) for problem in problems] == [
            "dsops.yaml:1",
            "dsops.local.yaml:1",
            "dsops.local.yaml:2",
            "sub/a.yaml:2",
        ]

    def test_a_cycle_of_includes_is_named_whole(self, refused: Refused) -> None:
        """A cycle of includes is reported with all files in the cycle."""
        problems = refused("include: a.yaml", a__yaml="include: b.yaml", b__yaml="include: ./a.yaml")
        assert [(str(problem.where), problem.message) for problem in problems] == [
            ("b.yaml:1", "files include each other: a.yaml -> b.yaml -> a.yaml")
        ]

    def test_the_same_file_by_two_ways_is_no_cycle(self, configured: Configured) -> None:
        """A file that is included twice is read once."""
        config = configured(
            "include: [a.yaml, b.yaml]", a__yaml="include: c.yaml", b__yaml="include: c.yaml", c__yaml="envs: {p: }"
        )
        assert (list(config.environments), len(config.files)) == (["p"], 4)

    @pytest.mark.parametrize(
        ("include", "message"),
        [
            ("nope.yaml", "there is no file `nope.yaml`"),
            ("sub", "there is no file `sub`"),
            ("'${A}.yaml'", "`${...}` is not replaced in the path of an include"),
            ("{a: b}", "`include` takes the path of a file, or a list of such paths"),
            ('"a\\0b"', "`include` takes the path of a file, or a list of such paths"),
            ("[[a]]", "`include` takes the path of a file, or a list of such paths"),
            ("", "`include` takes the path of a file, or a list of such paths"),
        ],
    )
    def test_wrong_includes_are_refused(self, refused: Refused, include: str, message: str) -> None:
        """An invalid `include` is refused with its line."""
        problems = refused(f"version: 1\ninclude: {include}\n", sub_in_x__yaml="")
        assert [(problem.where.line, problem.message) for problem in problems] == [(2, message)]

    def test_includes_end_somewhere(self, refused: Refused) -> None:
        """Includes that are nested deeper than the limit are refused."""
        files = {f"f{number}__yaml": f"include: f{number + 1}.yaml" for number in range(20)}
        problems = refused("include: f0.yaml", f20__yaml="version: 1", **files)
        assert [str(problem.where) for problem in problems] == ["f9.yaml:1"]


class TestGraph:
    """The graph that `credentials_from` defines."""

    def test_a_cycle_is_named_whole(self, refused: Refused) -> None:
        """A cycle of sources is reported once, at its first store in the file, not at stores that lead into it."""
        problems = refused(
            "secretStores:\n"
            f"  x: {{type: aws.ssm, credentials_from: a}}\n"
            f"  a: {{type: aws.sts, role_arn: '{ROLE}', credentials_from: b}}\n"
            f"  b: {{type: aws.sts, role_arn: '{ROLE}', credentials_from: c}}\n"
            f"  c: {{type: aws.sts, role_arn: '{ROLE}', credentials_from: a}}\n"
            f"  d: {{type: aws.sts, role_arn: '{ROLE}', credentials_from: d}}\n"
        )
        assert [(problem.where.line, problem.path, problem.message) for problem in problems] == [
            (3, "secretStores.a.credentials_from", "stores take their credentials from each other: a -> b -> c -> a"),
            (6, "secretStores.d.credentials_from", "`d` takes its credentials from itself"),
        ]

    def test_two_stores_may_share_a_hop(self, configured: Configured) -> None:
        """Two stores may use the same source of credentials."""
        assert configured(
            "secretStores:\n"
            f"  a: {{type: aws.sts, role_arn: '{ROLE}', credentials_from: c}}\n"
            f"  b: {{type: aws.sts, role_arn: '{ROLE}', credentials_from: c}}\n"
            f"  c: {{type: aws.sts, role_arn: '{ROLE}'}}\n"
        )

    def test_a_bad_source_is_refused(self, refused: Refused) -> None:
        """A source of credentials that is unknown, gives none or contains a variable is refused."""
        problems = refused(
            "secretStores:\n"
            f"  prod: {{type: aws.sts, role_arn: '{ROLE}'}}\n"
            "  a: {type: aws.ssm, credentials_from: prd}\n"
            "  b: {type: aws.ssm, credentials_from: a}\n"
            "  c: {type: aws.ssm, credentials_from: '${HOP}'}\n"
            "  d: {type: literal, values: {}, credentials_from: prod}\n"
        )
        assert [(problem.where.line, problem.message) for problem in problems] == [
            (3, "there is no store `prd`"),
            (4, "`a` is of type aws.ssm, which gives no credentials"),
            (5, "`credentials_from` names a store as it is written: `${...}` is not replaced"),
            (6, "literal has no key `credentials_from`"),
        ]

    def test_a_source_of_an_unknown_type_is_nobodys_business(self, configured: Configured) -> None:
        """A source of credentials of unknown type is accepted, because its plugin may give credentials."""
        assert configured("secretStores: {v: {type: vault}, a: {type: aws.ssm, credentials_from: v}}")


def test_a_thousand_stores_load_fast(configured: Configured) -> None:
    """A thousand stores load in far less CPU time than a user notices (0.1 s when written)."""
    stores = "".join(
        f"  s{number}:\n    type: aws.sts\n    region: us-east-1\n    role_arn: {ROLE}{number}\n"
        f"    role_session_name: dsops-{number}\n    external_id: ${{EXTERNAL_ID}}\n    credentials_from: s0\n"
        for number in range(1, 1001)
    )
    variables = "".join(f"    V{number}: {{from: 's{number}:access_key_id'}}\n" for number in range(1, 1001))
    text = f"secretStores:\n  s0: {{type: aws.sts, role_arn: '{ROLE}'}}\n{stores}envs:\n  p:\n{variables}"
    started = time.process_time()
    config = configured(text)
    assert time.process_time() - started < 2
    assert (len(config.stores), len(config.environments["p"].variables)) == (1001, 1000)
