"""Propose the version for promotion."""

from __future__ import annotations

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.promotion import Proposal
from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.report.lineage import why


def propose(api: DataApi, evidence: Evidence, version: str) -> str:
    """The version's state afterwards: champion where the pipeline approves by itself.

    The proposal names the champion that was compared with: the data API refuses it when another
    version has begun to serve meanwhile.
    """
    proposal = Proposal(
        version=version,
        why=why(evidence),
        gate_digest=evidence.digest(),
        champion=evidence.champion.version,
    )
    return api.propose(evidence.pinned.definition.name, proposal).state
