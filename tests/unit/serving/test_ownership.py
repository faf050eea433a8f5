"""An outbox asks whether it may go on numbering."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlplatform.contracts.outbox_report import OutboxAnswer, OutboxReport
from mlplatform.contracts.request import decode
from mlplatform.errors import Unavailable
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.serving.heartbeat import Heartbeat
from mlplatform.serving.ownership import claim
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.slot import Slots

Scene = Mapping[str, Callable[..., Any]]


class Api:
    """The data API: keeps reports, answers as told, or is away."""

    def __init__(self, *answers: OutboxAnswer | None) -> None:
        self.answers = list(answers)
        self.reports: list[tuple[str, OutboxReport]] = []

    def report_outbox(self, outbox_id: str, report: OutboxReport) -> OutboxAnswer:
        """As DataApi.report_outbox."""
        answer = self.answers.pop(0) if self.answers else OutboxAnswer()
        if answer is None:
            raise Unavailable("no answer")
        self.reports.append((outbox_id, report))
        return answer


def opened(folder: Path) -> OutboxWriter:
    return OutboxWriter.open(folder, segment_bytes=1 << 16, capacity_bytes=1 << 20)


def restarted(folder: Path, api: Any) -> OutboxWriter:
    """A writer on a folder of three records, after it asked."""
    writer = opened(folder)
    writer.append([b"1", b"2", b"3"])
    writer.confirm()
    writer.close()
    writer = opened(folder)
    claim(writer, api)
    return writer


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (OutboxAnswer(known=3), True),
        (OutboxAnswer(known=0), True),
        (OutboxAnswer(known=4), False),
        (OutboxAnswer(known=3, superseded=True), False),
        (None, False),
    ],
)
def test_an_identity_is_kept_only_when_that_is_sure(
    answer: OutboxAnswer | None, kept: bool, tmp_path: Path
) -> None:
    """The numbers go on, or begin again at 1 under an identity that nobody else has."""
    first = opened(tmp_path / "outbox")
    identity = first.outbox_id
    first.close()
    writer = restarted(tmp_path / "outbox", Api(answer))
    found = (writer.outbox_id == identity, writer.next_number, writer.next_sequence)
    writer.close()

    assert ((True, 4, 4) if kept else (False, 1, 4)) == found


def test_runs_are_told_apart(tmp_path: Path) -> None:
    """Each run names itself and the one before; a new outbox has nothing to ask."""
    api = Api()
    new = opened(tmp_path / "outbox")
    claim(new, api)  # type: ignore[arg-type]
    new.confirm()
    new.close()
    old = opened(tmp_path / "outbox")
    claim(old, api)  # type: ignore[arg-type]
    old.close()
    ((outbox_id, report),) = api.reports

    assert (old.outbox_id, old.incarnation, new.incarnation) == (
        outbox_id,
        str(report.incarnation),
        str(report.previous),
    )


def run_beats(
    folder: Path, scene: Scene, answers: list[OutboxAnswer | None], beats: int
) -> tuple[list[Any], list[tuple[str, OutboxReport]]]:
    """A request before each heartbeat: the records, in order, and the reports."""
    api = Api(*answers)

    async def run() -> None:
        writer = opened(folder)
        recorder = RequestRecorder(writer, max_record_bytes=100_000, capacity_bytes=1 << 20)
        recorder.start()
        heartbeat = Heartbeat(recorder, Slots([]), api=api, every_s=1.0)  # type: ignore[arg-type]
        for _ in range(beats):
            pending = scene["pending"]()
            pending.outputs = {"prediction": [1.0] * pending.request.rows}
            recorder.submit([pending])
            await pending.done
            await heartbeat.beat(closed=False)
        await recorder.close()

    asyncio.run(run())
    reader = OutboxReader.open(folder)
    records = [decode(record.payload) for record in reader.read(1000, 1 << 20)]
    reader.close()
    return records, api.reports


def test_a_running_outbox_that_learns_of_higher_numbers_takes_a_new_identity(
    scene: Scene, tmp_path: Path
) -> None:
    """Not one request is refused or lost; the next one has number 1 of the new identity."""
    records, reports = run_beats(
        tmp_path / "outbox", scene, [None, OutboxAnswer(known=2), OutboxAnswer(known=7)], 4
    )
    ids = [record.outbox_id for record in records]

    assert [1, 2, 3, 1] == [record.sequence for record in records]
    assert [ids[0]] * 3 == ids[:3]
    assert ids[0] != ids[3]
    assert [(ids[0], 2, False), (ids[0], 3, False), (ids[3], 1, False), (ids[0], 3, False)] == [
        (name, report.accepted, report.closed) for name, report in reports[:4]
    ]


def test_a_former_identity_is_reported_until_all_of_it_is_sent(
    scene: Scene, tmp_path: Path
) -> None:
    """Then it is closed, once: what others know of it beyond that is missing."""
    folder = tmp_path / "outbox"
    run_beats(folder, scene, [OutboxAnswer(superseded=True)], 1)
    reader = OutboxReader.open(folder)
    reader.acknowledge(len(reader.read(1000, 1 << 20)))
    reader.close()
    records, reports = run_beats(folder, scene, [], 2)
    again, _ = run_beats(folder, scene, [], 1)

    former = [(report.accepted, report.acknowledged, report.closed) for _, report in reports][1]
    assert (1, 1, True) == former
    assert [records[0].outbox_id, records[0].outbox_id] == [reports[0][0], reports[2][0]]
    assert [1, 2, 3] == [record.sequence for record in again]


def test_a_copy_beside_the_original_shares_no_number(scene: Scene, tmp_path: Path) -> None:
    """Two folders with one identity: the second to be known goes on under another one."""
    folder, copy = tmp_path / "outbox", tmp_path / "copy"
    run_beats(folder, scene, [], 2)
    shutil.copytree(folder, copy)
    first, _ = run_beats(folder, scene, [], 2)
    second, _ = run_beats(copy, scene, [OutboxAnswer(known=4, superseded=True)], 2)
    ours = {(record.outbox_id, record.sequence) for record in first[2:]}
    theirs = [(record.outbox_id, record.sequence) for record in second[2:]]

    assert theirs[0] in ours  # before it could ask; the balance names it
    assert theirs[1] not in ours
    assert 1 == theirs[1][1]


def test_after_a_reset_of_the_queue_all_that_is_left_is_sent_again(
    scene: Scene, tmp_path: Path
) -> None:
    """Once for each reset that the data API tells of, also of one that happened before."""
    folder = tmp_path / "outbox"

    def shipped(*answers: OutboxAnswer) -> list[int]:
        records, _ = run_beats(folder, scene, list(answers), len(answers))
        reader = OutboxReader.open(folder)
        reader.acknowledge(len(reader.read(1000, 1 << 20)) and reader.status().accepted)
        reader.close()
        return [record.sequence for record in records]

    none, one = OutboxAnswer(), OutboxAnswer(resets=1)

    assert [1, 2] == shipped(none, none)
    assert [3] == shipped(none)
    assert [1, 2, 3, 4] == shipped(one)
    assert [5, 6] == shipped(one, one)
    assert [1, 2, 3, 4, 5, 6, 7] == shipped(OutboxAnswer(resets=2))
