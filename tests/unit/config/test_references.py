"""The notations of `from`, and the other keys of a variable."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from dsops.config import load
from dsops.errors import ConfigError, Where
from dsops.model import Text, Variable
from dsops.schema import BUILTIN_TYPES, StoreType
from tests.unit.config.conftest import Configured, Refused

STORES = "secretStores: {prod: {type: aws.secretsmanager}, lit: {type: literal, values: {k: v}}}\n"

Parts = tuple[str, str, str | None, str | None]


class VariableOf(Protocol):
    """Returns the variable with this YAML."""

    def __call__(self, yaml: str) -> Variable:
        """Return the variable, which is on line 4 of `dsops.yaml`."""


@pytest.fixture
def variable(configured: Configured) -> VariableOf:
    """Read a variable: `variable("{from: 'prod:key'}")`."""

    def read(yaml: str) -> Variable:
        config = configured(f"{STORES}envs:\n  p:\n    A: {yaml}\n")
        return config.environments["p"].variables["A"]

    return read


def parts(variable: Variable) -> Parts:
    """Return a reference's texts: store, key, version, field."""
    reference = variable.reference
    assert reference is not None
    version, field = reference.version, reference.field
    return reference.store, reference.key.text, version and version.text, field and field.text


class TestReferences:
    """The store, key, version and field that `from` refers to."""

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("{store: prod, key: db/password}", ("prod", "db/password", None, None)),
            ("{provider: prod, key: db}", ("prod", "db", None, None)),
            ("{store: prod, key: db, version: AWSPREVIOUS, field: .a.b}", ("prod", "db", "AWSPREVIOUS", ".a.b")),
            ("{store: prod, key: db, version: 3, field: 007}", ("prod", "db", "3", "007")),
            ("{store: prod, key: db, version: , field: ~}", ("prod", "db", None, None)),
            ("{store: prod, key: 'db#.a'}", ("prod", "db#.a", None, None)),
            ("{store: 'store://prod/db'}", ("prod", "db", None, None)),
            ("{store: 'store://prod/db?version=1', field: a}", ("prod", "db", "1", "a")),
            ("store://prod/db", ("prod", "db", None, None)),
            ("store://prod/a/b:c", ("prod", "a/b:c", None, None)),
            ("store://prod//abs/path", ("prod", "/abs/path", None, None)),
            ("store://prod/db#password", ("prod", "db", None, "password")),
            ("'store://prod/db#.a[0]?version=V'", ("prod", "db", "V", ".a[0]")),
            ("store://prod/db?version=V#.a", ("prod", "db", "V", ".a")),
            ("store://prod/db?version=V", ("prod", "db", "V", None)),
            (
                "store://prod/arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf#a",
                ("prod", "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf", None, "a"),
            ),
            (
                "'store://prod/${ENV:-a/b#c?d}/db#${F:?say which#}?version=${V}'",
                ("prod", "${ENV:-a/b#c?d}/db", "${V}", "${F:?say which#}"),
            ),
            ("prod:db", ("prod", "db", None, None)),
            ("prod:db:more/a", ("prod", "db:more/a", None, None)),
            ("prod:db#.a", ("prod", "db#.a", None, None)),
            ("'prod: db'", ("prod", "db", None, None)),
            ("'prod:${K:-x:y}'", ("prod", "${K:-x:y}", None, None)),
            ("'lit:k'", ("lit", "k", None, None)),
        ],
    )
    def test_are_read_in_every_form(self, variable: VariableOf, written: str, expected: Parts) -> None:
        """Every notation of `from` gives the same reference."""
        assert expected == parts(variable(f"{{from: {written}}}"))

    def test_every_text_has_its_place(self, configured: Configured) -> None:
        """Every text of a reference keeps its line, which errors after interpolation show."""
        config = configured(
            f"{STORES}envs:\n  p:\n    A:\n      from:\n        store: prod\n        key:\n          db\n"
        )
        one = config.environments["p"].variables["A"]
        assert one.where == Where("dsops.yaml", 4)
        assert one.reference is not None
        assert one.reference.where == Where("dsops.yaml", 6)
        assert one.reference.key == Text("db", Where("dsops.yaml", 8))

    @pytest.mark.parametrize(
        ("written", "path", "message"),
        [
            ("prod", "from", "`prod` names no key"),
            ("prod/db", "from", "`prod/db` is not a reference"),
            ("swordfish", "from", "`from` names no store and key"),
            ("'prod:'", "from", "`prod:` names no key"),
            ("''", "from", "`from` says nothing"),
            ("~", "from", "`from` says nothing"),
            ("[prod, db]", "from", "`from` takes one text or mapping, not a list"),
            ("store://prod", "from", "`store://prod` names no key"),
            ("store://prod/", "from", "`store://prod/` names no key"),
            ("'store://prod/#a'", "from", "`store://prod/#a` names no key"),
            ("'store://prod#a/b'", "from", "`store://prod#a/b` names no key"),
            ("store://prod/db?v=1", "from", "`?v=1` means nothing in a reference"),
            ("'store://prod/db?version=1&x=2'", "from", "`?version=1&x=2` means nothing in a reference"),
            ("'store://prod/db#a#b'", "from", "`#b` means nothing in a reference"),
            ("{key: db}", "from", "`from` names no store"),
            ("{store: prod}", "from", "`from` names no key"),
            (
                "{store: prod, provider: lit, key: db}",
                "from.provider",
                "`store` and `provider` are two words for the same",
            ),
            ("{store: prod, name: db}", "from.name", "`from` has no key `name`"),
            ("{store: prod, key: db, vers: 1}", "from.vers", "`from` has no key `vers`"),
            ("{store: prod, key: [db]}", "from.key", "`key` takes one text"),
            ("{store: 'store://prod/db', key: x}", "from.key", "`key` stands in `store://prod/db` and beside it"),
            (
                "{store: 'store://prod/d#a', field: b}",
                "from.field",
                "`field` stands in `store://prod/d#a` and beside it",
            ),
            ("{store: prd, key: db}", "from", "there is no store `prd`"),
            ("store://prd/db", "from", "there is no store `prd`"),
            ("prd:db", "from", "there is no store `prd`"),
            ("arn:aws:secretsmanager:us-east-1:1:secret:x", "from", "there is no store `arn`"),
            ("'${S}:db'", "from", "`from` names a store as it is written: `${...}` is not replaced in its name"),
        ],
    )
    def test_mistakes_are_told(self, refused: Refused, written: str, path: str, message: str) -> None:
        """A malformed reference is an error with path and line."""
        problems = refused(f"{STORES}envs:\n  p:\n    A: {{from: {written}}}\n")
        expected = [(Where("dsops.yaml", 4), f"envs.p.A.{path}", message)]
        assert expected == [(problem.where, problem.path, problem.message) for problem in problems]

    @pytest.mark.parametrize(
        ("written", "hint"),
        [
            ("prd:db", "did you mean `prod`?"),
            ("{store: prod, name: db}", "did you mean `key`?"),
            ("{store: prod, key: db, vers: 1}", "did you mean `version`?"),
            ("{service: 'svc://a/b?kind=c'}", "a service of the original dsops holds no secrets: name a store"),
            ("arn:aws:x", "an ARN is a key: write `{store: NAME, key: ARN}`"),
        ],
    )
    def test_what_was_meant_is_offered(self, refused: Refused, written: str, hint: str) -> None:
        """The hint for a malformed reference is the name or notation that was probably meant."""
        assert [hint] == [entry.hint for entry in refused(f"{STORES}envs: {{p: {{A: {{from: {written}}}}}}}")]

    def test_a_store_without_secrets_is_refused(self, tmp_path: Path) -> None:
        """A reference to a store whose type has no secrets is refused."""
        (tmp_path / "dsops.yaml").write_text("secretStores: {v: {type: own}}\nenvs: {p: {A: {from: 'v:k'}}}")
        own = StoreType("own", "Own.", (), gives_credentials=True, gives_secrets=False)
        with pytest.raises(ConfigError) as raised:
            load(folder=str(tmp_path), environ={"HOME": str(tmp_path)}, types={**BUILTIN_TYPES, "own": own})
        assert [problem.message for problem in raised.value.problems] == ["`v` is of type own, which gives no secrets"]

    def test_a_store_with_a_problem_of_its_own_is_not_called_unknown(self, refused: Refused) -> None:
        """If a store has a problem of its own, a reference to it is not reported as unknown."""
        problems = refused("secretStores: {a: {region: x}}\nenvs: {p: {A: {from: 'a:k'}}}")
        assert [problem.path for problem in problems] == ["secretStores.a.type"]


class TestVariables:
    """The other keys of a variable."""

    @pytest.mark.parametrize(
        ("written", "expected"),
        [("x", "x"), ("007", "007"), ("True", "True"), ('""', ""), ("2026-01-02", "2026-01-02"), ("1.50", "1.50")],
    )
    def test_a_literal_is_the_text_as_written(self, variable: VariableOf, written: str, expected: str) -> None:
        """A literal is the text as written, even if it looks like a number or boolean."""
        one = variable(f"{{literal: {written}}}")
        assert (one.reference, one.literal) == (None, Text(expected, Where("dsops.yaml", 4)))

    def test_all_keys(self, variable: VariableOf) -> None:
        """The keys `optional`, `default` and `transform` are read; `metadata` is ignored."""
        one = variable("{from: 'prod:db', optional: yes, default: ~x, transform: trim, metadata: {owner: me}}")
        assert (one.optional, one.default and one.default.text) == (True, "~x")
        assert [step.name for step in one.transforms] == ["trim"]
        two = variable("{literal: x, optional: false}")
        assert (two.optional, two.default, two.transforms) == (False, None, ())

    @pytest.mark.parametrize("name", ["A", "_a1", "camelCase", "extends_"])
    def test_good_names(self, configured: Configured, name: str) -> None:
        """A variable's name can have letters, digits and `_`."""
        assert list(configured(f"envs: {{p: {{{name}: {{literal: x}}}}}}").environments["p"].variables) == [name]

    @pytest.mark.parametrize("name", ["1A", "A-B", "'A B'", "'A=B'", "Ä", "''", "a.b"])
    def test_a_name_that_no_shell_could_read_back_is_refused(self, refused: Refused, name: str) -> None:
        """A variable name that no shell can export is refused (the original dsops wrote `BAD NAME=`)."""
        problems = refused(f"envs: {{p: {{{name}: {{literal: x}}}}}}")
        assert ["can't be the name of an environment variable" in problem.message for problem in problems] == [True]

    @pytest.mark.parametrize(
        ("written", "message"),
        [
            ("hunter2", "`A` takes `from` or `literal`"),
            ("[hunter2]", "`A` takes `from` or `literal`"),
            ("", "`A` is null, and there is no inherited variable to remove"),
            ("{}", "`A` has neither `from` nor `literal`"),
            ("{default: hunter2}", "`A` has neither `from` nor `literal`"),
            ("{literal: hunter2, from: 'prod:db'}", "`from` and `literal` both say what the value is"),
            ("{literal: [hunter2]}", "`literal` takes one text, not a list"),
            ("{literal: {a: hunter2}}", "`literal` takes one text, not a mapping"),
            ("{literal: }", "`literal` takes one text, not nothing"),
            ("{from: 'prod:db', default: [hunter2]}", "`default` takes one text, not a list"),
            ("{from: 'prod:db', optional: hunter2}", "`optional` takes true or false"),
            ("{from: 'prod:db', optionel: true}", "a variable has no key `optionel`"),
            ("{from: 'prod:db', value: hunter2}", "a variable has no key `value`"),
            ("{from: 'prod:db', transform: upper}", "there is no transform `upper`"),
        ],
    )
    def test_mistakes_are_told_without_the_value(self, refused: Refused, written: str, message: str) -> None:
        """Problems of a variable are reported without its value, which may be the secret itself."""
        problems = refused(f"{STORES}envs:\n  p:\n    A: {written}\n")
        assert [message] == [problem.message for problem in problems]
        assert problems[0].where == Where("dsops.yaml", 4)
        assert "hunter2" not in repr(problems)

    @pytest.mark.parametrize(
        ("key", "hint"),
        [
            ("value", "did you mean `literal`?"),
            ("fallback", "did you mean `default`?"),
            ("optionel", "did you mean `optional`?"),
        ],
    )
    def test_an_unknown_key_gets_the_one_that_was_meant(self, refused: Refused, key: str, hint: str) -> None:
        """The error for an unknown key of a variable suggests a key, even for a quite different word."""
        assert [hint] == [entry.hint for entry in refused(f"{STORES}envs: {{p: {{A: {{from: 'prod:x', {key}: 1}}}}}}")]
