"""The public names of each package are a fixed list, and only listed modules bypass that of the policy engine."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import dsops
from tests.project.source import nodes_of

SOURCE = Path(dsops.__file__).parent

DOORS = {
    "dsops": "open",
    "dsops.policy": """
        ANY_ACCOUNT ANY_CHARACTER ANY_TEXT AccountPlace ActionFacts AnsweredCase Attached AuthorizationReference Case
        CaseQuestion CompletedQuestion Condition Decision DeclaredPolicies Effect Entity Expected Facts Finding
        KIND_WORDS LimitingPolicies LintReport LintRule Needs Outcome POLICY_TYPES ParsedPolicy PartialDecision
        PartialRequest Place Policies Policy PolicyFile PolicyFiles PolicyKind PolicySet PolicyText PolicyType
        Principal RULES ReadFile Reason Request ResourcePolicy SECRET_KEYS SEVERITIES ServiceFacts Severity Statement
        StatementReason UNKNOWN_SUFFIX UnmetElement Unread Verdict attached_of attribute_keys check_exact_action
        check_policy complete customer_key default_key_policy denial_sentence differences evaluate global_key_type
        is_kms_key is_multi_valued is_negated is_public_policy is_unique_id is_unknown lint lower_case
        managed_key_policy needs_of open_key_policy parse_policy parse_policy_text read_caller read_policy_source
    read_table request_of shown shown_name simulate variable_keys
    """,
    "dsops.testing": """
        Assume CredentialStoreContract CredentialSubject Identity LocalAws SandboxAccount SandboxClock
        SecretStoreContract SecretSubject allow deny step_of trust
    """,
}

PAST_THE_DOOR = {
    "audit/cloudtrail/relations.py": "which operations issue sessions",
    "cli/look/explain_files.py": "the kinds of entities are its keys",
    "cli/look/plan_check.py": "prints what the sources assume",
    "cli/policy/answers.py": "words for verdicts",
    "cli/policy/simulate.py": "builds a table's row from flags",
    "explain/evidence/readers.py": "the kinds of entities are its keys",
    "explain/evidence/recorded.py": "which actions are about roles",
    "explain/evidence/recorded_context.py": "dates of AWS's records",
    "explain/questions/federated_questions.py": "providers without an ARN",
    "request/resources/kms_grants.py": "grants name principals as policies do",
    "sandbox/control/metrics.py": "which operations issue sessions",
    "sandbox/iam_api/policy_sources.py": "IAM's simulator tells which keys a policy uses",
    "sandbox/iam_api/simulation.py": "IAM's simulator folds a context",
    "sandbox/iam_api/simulation_results.py": "IAM's simulator takes ARNs apart",
    "sandbox/state/organizations.py": "which services have resource control policies",
}
"""Maps modules that import from an inner module of `dsops.policy` to their reason."""


@pytest.mark.parametrize("door", DOORS)
def test_the_public_names_are_these(door: str) -> None:
    """The package exports exactly the names in its list, sorted, and each can be imported."""
    module = import_module(door)
    written = DOORS[door].split()

    assert written == sorted(written)
    assert sorted(_declared(door)) == written
    assert [name for name in written if not hasattr(module, name)] == []


@pytest.mark.parametrize("door", ["dsops.policy", "dsops.testing"])
def test_dir_lists_the_public_names(door: str) -> None:
    """`dir()` and completion in a Python prompt list the public names, though each is imported on first use."""
    assert dir(import_module(door)) == DOORS[door].split()


@pytest.mark.parametrize("door", DOORS)
def test_what_can_be_called_has_a_docstring_of_its_own(door: str) -> None:
    """Every exported function and class has its own docstring; a generated one does not count."""
    module = import_module(door)
    public = {name: getattr(module, name) for name in DOORS[door].split()}
    callables = {name: each for name, each in public.items() if inspect.isfunction(each) or inspect.isclass(each)}

    assert [name for name, each in callables.items() if not _own_docstring(name, each)] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Importing a name that does not exist raises AttributeError, so that `hasattr` and `from ... import` work."""
    for door in DOORS:
        with pytest.raises(AttributeError, match="nothing_like_it"):
            _ = import_module(door).nothing_like_it


def test_others_import_the_policy_engine_by_its_door() -> None:
    """Modules outside `dsops.policy` import only its public names, except for exactly the listed modules."""
    past = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] != "policy" and _inner_imports(path)
    }

    assert sorted(past) == sorted(PAST_THE_DOOR)


def _declared(door: str) -> list[str]:
    """Return the names in `__all__`; that of `dsops` is for type checkers only."""
    tree = ast.parse(Path(str(import_module(door).__file__)).read_text(encoding="utf-8"))
    lists = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
    ]
    assert len(lists) == 1
    return list(ast.literal_eval(lists[0]))


def _own_docstring(name: str, each: object) -> bool:
    text = inspect.getdoc(each) or ""
    return bool(text) and not text.startswith(f"{name}(")


def _inner_imports(path: Path) -> list[str]:
    modules = [node.module for node in nodes_of(path) if isinstance(node, ast.ImportFrom) and node.module]
    modules += [alias.name for node in nodes_of(path) if isinstance(node, ast.Import) for alias in node.names]
    return [module for module in modules if module.startswith("dsops.policy.")]
