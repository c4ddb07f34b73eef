"""The child's environment is consistent for any inherited and resolved variables."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dsops.environment import IDENTITY, child_environment, encode
from dsops.secret import Secret

names = st.sampled_from(("A", "B", "PATH", "LC_ALL", "AWS_REGION", *IDENTITY, "AWS_CREDENTIAL_EXPIRATION"))
parents = st.dictionaries(names, st.just("theirs"))
own = st.dictionaries(names, st.just(Secret("ours")))


@given(parent=parents, secrets=own, is_pristine=st.booleans(), keeps_existing=st.booleans())
def test_an_identity_is_wholly_ours_or_wholly_theirs(
    parent: dict[str, str], secrets: dict[str, Secret], *, is_pristine: bool, keeps_existing: bool
) -> None:
    """Whatever the flags, the child's AWS identity comes wholly from dsops or wholly from the parent."""
    child = encode(child_environment(parent, secrets, is_pristine=is_pristine, keeps_existing=keeps_existing))
    owners = {child[name.encode()] for name in IDENTITY if name.encode() in child}
    assert len(owners) <= 1


@given(parent=parents, secrets=own, is_pristine=st.booleans(), keeps_existing=st.booleans())
def test_every_variable_is_there_removed_or_kept(
    parent: dict[str, str], secrets: dict[str, Secret], *, is_pristine: bool, keeps_existing: bool
) -> None:
    """dsops' variables are set or reported as left out; inherited ones are kept, replaced or reported as removed."""
    child = child_environment(parent, secrets, is_pristine=is_pristine, keeps_existing=keeps_existing)
    assert child.variables.keys() <= parent.keys() | secrets.keys()
    for name, value in secrets.items():
        assert child.variables.get(name) == value or name in child.kept
    if not is_pristine:
        gone = parent.keys() - child.variables.keys()
        assert gone == set(child.removed)
    if not keeps_existing:
        assert child.kept == ()
