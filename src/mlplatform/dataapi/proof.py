"""Is a proposal true? Manifest, model files and gate report are read from the registry itself.

What a training run says of its version is compared with what MLflow holds, with the receipt that
the data API gave out, and with the gates of the applied definition. Nothing that is read here is
executed or unpickled. The report itself is the run's own word: whoever writes to MLflow with a
training's rights can write metrics that were never measured, but none that the gates refuse.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mlplatform.access import Caller
from mlplatform.contracts.dataset import Receipt
from mlplatform.contracts.gate_report import GateReport, JudgedGate
from mlplatform.contracts.model import ModelFile
from mlplatform.contracts.pipeline import LOWER_IS_BETTER, Gate
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.errors import (
    InvalidInput,
    ManifestMismatch,
    Refused,
    TooLarge,
    Unavailable,
    UnknownName,
)
from mlplatform.registry import manifest
from mlplatform.registry.store import ModelStore
from mlplatform.strict_json import repeated_keys

WITHIN_S = 20.0
"""For all downloads of one proposal. Clients give up after 30 s, and then try again."""
MANIFEST_BYTES = 1 << 20
"""A model folder has five files; a manifest of a megabyte would list some six thousand."""
REPORT_BYTES = 16 << 20
"""A gate over a column of ten thousand values makes a report of 3 MB."""

_ALWAYS = -1  # no number of fields lets the keys pass unread
_MODEL, _REPORT = "/artifacts/model", "/artifacts/report/gates.json"


@dataclass(frozen=True)
class Claim:
    """What a proposal says, beside what the data API has recorded."""

    version: ModelVersion
    receipt: Receipt
    caller: Caller
    gate_digest: str
    champion: str | None  # that it was compared with
    gates: Sequence[Gate] | None  # of the applied definition; None: judged by another one


def borne_out(claim: Claim, registry: ModelStore) -> GateReport:
    """The gate report, when the registry bears out the claim.

    Blocks for up to WITHIN_S. Raises Refused that names what differs, Unavailable when MLflow is
    away or too slow.
    """
    version, deadline = claim.version, time.monotonic() + WITHIN_S
    with _as_refusal(version):
        known = registry.version(version.pipeline, version.version, deadline=deadline)
        _require_run(version, known)
        _require_files(version, registry, deadline)
        path = version.artifacts.removesuffix(_MODEL) + _REPORT
        data = registry.read_within(path, most_bytes=REPORT_BYTES, deadline=deadline)
    report = parse(data, claim.gate_digest)
    require_facts(report, claim)
    require_passed(report, claim.gates)
    return report


def parse(data: bytes, gate_digest: str) -> GateReport:
    """The gate report behind the bytes of gates.json.

    Raises Refused unless their digest is `gate_digest` and they are a report.
    """
    actual = hashlib.sha256(data).hexdigest()
    if actual != gate_digest:
        raise Refused(
            f"the gate report in the registry has SHA-256 {actual}, proposed was {gate_digest}",
            field="gate_digest",
        )
    try:
        report = GateReport.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "gates.json"
        raise Refused(
            f"the gate report is none: {where}: {first['msg']}", field="gate_digest"
        ) from error
    # A person may read the first of two, and a program the last.
    if repeated := repeated_keys(data, _ALWAYS):
        raise Refused(f"the gate report has the key '{repeated[0].key}' twice", field="gate_digest")
    return report


def require_facts(report: GateReport, claim: Claim) -> None:
    """Raise Refused unless the report is of this version, dataset and champion."""
    version, receipt = claim.version, claim.receipt
    pairs: dict[str, tuple[object, object]] = {
        "pipeline": (report.pipeline, version.pipeline),
        "run": (report.run, version.run_id),
        "commit": (report.commit, version.commit),
        "features_digest": (report.features_digest, version.features_digest),
        "manifest_sha256": (report.manifest_sha256, version.manifest_sha256),
        "receipt": (report.receipt, receipt.id),
        "dataset_sha256": (report.dataset_sha256, receipt.sha256),
        "champion": (report.champion, claim.champion),
    }
    for field, (said, known) in pairs.items():
        if said != known:
            raise Refused(
                f"the gate report says {field} {said}, the record says {known}", field=field
            )
    _require_own(receipt, claim.caller)


def _require_own(receipt: Receipt, caller: Caller) -> None:
    """A version is proposed by the run that read its dataset; where there is none, by the caller.

    Two runs that the same caller began have its name in common, so between runs it does not count.
    """
    if caller.run or receipt.run:
        to, by = (f"run '{run}'" if run else "no run" for run in (receipt.run, caller.run))
    else:
        to, by = f"'{receipt.caller}'", f"'{caller.name}'"
    if to != by:
        raise Refused(f"receipt '{receipt.id}' was given to {to}, not to {by}", field="receipt")


def require_passed(report: GateReport, gates: Sequence[Gate] | None) -> None:
    """Raise Refused unless every gate, measured again by its figures, and every case holds.

    With `gates` None the report's own list of gates counts.
    """
    if gates is not None and tuple(gates) != report.required:
        raise Refused(
            "the gate report judges other gates than those of the applied definition",
            field="gates",
            fix="train again",
        )
    failed = [f"gate on {each.metric}" for each in report.gates if not each.passed]
    failed += [f"case '{each.name}'" for each in report.cases if each.complaint]
    if failed or not report.passed:
        what = ", ".join(failed) or "passed is false"
        raise Refused(f"the gate report says that it did not pass: {what}", field="passed")
    for gate in report.required:
        _require_judged(gate, report)


def _require_judged(gate: Gate, report: GateReport) -> None:
    mine = [each for each in report.gates if each.counts and _is_of(each, gate)]
    if not mine:
        raise Refused(f"the gate on {gate.metric} was not judged", field="gates")
    for each in mine:
        if not _holds(gate, each, first=report.champion is None):
            where = f" where {each.slice}" if each.slice else ""
            raise Refused(
                f"{gate.metric}{where} is {each.value}, required {each.condition};"
                f" the gate report says that it passed",
                field="gates",
            )


def _is_of(judged: JudgedGate, gate: Gate) -> bool:
    if judged.metric != gate.metric or (gate.slice is None and judged.slice):
        return False
    if gate.against is not None:
        return judged.condition.startswith("as good as")
    return judged.condition == gate.bounds


def _holds(gate: Gate, judged: JudgedGate, *, first: bool) -> bool:
    value, best = judged.value, judged.bound
    if gate.against is not None:
        if first:  # nothing serves yet, so there is nothing to be worse than
            return True
        if value is None or best is None:
            return False
        if gate.metric in LOWER_IS_BETTER:
            return value <= best + gate.tolerance
        return value >= best - gate.tolerance
    return (
        value is not None
        and (gate.min is None or value >= gate.min)
        and (gate.max is None or value <= gate.max)
    )


def _require_run(version: ModelVersion, known: Mapping[str, Any]) -> None:
    """The version is of the run and the folder that it was registered with."""
    if known.get("run_id") != version.run_id:
        raise Refused(
            f"version {version.version} is of run '{known.get('run_id')}' in MLflow,"
            f" registered was '{version.run_id}'",
            field="run_id",
        )
    source = f"mlflow-artifacts:/{version.artifacts}"
    own = source.endswith(f"/{version.run_id}{_MODEL}") and ".." not in source.split("/")
    if known.get("source") != source or not own:
        raise Refused(
            f"version {version.version} is made of '{known.get('source')}' in MLflow,"
            f" registered was '{version.artifacts}'",
            field="artifacts",
        )


def _require_files(version: ModelVersion, registry: ModelStore, deadline: float) -> None:
    """The manifest is the registered one, and the folder holds its files, byte by byte."""
    folder = version.artifacts
    data = registry.read_within(
        f"{folder}/{manifest.NAME}", most_bytes=MANIFEST_BYTES, deadline=deadline
    )
    files = manifest.parse(data, version.manifest_sha256).files
    for file in files:
        size, sha256 = registry.hash_within(
            f"{folder}/{file.path}", most_bytes=file.size, deadline=deadline
        )
        manifest.check(file, ModelFile(path=file.path, size=size, sha256=sha256))


@contextmanager
def _as_refusal(version: ModelVersion) -> Iterator[None]:
    """What MLflow lacks or holds otherwise is a refusal; that it can't be asked is none."""
    try:
        yield
    except (UnknownName, TooLarge, ManifestMismatch) as error:
        raise Refused(
            f"version {version.version} is not what was registered: {error.message}",
            field="version",
            fix="train again; a version is proposed by the run that stored it",
        ) from error
    except InvalidInput as error:  # a wrong password, for one: nothing is known of the version
        raise Unavailable(f"MLflow can't be asked: {error.message}", retry_after_s=5.0) from error
