"""Tables, account pairs and chains on the report's page, with few rows and with hundreds."""

from __future__ import annotations

from dsops.audit.page.chains import MOST_DRAWN, chains, parts_of
from dsops.audit.page.pairs import pairs, shade
from dsops.audit.page.table import MOST_ROWS, folded, table
from tests.markup import read
from tests.reports import ACCOUNTS, END, PEOPLE, PIPELINE, ROLES, START, answer, many_pairs


class TestTable:
    """A table of an answer's rows."""

    def test_a_cell_is_shown_as_what_it_is(self) -> None:
        """Cells show durations with units, times in UTC, right-aligned numbers with commas, and a dash for no value."""
        rows = answer("durations", (ROLES[0], 1411, 20, 3600, 43200, None, None)).records()
        parsed = read(table("Durations", ("role", "sessions", "asked_max", "used_max"), rows))
        assert [element.text for element in parsed.all("th")] == ["Role", "Sessions", "Asked, most", "Used, most"]
        assert {element["scope"] for element in parsed.all("th")} == {"col"}
        cells = parsed.all("td")
        assert [cell.text for cell in cells] == ["deploy/ProdDeploy 222233334444", "1,411", "12 h", "\N{EN DASH}"]
        assert [cell["class"] for cell in cells] == ["name", "number", "number", "name"]
        assert [cell["data-label"] for cell in cells] == ["Role", "Sessions", "Asked, most", "Used, most"]
        assert parsed.one("caption").text == "Durations"

    def test_a_long_one_is_cut_and_says_so(self) -> None:
        """A table with more than MOST_ROWS rows is cut, and a line gives the total number of rows."""
        rows = answer("saved", *((f"Call{index}", index) for index in range(MOST_ROWS + 1))).records()
        parsed = read(folded("Calls", ("name", "calls"), rows))
        assert len(parsed.all("tr")) == MOST_ROWS + 1
        assert parsed.one("p", "more").text == "1 more row: --json has all."
        assert parsed.one("summary").text == "Calls: 51 rows"
        assert not read(table("Calls", ("name", "calls"), rows[:MOST_ROWS])).all("p")


class TestPairs:
    """Role requests between pairs of accounts."""

    def test_few_are_bars(self) -> None:
        """Few account pairs are drawn as bars, with refusals as text."""
        rows = answer(
            "accounts",
            (ACCOUNTS[0], ACCOUNTS[1], 20, 5, 1, 1, START, END),
            (ACCOUNTS[1], ACCOUNTS[0], 5, 0, 1, 1, START, END),
        ).records()
        parsed = read(pairs(rows))
        assert [element.text for element in parsed.all("li")] == [
            "111122223333 → 22223333444420 calls20 5 refused",
            "222233334444 → 1111222233335 calls5",
        ]

    def test_many_are_a_matrix_with_every_call_in_it(self) -> None:
        """Many account pairs become a matrix of at most twelve by twelve; a row and column sum up the rest."""
        rows = answer("accounts", *many_pairs(200)).records()
        parsed = read(pairs(rows)).one("table", "matrix")
        assert [len(row.all("td")) for row in parsed.all("tr")] == [1] + [12] * 12
        heads = [element.text for element in parsed.all("th")]
        assert (heads[11], heads[-1], len(heads)) == ("others", "others", 24)
        titles = [element["title"] for element in parsed.all("td") if "title" in element.attributes]
        result_text = [int(title.split(" call")[0].replace(",", "")) for title in titles]
        assert sum(result_text) == sum(int(str(row["calls"])) for row in rows)

    def test_what_was_refused_has_a_sign(self) -> None:
        """A matrix cell with refusals has a symbol in addition to its colour."""
        cells = read(pairs(answer("accounts", *many_pairs(30)).records())).all("td")
        for cell in cells:
            assert ("†" in cell.text) == ("refused" in cell.attributes.get("title", "")), cell  # type: ignore[operator]
        assert any("†" in cell.text for cell in cells)
        assert any(cell.text and "†" not in cell.text for cell in cells)

    def test_shades_go_by_orders_of_size(self) -> None:
        """A cell's shade follows the number's order of magnitude: the largest is darkest."""
        assert [shade(value, 100_000) for value in (1, 50, 500, 5_000, 100_000)] == [1, 2, 3, 4, 5]
        assert shade(1, 1) == 5


class TestChains:
    """Chains of sessions with three or more hops."""

    def test_what_chains_share_is_drawn_once(self) -> None:
        """Chains that use one jump role share its node, and each end shows its number of sessions."""
        jump, deploy, read_role = ROLES[5], ROLES[0], ROLES[2]
        rows = answer(
            "chains",
            (f"{PIPELINE} > {jump} > {deploy} > {read_role}", 3, 87, START, END),
            (f"{PIPELINE} > {jump} > {deploy} > {ROLES[3]}", 3, 1, START, END),
            (f"{PEOPLE[0]} > {jump} > {deploy} > {read_role}", 3, 2, START, END),
        ).records()
        parsed = read(chains(rows))
        assert [element.text for element in parsed.all("text", "name")] == [
            "ci/github-actions",
            "dsops-jump",
            "user/ada",
            "dsops-jump",
            "deploy/ProdDeploy",
            "ReadSecrets",
            "deploy/ProdDeploy",
            "ReadSecrets",
            "DataLoader",
        ]
        assert [element.text for element in parsed.all("text") if "session" in element.text] == [
            "87 sessions",
            "2 sessions",
            "1 session",
        ]
        assert len(parsed.all("path")) == len(parsed.all("polygon")) == 7
        assert [element.text for element in parsed.all("text", "frame-name")] == [
            "account 111122223333",
            "account 222233334444",
            "account 444455556666",
        ]

    def test_a_principal_may_have_a_separator_in_its_name(self) -> None:
        """A principal's name may contain the chain's separator: the number of hops decides where the name ends."""
        assert parts_of("a > b > R1 > R2 > R3", 3) == ["a > b", "R1", "R2", "R3"]
        assert parts_of("a > R1", 3) == ["a", "R1"]
        assert parts_of("", 0) == [""]

    def test_only_the_first_are_drawn(self) -> None:
        """Only the first ten chains are drawn, and a line says how many there are."""
        rows = answer("chains", *((f"p{index} > a > b > c", 3, 1, START, END) for index in range(100))).records()
        parsed = read(chains(rows))
        assert len(parsed.all("rect")) == 4 * MOST_DRAWN
        assert parsed.one("p", "more").text == "The first 10 chains are drawn."
