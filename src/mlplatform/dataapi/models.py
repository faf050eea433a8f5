"""Model versions and promotions.

Facts come from the database and the decision from `promotion`; what follows from it is written in
the same transaction. All changes of one pipeline's versions take the lock of the pipeline's row, so
decisions are made one after the other, on what is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from mlplatform.access import Caller, Role
from mlplatform.contracts.pipeline_status import AppliedPipeline
from mlplatform.contracts.promotion import (
    Action,
    ModelFacts,
    ModelStatus,
    ModelVersion,
    Promotion,
    PromotionRequest,
    State,
)
from mlplatform.dataapi import promotion, rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.proof import Claim, borne_out
from mlplatform.database import ledger, pipelines, promotions, receipts
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.sessions import Connection
from mlplatform.errors import InvalidInput, Refused, UnknownName
from mlplatform.registry.store import ModelStore

MAY: dict[Action, tuple[Role, ...]] = {
    action: (rights.PROPOSE if action == "propose" else rights.DECIDE).roles
    for action in get_args(Action)
}


class Models:
    """Handler of versions and promotions. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool, audit: AuditLog, registry: ModelStore) -> None:
        self._warehouse = warehouse
        self._audit = audit
        self._registry = registry

    def status(self, caller: Caller, pipeline: str) -> ModelStatus:
        """What serves and what waits."""
        with (
            self._audit.viewing(caller, pipeline, roles=rights.VIEW_MODEL.roles, pipeline=pipeline),
            self._warehouse.transaction() as connection,
        ):
            applied = pipelines.find(connection, pipeline)
            redact = applied.definition.get("redact", {})
            return status(connection, pipeline).model_copy(update={"redact": redact})

    def versions(self, caller: Caller, pipeline: str) -> Sequence[ModelVersion]:
        """All versions, oldest first."""
        with (
            self._audit.viewing(caller, pipeline, roles=rights.VIEW_MODEL.roles, pipeline=pipeline),
            self._warehouse.transaction() as connection,
        ):
            pipelines.find(connection, pipeline)
            return promotions.versions(connection, pipeline)

    def history(self, caller: Caller, pipeline: str) -> Sequence[Promotion]:
        """The promotion record, latest first."""
        with (
            self._audit.viewing(caller, pipeline, roles=rights.VIEW_MODEL.roles, pipeline=pipeline),
            self._warehouse.transaction() as connection,
        ):
            pipelines.find(connection, pipeline)
            return promotions.history(connection, pipeline)[::-1]

    def register(self, caller: Caller, pipeline: str, facts: ModelFacts) -> ModelVersion:
        """Record a version that was stored in the registry.

        The same facts may be sent again; others of the same version are refused.
        """
        with self._audit.change(
            caller, "register", pipeline, roles=rights.REGISTER.roles, pipeline=pipeline
        ) as (entry, connection):
            entry.detail = {"version": facts.version, "receipt": facts.receipt_id}
            pipelines.find(connection, pipeline, lock=True)
            return _registered(connection, pipeline, facts)

    def verify(
        self, caller: Caller, pipeline: str, number: str, manifest_sha256: str
    ) -> ModelVersion:
        """A version's files were downloaded again and are what the manifest says."""
        with self._audit.change(
            caller, "verify", pipeline, roles=rights.VERIFY.roles, pipeline=pipeline
        ) as (entry, connection):
            entry.detail = {"version": number}
            pipelines.find(connection, pipeline, lock=True)
            version = _pick(promotions.versions(connection, pipeline), number)
            if manifest_sha256 != version.manifest_sha256:
                raise Refused(
                    f"version {number} was registered with another manifest",
                    field="manifest_sha256",
                )
            if version.state == "registered":
                promotions.set_state(connection, pipeline, number, "verified")
            return _pick(promotions.versions(connection, pipeline), number)

    def act(self, caller: Caller, pipeline: str, request: PromotionRequest) -> Promotion:
        """Carry out a step and return its entry in the record.

        Of a proposal that is promoted at once, the promotion's. What is proposed is first compared
        with the registry: raises Refused that names what differs, Unavailable while MLflow is away.
        """
        waits = request.action == "propose" and self._check(caller, pipeline, request)
        with self._audit.change(
            caller, request.action, pipeline, roles=MAY[request.action], pipeline=pipeline
        ) as (entry, connection):
            entry.detail = {"version": request.version, "why": request.why}
            done = self._act(connection, caller, pipeline, request, waits=waits)
            entry.detail |= {"version": done.version, "record": done.id, "state": done.state}
            return done

    def _check(self, caller: Caller, pipeline: str, request: PromotionRequest) -> bool:
        """Refuse a proposal that the registry does not bear out; no transaction is open by then.

        True for a model that was imported: it waits for a person, whatever the pipeline says.
        """
        with self._audit.attempt(
            caller, "propose", pipeline, roles=MAY["propose"], pipeline=pipeline
        ) as entry:
            entry.detail = {"version": request.version, "why": request.why}
            with self._warehouse.transaction() as connection:
                claim = _claim(connection, caller, pipeline, request)
            return claim is not None and borne_out(claim, self._registry).imported is not None

    def _act(
        self,
        connection: Connection,
        caller: Caller,
        pipeline: str,
        request: PromotionRequest,
        *,
        waits: bool,
    ) -> Promotion:
        applied = pipelines.find(connection, pipeline, lock=True)
        if (again := _proposed_already(connection, pipeline, request)) is not None:
            return again
        done = _carry_out(connection, pipeline, request, by=caller.name)
        proposed = request.action == "propose" and not waits
        if proposed and _approved(connection, applied, done.version):
            why = f"approval is auto; proposed by {caller.name}: {request.why}"
            # Unchecked: the reason is longer than a person may give.
            at_once = PromotionRequest.model_construct(
                action="promote", version=done.version, why=why
            )
            done = _carry_out(connection, pipeline, at_once, by=promotion.AUTO)
            detail = {"version": done.version, "record": done.id}
            entry = Entry(promotion.AUTO, "promote", pipeline, detail=detail)
            ledger.enter(connection, entry)
        return done


def status(connection: Connection, pipeline: str) -> ModelStatus:
    """Champion, latest candidate, and the version that a rollback would bring back."""
    versions = promotions.versions(connection, pipeline)
    history = promotions.history(connection, pipeline)
    back = promotion.previous(history, versions)
    return ModelStatus(
        pipeline=pipeline,
        record=history[-1].id if history else 0,
        champion=_in_state(versions, "champion"),
        candidate=_in_state(versions, "candidate"),
        previous=None if back is None else _pick(versions, back),
        withdrawn=promotion.withdrawal(history),
    )


def _claim(
    connection: Connection, caller: Caller, pipeline: str, request: PromotionRequest
) -> Claim | None:
    """What a proposal says, beside what is recorded; None for one that was made before.

    Raises Refused where the state does not allow it, so that nothing is downloaded for it.
    """
    applied = pipelines.find(connection, pipeline)
    if _proposed_already(connection, pipeline, request) is not None:
        return None
    versions = promotions.versions(connection, pipeline)
    version = _pick(versions, request.version or _meant(connection, pipeline, request, versions))
    _decide(request, version, versions)
    return Claim(
        version=version,
        receipt=receipts.find(connection, version.receipt_id),
        caller=caller,
        gate_digest=request.gate_digest or "",
        champion=request.champion,
        # Judged by another definition, it waits for a person: see _approved.
        gates=applied.parsed().gates if version.commit == applied.commit else None,
    )


def _carry_out(
    connection: Connection, pipeline: str, request: PromotionRequest, *, by: str
) -> Promotion:
    versions = promotions.versions(connection, pipeline)
    version = _pick(versions, request.version or _meant(connection, pipeline, request, versions))
    decision = _decide(request, version, versions)
    # The others first: the database allows one champion at any moment.
    for other, state in decision.others:
        promotions.set_state(connection, pipeline, other, state)
    promotions.set_state(
        connection, pipeline, version.version, decision.state, gate_digest=request.gate_digest
    )
    champion = _in_state(versions, "champion")
    previous = champion.version if champion else None
    return promotions.add_promotion(
        connection, version, request, state=decision.state, by=by, previous=previous
    )


def _decide(
    request: PromotionRequest, version: ModelVersion, versions: Sequence[ModelVersion]
) -> promotion.Decision:
    return promotion.decide(
        request.action,
        version,
        all_versions=versions,
        gate_digest=request.gate_digest,
        compared_with=request.champion,
    )


def _approved(connection: Connection, applied: AppliedPipeline, number: str) -> bool:
    """True when the pipeline approves by itself.

    What was judged by another definition than the applied one waits for a person.
    """
    proposed = _pick(promotions.versions(connection, applied.name), number)
    return applied.parsed().approval == "auto" and proposed.commit == applied.commit


def _meant(
    connection: Connection,
    pipeline: str,
    request: PromotionRequest,
    versions: Sequence[ModelVersion],
) -> str:
    """The version of a request that names none."""
    if request.action == "withdraw":
        champion = _in_state(versions, "champion")
        if champion is None:
            raise Refused("no version serves, so there is none to withdraw", field="version")
        return champion.version
    if request.action != "rollback":
        raise InvalidInput("the version is missing", field="version")
    back = promotion.previous(promotions.history(connection, pipeline), versions)
    if back is None:
        raise Refused(
            "there was no champion before this one",
            field="version",
            fix="promote another one, or withdraw the champion: then no version serves",
        )
    return back


def _proposed_already(
    connection: Connection, pipeline: str, request: PromotionRequest
) -> Promotion | None:
    """The outcome of the same proposal made before: its answer may have been lost on the way."""
    if request.action != "propose":
        return None
    history = promotions.history(connection, pipeline)
    of_version = [entry for entry in history if entry.version == request.version]
    if (
        of_version
        and of_version[-1].state in ("candidate", "champion")
        and of_version[-1].gate_digest == request.gate_digest
    ):
        return of_version[-1]
    return None


def _registered(connection: Connection, pipeline: str, facts: ModelFacts) -> ModelVersion:
    versions = promotions.versions(connection, pipeline)
    known = next((item for item in versions if item.version == facts.version), None)
    if known is not None:
        changed = next((name for name, value in facts if value != getattr(known, name)), None)
        if changed is not None:
            raise Refused(
                f"version {known.version} was registered with another {changed}", field=changed
            )
        return known
    receipt = receipts.find(connection, facts.receipt_id)
    if receipt.dataset != f"{pipeline}.training":
        raise Refused(
            f"receipt '{receipt.id}' is of '{receipt.dataset}'",
            field="receipt_id",
            fix="train on the pipeline's own dataset",
        )
    return promotions.add_version(connection, pipeline, facts)


def _pick(versions: Sequence[ModelVersion], number: str) -> ModelVersion:
    found = next((version for version in versions if version.version == number), None)
    if found is None:
        raise UnknownName(f"there is no version {number}", field="version")
    return found


def _in_state(versions: Sequence[ModelVersion], state: State) -> ModelVersion | None:
    return next((version for version in reversed(versions) if version.state == state), None)
