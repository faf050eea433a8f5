"""The state machine of model versions, in one place and pure: facts in, decision out.

    registered ──verify──▶ verified ──propose──▶ candidate ──approve/promote──▶ champion
                                                     ▲ promote: also retired        │ another is
                                                     promoted, or rollback
                                                 retired ◀──────────────────────────┘
    withdraw: champion ──▶ retired, and no version serves
    reject: every state but champion ──▶ rejected, which is final

A candidate that another one supersedes is retired. A rollback retires the champion and brings back
the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlplatform.contracts.promotion import Action, ModelVersion, Promotion, State
from mlplatform.errors import Refused

AUTO = "pipeline:auto"
"""Who promotes where the pipeline says `approval: auto`."""


@dataclass(frozen=True)
class Decision:
    """What a permitted action changes: a version's state, and those of others."""

    version: str
    state: State
    others: tuple[tuple[str, State], ...] = ()


def decide(
    action: Action,
    version: ModelVersion,
    *,
    all_versions: Sequence[ModelVersion],
    gate_digest: str | None,
    compared_with: str | None = None,
) -> Decision:
    """The decision on `action` for `version`; for a rollback, the one to return to.

    Raises Refused that says what is missing.

    A proposal counts against the champion that it was `compared_with` (None: there was none), and
    no other.
    """
    if action == "propose":
        return _propose(version, all_versions, gate_digest, compared_with)
    if action == "reject":
        return _reject(version)
    if action == "withdraw":
        return _withdraw(version)
    return _crown(action, version, all_versions)


def champions(history: Sequence[Promotion]) -> tuple[str, ...]:
    """The line of champions, oldest first; the last one reigns unless one was withdrawn after it.

    `history` is the whole promotion record, in order of id. A rollback shortens the line, so that a
    second rollback goes one further back instead of forth again. A withdrawn version leaves the
    line.
    """
    line: list[str] = []
    for entry in history:
        if entry.action == "withdraw":
            line = [known for known in line if known != entry.version]
        if entry.state != "champion":
            continue
        if entry.action == "rollback" and entry.version in line:
            line = line[: line.index(entry.version) + 1]
        elif line[-1:] != [entry.version]:
            line = [*(known for known in line if known != entry.version), entry.version]
    return tuple(line)


def previous(history: Sequence[Promotion], versions: Sequence[ModelVersion]) -> str | None:
    """The version that a rollback would bring back.

    It is the nearest earlier champion that was neither withdrawn nor rejected since.
    """
    states = {version.version: version.state for version in versions}
    return next(
        (name for name in reversed(champions(history)) if states.get(name) == "retired"), None
    )


def withdrawal(history: Sequence[Promotion]) -> Promotion | None:
    """The entry that took the last champion away; None where one reigns or none ever did."""
    last = next(
        (e for e in reversed(history) if e.state == "champion" or e.action == "withdraw"), None
    )
    return last if last is not None and last.action == "withdraw" else None


def _propose(
    version: ModelVersion,
    all_versions: Sequence[ModelVersion],
    gate_digest: str | None,
    compared_with: str | None,
) -> Decision:
    _require_verified(version)
    if not gate_digest:
        raise Refused(
            "the digest of the gate report is missing",
            field="gate_digest",
            fix="evaluate the gates and send the report's SHA-256",
        )
    champion = next((other.version for other in all_versions if other.state == "champion"), None)
    if compared_with != champion:
        raise Refused(
            f"version {version.version} was compared with {_named(compared_with)},"
            f" and the champion is {_named(champion)} now",
            field="champion",
            fix="train again: the gates must be judged against the present champion",
        )
    superseded = tuple(
        (other.version, _RETIRED) for other in all_versions if other.state == "candidate"
    )
    return Decision(version.version, "candidate", superseded)


def _require_verified(version: ModelVersion) -> None:
    if version.state == "registered":
        raise Refused(
            f"version {version.version} is not verified",
            field="version",
            fix="download its files, compare, and report it verified",
        )
    if version.state != "verified":
        raise Refused(
            f"version {version.version} is {version.state}; only a verified one can be proposed",
            field="version",
        )


def _crown(action: Action, version: ModelVersion, all_versions: Sequence[ModelVersion]) -> Decision:
    allowed: dict[Action, tuple[State, ...]] = {
        "approve": ("candidate",),
        "promote": ("candidate", "retired"),
        "rollback": ("retired",),
    }
    if version.state == "champion":
        raise Refused(f"version {version.version} is already the champion", field="version")
    if version.state not in allowed[action]:
        states = " or ".join(allowed[action])
        raise Refused(
            f"version {version.version} is {version.state}; to {action} it, it must be {states}",
            field="version",
            fix=_missing(version),
        )
    if version.gate_digest is None:
        raise Refused(
            f"version {version.version} has no gate report",
            field="gate_digest",
            fix="propose it with the report's SHA-256",
        )
    reigning = tuple(
        (other.version, _RETIRED) for other in all_versions if other.state == "champion"
    )
    return Decision(version.version, "champion", reigning)


def _reject(version: ModelVersion) -> Decision:
    if version.state == "champion":
        raise Refused(
            f"version {version.version} is the champion",
            field="version",
            fix="withdraw it, roll back, or promote another one first",
        )
    if version.state == "rejected":
        raise Refused(f"version {version.version} is already rejected", field="version")
    return Decision(version.version, "rejected")


def _withdraw(version: ModelVersion) -> Decision:
    if version.state != "champion":
        raise Refused(
            f"version {version.version} is {version.state}; only the champion can be withdrawn",
            field="version",
            fix="reject it, and it never serves" if version.state != "rejected" else "",
        )
    return Decision(version.version, _RETIRED)


def _named(version: str | None) -> str:
    return "none" if version is None else f"version {version}"


def _missing(version: ModelVersion) -> str:
    """What stands between this version and the traffic."""
    steps: dict[State, str] = {
        "registered": "it must be verified and proposed first",
        "verified": "it must be proposed with its gate report first",
        "rejected": "a rejected version never serves; train a new one",
    }
    return steps.get(version.state, "")


_RETIRED: State = "retired"
