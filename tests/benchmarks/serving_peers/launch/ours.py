"""Our serving process over one model folder: everything that the product does but to follow one.

    python ours.py FOLDER PORT OUTBOX

Validation, bearer token, metrics, the batcher and the durable outbox are the product's own, put
together as `mlplatform.serving.main` does, without the platform's other servers. OUTBOX is a folder
or, to measure what storing costs, `none`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlplatform.access import AccessList, Caller, Role, digest
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.load import read_signature
from mlplatform.engine.onnx import load as load_onnx
from mlplatform.features.acceptance import accept
from mlplatform.features.code import FeatureSet
from mlplatform.outbox import OutboxStatus, OutboxWriter
from mlplatform.serving.app import Collaborators, create_app
from mlplatform.serving.handler import Handler
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.request import PendingRequest
from mlplatform.serving.server import Server
from mlplatform.serving.slot import Slot, Slots
from mlplatform.serving.warmup import warm_up
from mlplatform.settings import ServingSettings

CAPACITY, SEGMENT, RECORD = 1 << 34, 1 << 26, 1_000_000
"""Bytes of the outbox, of a segment file (the product's default) and of the largest record."""
TOKEN = "benchmark"


class Unlogged:
    """Lets answers go without storing them: what the recorder is measured against."""

    max_record_bytes = RECORD

    def refuse_if_hung(self) -> None:
        """There is no disk."""

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, requests: Sequence[PendingRequest], _: Sequence[str]) -> None:
        """Let them go."""
        for pending in requests:
            pending.finish()

    async def status(self) -> OutboxStatus:
        """Nothing."""
        return OutboxStatus("", 0, 0, 0)

    async def close(self) -> None:
        """Nothing to close."""


def load(folder: Path) -> LoadedModel:
    """The model that `models.py` wrote."""
    signature = read_signature(folder)
    version = ModelVersion(
        pipeline=signature.pipeline,
        version="1",
        state="champion",
        run_id="-",
        artifacts="-",
        manifest_sha256="0" * 64,
        features_digest=signature.features_digest,
        commit="-",
        format="onnx",
        receipt_id="-",
        created_at=datetime.now(UTC),
    )
    features = FeatureSet(
        digest=signature.features_digest,
        inputs=signature.inputs,
        engineer=None,
        where="",
        accepted=accept(None, signature.inputs, "", None),
    )
    engine = load_onnx((folder / signature.model_file).read_bytes(), signature, ())
    model = LoadedModel(version, signature, features, engine)
    warm_up(model)
    return model


def recorder(outbox: str) -> RequestRecorder:
    """A real one, unless it is `none`."""
    if outbox == "none":
        return Unlogged()  # type: ignore[return-value]
    writer = OutboxWriter.open(Path(outbox), segment_bytes=SEGMENT, capacity_bytes=CAPACITY)
    return RequestRecorder(writer, max_record_bytes=RECORD, capacity_bytes=CAPACITY)


def main(folder: str, port: str, outbox: str) -> None:
    """Serve until SIGTERM."""
    model, limits = load(Path(folder)), ServingSettings(port=int(port))
    storing = recorder(outbox)
    slot = Slot(model.signature.pipeline, limits=limits, deliver=storing.submit)
    slot.swap(model)
    access = AccessList([Caller(name="bench", roles=(Role.PREDICT,), sha256=digest(TOKEN))])
    handler = Handler(slots=Slots([slot]), recorder=storing, access=access, limits=limits)
    app = create_app(Collaborators(handler=handler))
    Server(app, handler, limits, stuck_s=limits.stuck_s).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
