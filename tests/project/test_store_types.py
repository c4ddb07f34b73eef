"""What a store type is stands on its StoreType: code outside `schema` and `stores` asks that, and names no type."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from dsops.schema import BUILTIN_TYPES
from dsops.stores import find_store
from tests.project.source import nodes_of

SOURCE = Path(__file__).parents[2] / "src" / "dsops"

ALLOWED = {
    # The original tool's names of store types -> ours, and keys that only its SSO stores had. The original asked the
    # Identity Center of `region`, and read secrets from a region of its own by default.
    "migrate/rewrite.py": 8
}
"""Files that name store types -> how often."""

OTHER_WORDS = {
    # The key `literal` of a variable.
    ("config/environments.py", "literal"): 4,
    ("config/schema_variables.py", "literal"): 2,
    ("migrate/difference.py", "literal"): 1,
    ("graph/make.py", "literal"): 1,
    ("graph/labels.py", "literal"): 1,
    ("plan/make.py", "literal"): 1,
    # `env` for the section `envs`.
    ("config/sections.py", "env"): 1,
    # botocore's name of the provider that reads environment variables.
    ("aws/identity/ambient_advice.py", "env"): 1,
    ("library.py", "env"): 1,
    # An output format.
    ("render/__init__.py", "env"): 1,
    ("cli/run/credentials.py", "env"): 2,
    # A command, and the name that people type for `render`.
    ("cli/sandbox/sandbox.py", "env"): 1,
    ("cli/framework/commands.py", "env"): 1,
}
"""Texts that are spelled like a store type and mean something else."""


def named_types() -> Counter[tuple[str, str]]:
    """File and text of each string in the source that is exactly a store type's name."""
    named: Counter[tuple[str, str]] = Counter()
    for file in sorted(SOURCE.rglob("*.py")):
        path = file.relative_to(SOURCE).as_posix()
        if path.startswith(("schema/", "stores/")):
            continue
        for node in nodes_of(file):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in BUILTIN_TYPES:
                named[path, node.value] += 1
    return named


def test_no_code_names_a_store_type() -> None:
    """Only `migrate` names store types in code, to translate the original tool's names, and at most ten times."""
    by_file: Counter[str] = Counter()
    for (path, text), number in named_types().items():
        if (path, text) not in OTHER_WORDS:
            by_file[path] += number
    assert dict(by_file) == ALLOWED
    assert sum(by_file.values()) <= 10


def test_each_word_that_only_looks_like_a_store_type_is_listed() -> None:
    """Words that only look like a store type are listed with their count per file, so a new one is noticed."""
    named = named_types()
    assert {word: named[word] for word in OTHER_WORDS} == OTHER_WORDS


def test_a_type_says_what_it_reads_or_issues() -> None:
    """A type that reads from a service names its read action, and a type that issues credentials names their parts."""
    for store_type in BUILTIN_TYPES.values():
        reads_from_aws = store_type.takes_credentials and not store_type.gives_credentials
        assert bool(store_type.read_action) is reads_from_aws, store_type.name
        assert bool(store_type.session_parts) is store_type.gives_credentials, store_type.name
        known = {key.name for key in store_type.keys}
        assert not store_type.gives_credentials or store_type.gives_long_term or known >= set(store_type.role_keys)
        assert store_type.keyring_key in {"", *known}


def test_the_module_of_a_store_follows_from_its_type() -> None:
    """The module of a store has the type's name: `aws.sts` is `stores/aws_sts.py`."""
    for name in BUILTIN_TYPES:
        module = type(find_store(name)).__module__
        assert module == f"dsops.stores.{name.replace('.', '_')}"


def test_no_store_imports_another_one() -> None:
    """No store imports another store, neither directly nor through a helper; imports in functions count, too."""
    modules = {name: type(find_store(name)).__module__ for name in BUILTIN_TYPES}
    for name, module in modules.items():
        others = set(modules.values()) - {module}
        assert reached(module) & others == set(), name


def reached(module: str) -> set[str]:
    """The modules of `stores` that a module of it imports, directly or not."""
    found, left = set[str](), [module]
    while left:
        file = SOURCE / f"{left.pop().removeprefix('dsops.').replace('.', '/')}.py"
        if not file.is_file():
            continue
        for node in nodes_of(file):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dsops.stores"):
                names = {node.module, *[f"{node.module}.{alias.name}" for alias in node.names]}
                left += names - found
                found |= names
    return found
