"""A batch of requests gets the bytes that each would get alone, whatever the bodies are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.engine.limits import TrialLimits
from mlplatform.errors import PlatformError
from mlplatform.outbox import OutboxWriter
from mlplatform.registry.store import ModelStore
from mlplatform.serving.cache import ModelCache
from mlplatform.serving.dialects import INFERENCE, ROWS
from mlplatform.serving.handler import Handler
from mlplatform.serving.loader import Loader
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.request import Route
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import ServingSettings
from mlplatform.web import problem

LIMITS = ServingSettings(max_waiting=10_000)
ROW = st.fixed_dictionaries(
    {
        "age": st.integers(-(2**63), 2**63 - 1),
        "bmi": st.floats(allow_nan=False, allow_infinity=False),
        "dose": st.floats(-10, 10),
        "class": st.sampled_from(["a", "b", "c", "", "zzz", "ünïcødé"]),
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(["age", "bmi", "rows"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def model(module_platform: Any, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A real ONNX model, loaded as serving does it."""
    with ModelStore(module_platform.url) as store:
        cache = ModelCache(tmp_path_factory.mktemp("cache"))
        return Loader(
            cache=cache,
            store=store,
            fetch_features=lambda *_: None,
            trusted=(),
            limits=TrialLimits(60.0, 256 << 20),
        ).load(module_platform.publish("batch", "1"))


class Bench:
    """One handler over a real model and a real outbox, on an event loop of its own."""

    def __init__(self, model: LoadedModel, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._runner.run(self._start(model, folder))

    async def _start(self, model: LoadedModel, folder: Path) -> None:
        writer = OutboxWriter.open(folder, segment_bytes=1 << 20, capacity_bytes=1 << 30)
        recorder = RequestRecorder(writer, max_record_bytes=1_000_000, capacity_bytes=1 << 30)
        slot = Slot("batch", limits=LIMITS, deliver=recorder.submit)
        slot.swap(model)
        self._handler = Handler(
            slots=Slots([slot]), recorder=recorder, access=None, limits=LIMITS, new_id=lambda: "id"
        )
        self._handler.start()

    def close(self) -> None:
        """End handler and loop."""
        self._runner.run(self._handler.close())
        self._runner.close()

    def each_alone(self, bodies: list[tuple[str, bytes]]) -> list[bytes]:
        """The response bodies, or the problem documents, one request after the other."""
        return [self._runner.run(self._ask(*body)) for body in bodies]

    def together(self, bodies: list[tuple[str, bytes]]) -> list[bytes]:
        """The same, all at once."""

        async def run() -> list[bytes]:
            return list(await asyncio.gather(*(self._ask(*body) for body in bodies)))

        return self._runner.run(run())

    async def _ask(self, dialect: str, body: bytes) -> bytes:
        caller = self._handler.admit("batch", None)
        try:
            return (await self._handler.answer(Route("batch", None, dialect), caller, body)).body
        except PlatformError as error:
            document = problem.document(error)
        assert document["status"] < 500, document
        return json.dumps(document).encode()


@pytest.fixture(scope="module")
def bench(model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench for all tests of this module."""
    found = Bench(model, tmp_path_factory.mktemp("outbox"))
    yield found
    found.close()


def written(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"rows": rows}).encode()


@given(st.lists(st.lists(ROW, min_size=1, max_size=5), min_size=1, max_size=20))
def test_a_batch_answers_as_each_alone(bench: Bench, requests: list[list[dict[str, Any]]]) -> None:
    """Concurrent requests get, byte for byte, what each gets by itself."""
    bodies = [(ROWS, written(rows)) for rows in requests]

    assert bench.each_alone(bodies) == bench.together(bodies)


@given(
    st.lists(
        st.one_of(
            ROW.map(lambda row: written([row])), JSON.map(lambda value: json.dumps(value).encode())
        ),
        min_size=2,
        max_size=12,
    )
)
def test_bad_requests_touch_no_other_in_the_batch(bench: Bench, bodies: list[bytes]) -> None:
    """Whatever arrives in the same moment, a request gets its own prediction or refusal."""
    mixed = [(ROWS, body) for body in bodies]

    assert bench.each_alone(mixed) == bench.together(mixed)


TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["age", "bmi", "dose", "class", "patient", "x"]) | JSON,
        "datatype": st.sampled_from(["INT64", "FP64", "BYTES", "BOOL", "XX"]) | JSON,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON,
        "data": st.lists(
            st.none()
            | st.integers(-3, 3)
            | st.floats()
            | st.text(max_size=3)
            | st.lists(st.integers()),
            max_size=3,
        )
        | JSON,
    },
)
LOOSE_ROW = st.dictionaries(
    st.sampled_from(["age", "bmi", "dose", "class", "patient", "seen_at"]), JSON
)
LOOSE = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"inputs": st.lists(TENSOR, max_size=6) | JSON},
        optional={"id": JSON, "outputs": JSON, "parameters": JSON},
    ),
    st.fixed_dictionaries(
        {"rows": st.lists(LOOSE_ROW | ROW, max_size=4) | JSON}, optional={"id": JSON}
    ),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    LOOSE.map(lambda value: json.dumps(value).encode()),
    LOOSE.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
)


@given(st.sampled_from([ROWS, INFERENCE]), BODIES)
def test_no_body_is_the_servers_fault(bench: Bench, dialect: str, body: bytes) -> None:
    """Any bytes at all are answered, or refused as the client's mistake, never by a 5xx."""
    (answer,) = bench.together([(dialect, body)])

    assert answer.startswith(b"{")


@pytest.mark.parametrize("dialect", [ROWS, INFERENCE])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 400_000,
        b'{"rows":' * 50_000,
        b'{"inputs":[{"name":"age","datatype":"INT64","shape":[1],"data":'
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}]}",
        b'{"rows":[{"age":1e999,"bmi":1,"dose":1,"class":"a"}]}',
        b'{"rows":[{"age":NaN}]}',
        b'{"rows":[{"age":1,"bmi":1,"dose":1,"class":"\\ud800"}]}',
        b'{"rows":[{"age":1,"bmi":1,"dose":1,"class":"\xff"}]}',
        b'{"rows":[{"age":' + b"1" * 5000 + b',"bmi":1,"dose":1,"class":"a"}]}',
        b'{"parameters":' + b"[" * 5_000 + b"]" * 5_000 + b',"inputs":[]}',
        b"",
        b"\xef\xbb\xbf{}",
    ],
)
def test_hostile_bodies_are_refused(bench: Bench, dialect: str, body: bytes) -> None:
    """Depth, size, and bytes that are not JSON are the client's mistake."""
    (answer,) = bench.together([(dialect, body)])

    assert 422 == json.loads(answer)["status"]
