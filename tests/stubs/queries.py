"""A stub of Athena with the four actions of a query: start, poll, read page by page, stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.stubs.aws import json_answer, json_error
from tests.stubs.server import Answer, Seen

ATHENA_ID = "11111111-2222-3333-4444-555555555555"
Rows = Sequence[Sequence[str | None]]


@dataclass
class StubQueries:
    """Athena with one query; each poll gives the next of `states`, and the last one repeats."""

    columns: Sequence[str] = ()
    rows: Rows = ()
    states: Sequence[str] = ("QUEUED", "RUNNING", "SUCCEEDED")
    reason: str = ""
    page: int = 1000
    """Rows per page, without the headings."""
    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Action -> code and message of its refusal."""
    answer_to: Callable[[str], tuple[Sequence[str], Rows]] | None = None
    """A statement -> columns and rows of its answer."""
    scanned: int | None = 12_345
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Action and parameters, in order."""
    looks: int = 0

    @property
    def actions(self) -> list[str]:
        """The actions that were called."""
        return [action for action, _ in self.seen]

    def parameters(self, action: str) -> dict[str, Any]:
        """Parameters of the first call of that action."""
        return next(parameters for entry, parameters in self.seen if entry == action)

    def __call__(self, seen: Seen) -> Answer:
        """The response to the request."""
        action = seen.header("X-Amz-Target").rpartition(".")[2]
        request_parameters = json.loads(seen.body)
        self.seen.append((action, request_parameters))
        if action in self.refused:
            return json_error(*self.refused[action])
        if "QueryString" in request_parameters and self.answer_to is not None:
            self.columns, self.rows = self.answer_to(request_parameters["QueryString"])
        return json_answer(self._athena(action, request_parameters))

    def _look(self) -> str:
        self.looks += 1
        return self.states[min(self.looks, len(self.states)) - 1]

    def _athena(self, action: str, asked: dict[str, Any]) -> dict[str, object]:
        if action == "StartQueryExecution":
            return {"QueryExecutionId": ATHENA_ID}
        assert asked["QueryExecutionId"] == ATHENA_ID
        if action == "StopQueryExecution":
            return {}
        if action == "GetQueryExecution":
            status = {"State": self._look(), **({"StateChangeReason": self.reason} if self.reason else {})}
            statistics = {} if self.scanned is None else {"DataScannedInBytes": self.scanned}
            return {"QueryExecution": {"QueryExecutionId": ATHENA_ID, "Status": status, "Statistics": statistics}}
        assert action == "GetQueryResults"
        rows, token = self._page(asked)
        page_rows = [list(self.columns), *rows] if "NextToken" not in asked else rows
        columns = [{"Name": name, "Label": name, "Type": "varchar"} for name in self.columns]
        data = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in page_rows]
        return {"ResultSet": {"Rows": data, "ResultSetMetadata": {"ColumnInfo": columns}}, **token}

    def _page(self, asked: dict[str, Any]) -> tuple[list[Sequence[str | None]], dict[str, str]]:
        begin = int(asked.get("NextToken", "0000"))
        end = begin + self.page
        return list(self.rows[begin:end]), ({"NextToken": f"{end:04}"} if end < len(self.rows) else {})
