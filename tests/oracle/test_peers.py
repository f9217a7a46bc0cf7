"""PyTorch's own test cases: what agreed once agrees still (tests/oracle/peers/report.py counts, and says why not)."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

pytest.importorskip("torch")

from oracle.peers import report
from oracle.peers.outcome import differs, not_planned
from oracle.peers.pool import Results, run

EXPECTED: report.Agreed = json.loads(report.EXPECTED.read_text())
KINDS = [(database, kind) for database, kinds in EXPECTED.items() for kind in kinds]


class Run(NamedTuple):
    """All names in the databases, and what comparing those in expected.json gave."""

    known: set[str]
    agreed: report.Agreed


@pytest.fixture(scope="session")
def anew() -> Run:
    """Everything that expected.json names, compared anew."""
    held = {(database, name) for database, kinds in EXPECTED.items() for names in kinds.values() for name in names}
    known = set()

    def wanted(database: str, name: str) -> bool:
        known.add(name.partition("/")[0])
        return (database, name) in held

    results: Results = run(wanted, progress=False)
    return Run(known, report.agreed(results))


@pytest.mark.parametrize(("database", "kind"), KINDS)
def test_what_agreed_agrees(anew: Run, database: str, kind: str) -> None:
    """Where a name stands here, `report.py --only NAME` tells the difference."""
    assert not report.lost({database: {kind: EXPECTED[database][kind]}}, anew.agreed)


def test_every_reason_names_an_entry_and_says_something(anew: Run) -> None:
    names = {name.partition("/")[0] for name in (*not_planned(), *differs())}
    assert names <= anew.known
    assert all(len(reason) > 20 for reason in (*not_planned().values(), *differs().values()))
