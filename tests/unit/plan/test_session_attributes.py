"""What `whoami` reports of a session: inherited tags, the hop that set the source identity, and unknown facts."""

from __future__ import annotations

from dsops.cli.look.whoami import hop_value
from dsops.plan.session_attributes import as_issued, base_is_session, carried, hop_words, hops_of, limits, of_base
from tests.plans import LONG_TERM, TEMPORARY, UNKNOWN, plan_of

CHAIN = """\
secretStores:
  first:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/First
    role_session_name: ada
    tags: {team: data, ticket: "42"}
    transitive_tag_keys: [team]
    source_identity: ada
  second:
    type: aws.sts
    role_arn: arn:aws:iam::222222222222:role/Second
    role_session_name: ada
    credentials_from: first
    external_id: between-two
    tags: {stage: production}
  third:
    type: aws.sts
    role_arn: arn:aws:iam::333333333333:role/Third
    role_session_name: ada
    credentials_from: second
    source_identity: ada
    policy_arns: [arn:aws:iam::aws:policy/ReadOnlyAccess]
  secrets:
    type: aws.secretsmanager
    credentials_from: third
  alone:
    type: aws.secretsmanager
"""


class TestCarried:
    """Tags and source identity of the last hop's session."""

    def test_only_transitive_tags_go_on_and_they_go_on_to_the_end(self) -> None:
        """A transitive tag is passed on to the last hop; a tag that is not transitive ends with its own session."""
        known = carried(hops_of(plan_of(CHAIN, store="third"), "third"), is_from_session=False)
        assert [("team", "data", "first", True)] == list(known.tags)

    def test_a_hop_adds_its_own_tags(self) -> None:
        """The tags of a session are those that it inherits and those that its own hop sends, each with its store."""
        known = carried(hops_of(plan_of(CHAIN, store="second"), "second"), is_from_session=False)
        assert [("team", "data", "first", True), ("stage", "production", "second", False)] == list(known.tags)

    def test_a_source_identity_is_of_the_hop_that_set_it(self) -> None:
        """The source identity is reported with the hop that set it, and later hops cannot change it."""
        known = carried(hops_of(plan_of(CHAIN, store="third"), "third"), is_from_session=False)
        assert ("ada", "first") == (known.source_identity, known.source_identity_store)

    def test_a_long_term_key_leaves_nothing_unknown(self) -> None:
        """A chain that begins with a long-term key has no unknown tags or source identity."""
        assert () == carried(hops_of(plan_of(CHAIN, store="first"), "first"), is_from_session=False).not_known
        assert () == of_base(is_temporary=False).not_known

    def test_what_a_session_brings_along_is_not_known(self) -> None:
        """If the chain begins with a session, whoami reports its tags as unknown.

        If the base credentials may be a session, the text says so.
        """
        hops = hops_of(plan_of(CHAIN, store="first"), "first")
        assert "whether" not in carried(hops, is_from_session=True).not_known[0]
        assert "whether the base credentials are a session" in carried(hops, is_from_session=None).not_known[0]
        assert 1 == len(of_base(is_temporary=True).not_known)


class TestBeginning:
    """The base credentials with which a chain begins."""

    def test_base_credentials_decide(self) -> None:
        """The base credentials decide whether a chain begins with a session, whatever hops follow."""
        for ambient, expected in ((LONG_TERM, False), (TEMPORARY, True), (UNKNOWN, None)):
            assert base_is_session(plan_of(CHAIN, store="secrets", ambient=ambient), "secrets") is expected


class TestHops:
    """The hops of the chain, in words and in JSON."""

    def test_a_secret_store_is_no_hop(self) -> None:
        """A secret store is no hop, and reads with the last hop's session; base credentials alone are no hop either."""
        plan = plan_of(CHAIN, store="secrets")
        assert ["first", "second", "third"] == [step.name for step in hops_of(plan, "secrets")]
        assert () == hops_of(plan_of(CHAIN, store="alone"), "alone")

    def test_words_say_what_is_sent_but_no_secret(self) -> None:
        """A hop's text has operation, role and session name.

        The text says that an external ID is sent, without showing it.
        """
        words = hop_words(hops_of(plan_of(CHAIN, store="second"), "second")[1])
        role = "arn:aws:iam::222222222222:role/Second"
        assert f"second: AssumeRole {role} as ada, chained, external ID sent" == words
        assert "external" not in hop_words(hops_of(plan_of(CHAIN, store="third"), "third")[2])

    def test_the_last_hop_has_the_session_name_that_aws_knows(self) -> None:
        """A cached session has an older name, so the last hop's session name is that of the caller's ARN."""
        hops = hops_of(plan_of(CHAIN, store="second"), "second")
        first, second = as_issued(hops, "arn:aws:sts::222222222222:assumed-role/Second/an-older-name")
        assert "as ada" in hop_words(first)
        assert "as an-older-name, chained" in hop_words(second)
        assert as_issued(hops, "arn:aws:iam::222222222222:user/ada") == hops

    def test_limits_are_those_of_the_last_hop(self) -> None:
        """The limits of a session are those of its last hop; if that hop has no session policy, there are none."""
        first, _, third = hops_of(plan_of(CHAIN, store="third"), "third")
        assert ["the policies arn:aws:iam::aws:policy/ReadOnlyAccess"] == list(limits(third))
        assert [] == list(limits(first))

    def test_an_end_that_is_not_known_is_null(self) -> None:
        """An unknown expiry is null in JSON, not an empty text or 0 seconds."""
        value = hop_value(hops_of(plan_of(CHAIN, store="first"), "first")[0], "", None)
        assert isinstance(value, dict)
        assert (None, None) == (value["expiration"], value["seconds_left"])
