"""Where a version comes from, in words."""

from __future__ import annotations

from collections.abc import Callable

from mlplatform.contracts.promotion import Proposal
from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.report.lineage import description, why


def test_a_version_says_where_it_comes_from(evidence: Callable[..., Evidence]) -> None:
    """Rows, mark, commit, figures, gates and the reason stand in its description."""
    text = description(evidence())

    for part in (
        "Who will leave within a month.",
        "held-out rows (random split), data as of mark 7, code at commit ccc",
        "roc_auc ",
        "Not compared with a champion: no champion yet.",
        "Gates: 1 checked, cases: 1 checked.",
        "Started because: drift",
    ):
        assert part in text


def test_a_long_reason_does_not_end_a_run(evidence: Callable[..., Evidence]) -> None:
    """The longest reason that a run may be started with still makes a proposal."""
    sentence = why(evidence(reason="x" * 2_000))
    proposal = Proposal(version="1", why=sentence, gate_digest="a" * 64, champion=None)

    assert proposal.why.startswith("all 1 gates and 1 cases hold; ")
