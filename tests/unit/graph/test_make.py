"""The graph of a configuration contains each store, hop and variable once, with its source, and no secret value."""

from __future__ import annotations

from dsops.graph import graph_text, make_graph
from dsops.plan import Login, Proof
from dsops.schema import BUILTIN_TYPES
from tests.graphs import graph_of, node
from tests.plans import TEMPORARY, config_of, plan_of

TEXT = """\
secretStores:
  jump: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111111111111:role/Jump", role_session_name: ada}
  target:
    type: aws.sts
    region: eu-west-1
    role_arn: arn:aws:iam::222222222222:role/team/Target
    role_session_name: ada
    credentials_from: jump
    external_id: ${EXTERNAL_ID:-hush-external-id}
    tags: {team: hush-tag}
    source_identity: hush-identity
    duration_seconds: 900
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}
  parameters: {type: aws.ssm, region: us-east-1, profile: other}
  defaults: {type: literal, values: {level: hush-level}}
envs:
  production:
    URL: {from: {store: secrets, key: prod/db, field: url}}
    KEY: {from: {store: target, key: access_key_id}}
    FLAG: {from: {store: parameters, key: /flag}, default: hush-default}
    LEVEL: {from: {store: defaults, key: level}}
    PLAIN: {literal: hush-literal}
  staging:
    PLAIN: {literal: hush-literal}
"""


class TestNodes:
    """Nodes of the graph."""

    def test_every_store_hop_and_variable_is_there_once(self) -> None:
        """Each store and each hop is one node; a variable is one node in each of its environments."""
        graph = graph_of(TEXT)
        names = sorted((each.kind, each.environment, each.name) for each in graph.nodes if each.kind != "caller")
        assert names == [
            ("hop", "", "jump"),
            ("hop", "", "target"),
            ("store", "", "defaults"),
            ("store", "", "parameters"),
            ("store", "", "secrets"),
            ("variable", "production", "FLAG"),
            ("variable", "production", "KEY"),
            ("variable", "production", "LEVEL"),
            ("variable", "production", "PLAIN"),
            ("variable", "production", "URL"),
            ("variable", "staging", "PLAIN"),
        ]

    def test_each_node_comes_after_its_source(self) -> None:
        """Each node comes after its source, so that a renderer needs only one pass."""
        seen = set()
        for each in graph_of(TEXT).nodes:
            assert each.parent is None or each.parent in seen
            seen.add(each.key)

    def test_a_hop_shows_its_identity_and_marks_what_is_sent(self) -> None:
        """A hop's node shows the role with its path; MFA, external ID and similar settings are shown without values."""
        facts = node(graph_of(TEXT), "hop", "target").facts
        assert facts == (
            "AssumeRole",
            "role team/Target",
            "account 222222222222",
            "for 900 s",
            "chained",
            "external ID",
            "source identity",
            "tags",
            "in eu-west-1",
        )
        assert "external ID" not in node(graph_of(TEXT), "hop", "jump").facts

    def test_hops_without_a_role_say_whose_session_it_is(self) -> None:
        """A hop without a role shows the owner of its session.

        The owner is a root user's account, a federated user's name, or the user.
        """
        text = """\
secretStores:
  root:
    type: aws.sts
    target_principal: "333333333333"
    task_policy_arn: arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials
  other:
    type: aws.sts
    target_principal: arn:aws:iam::333333333333:root
    task_policy_arn: arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials
  guest: {type: aws.sts, federated_user_name: guest, policy_arns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
  day: {type: aws.sts}
"""
        graph = graph_of(text)
        root, other = node(graph, "hop", "root"), node(graph, "hop", "other")
        assert ("AssumeRoot", "root of 333333333333") == root.facts[:2]
        assert "333333333333" == root.account == other.account
        assert ("GetFederationToken", "federated user guest") == node(graph, "hop", "guest").facts[:2]
        assert ("GetSessionToken", "for 43200 s", "in us-east-1") == node(graph, "hop", "day").facts

    def test_a_store_works_in_the_account_of_its_hop(self) -> None:
        """A store's node has the account of the hop that it uses; with base credentials the account is unknown."""
        graph = graph_of(TEXT)
        assert ("222222222222", "") == (
            node(graph, "store", "secrets").account,
            node(graph, "store", "parameters").account,
        )

    def test_no_value_is_in_it(self) -> None:
        """The graph contains no literals, defaults, external IDs, tag values or source identities."""
        assert "hush" not in repr(graph_of(TEXT))

    def test_environments_are_named_where_there_are_several(self) -> None:
        """With several environments each variable shows its environment; a single environment is in the title."""
        assert node(graph_of(TEXT), "variable", "URL").facts[0] == "of production"
        plan = plan_of(TEXT, "production")
        one = make_graph("production", config_of(TEXT), [plan], BUILTIN_TYPES)
        assert node(one, "variable", "URL").facts == ("prod/db#url",)


class TestCallers:
    """The callers at which the graph begins."""

    def test_base_credentials_are_one_caller_for_each_profile(self) -> None:
        """Each profile of base credentials is one caller node, with the facts that are known without a call."""
        callers = [each.facts for each in graph_of(TEXT, ambient=TEMPORARY).nodes if each.name == "base credentials"]
        assert callers == [("environment", "temporary"), ("environment", "temporary")]

    def test_a_login_serves_all_stores_that_work_with_it(self) -> None:
        """One login is one caller for all its stores; another login is a separate caller, even under the same name."""
        text = """\
secretStores:
  one: {type: aws.sso, start_url: "https://a.example/start", sso_region: us-east-1, account_id: "111111111111",
        role_name: Dev, region: us-east-1}
  two: {type: aws.sso, start_url: "https://a.example/start", sso_region: us-east-1, account_id: "222222222222",
        role_name: Dev, region: us-east-1}
  three: {type: aws.sso, start_url: "https://b.example/start", sso_region: us-east-1, account_id: "222222222222",
          role_name: Dev, region: us-east-1}
"""
        login = Login("until noon", "mark", "us-east-1")
        plans = [
            plan_of(
                text, store=name, proof=lambda _, settings: Proof("the login", str(settings["start_url"]), login=login)
            )
            for name in ("one", "two", "three")
        ]
        graph = make_graph("logins", config_of(text), plans, BUILTIN_TYPES)
        callers = [each for each in graph.nodes if each.kind == "caller"]
        assert [("the login", ("until noon",))] * 2 == [(caller.name, caller.facts) for caller in callers]
        assert node(graph, "hop", "one").parent == node(graph, "hop", "two").parent == callers[0].key
        assert node(graph, "hop", "three").parent == callers[1].key
        facts = node(graph, "hop", "one").facts
        assert facts[:3] == ("GetRoleCredentials", "permission set Dev", "account 111111111111")


class TestAsWritten:
    """Stores that cannot be planned are drawn as the configuration describes them."""

    def test_a_store_whose_variable_is_not_set_says_so(self) -> None:
        """A store with an unset variable is marked as such; the store and its dependents keep their places."""
        text = TEXT.replace("${EXTERNAL_ID:-hush-external-id}", "${EXTERNAL_ID}")
        graph = graph_of(text)
        target, secrets = node(graph, "hop", "target"), node(graph, "store", "secrets")
        assert "EXTERNAL_ID, which is not set" in target.facts[-1]
        assert target.parent == node(graph, "hop", "jump").key
        assert (secrets.parent, secrets.facts[-1]) == (target.key, "as written: needs target")
        assert "222222222222" == target.account == secrets.account
        assert node(graph, "variable", "URL").parent == secrets.key
        assert 11 == sum(1 for each in graph.nodes if each.kind != "caller")

    def test_all_of_a_chain_may_be_unplanned(self) -> None:
        """If no store of a chain can be planned, each role is shown as written in the configuration."""
        graph = graph_of(TEXT.replace("arn:aws:iam::111111111111:role/Jump", "${JUMP_ROLE}"))
        assert "${JUMP_ROLE}" in node(graph, "hop", "jump").facts
        assert "base credentials: environment, long-term" == graph_text(graph).splitlines()[3]
        assert "" == node(graph, "hop", "jump").account
        assert 11 == sum(1 for each in graph.nodes if each.kind != "caller")
