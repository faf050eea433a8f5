"""The Open Inference Protocol over gRPC: the same answers and refusals as over HTTP."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_calls import Calls, infer, outputs

from mlplatform.serving.grpc.messages import message

SLOW = b"""
import time
def engineer(columns):
    time.sleep(0.3)
    return dict(columns)
"""
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def port(free: Callable[..., int]) -> int:
    return free()


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory,
    module_platform: Any,
    free: Callable[..., int],
    scene: Any,
    port: int,
) -> Iterator[Any]:
    """A serving process with both ports."""
    module_platform.promote(module_platform.publish("ward", "1"))
    settings = {"SERVING__GRPC_PORT": str(port)}
    started = scene.child(
        tmp_path_factory.mktemp("serving"), module_platform, free(), ("ward", "empty"), settings
    )
    try:
        started.until("/readyz", 200)
        yield started
    finally:
        started.close()


@pytest.fixture
def connect(both: Any, port: int) -> Iterator[Callable[[str | None], Calls]]:
    """Connections with a token, or without one."""
    del both
    made: list[Calls] = []

    def connected(token: str | None) -> Calls:
        made.append(Calls(port, token))
        return made[-1]

    yield connected
    for calls in made:
        calls.channel.close()


@pytest.fixture
def calls(connect: Callable[[str | None], Calls], scene: Any) -> Calls:
    """A client that may predict."""
    return connect(scene.TOKENS["client"])


@pytest.mark.parametrize("raw", [False, True])
def test_grpc_gives_the_numbers_of_plain_rows(
    both: Any, calls: Calls, scene: Any, *, raw: bool
) -> None:
    """Typed contents and raw bytes are answered in kind, and exactly as plain rows are."""
    asked = scene.rows(7, seed=3)

    plain = both.predict("ward", asked).json()
    response = calls.send("ModelInfer", infer(asked, raw=raw, id="mine"))
    found = outputs(response)

    assert raw == bool(response.raw_output_contents)
    assert plain["predictions"] == found["prediction"]
    assert [p for row in plain["probabilities"] for p in (row["0"], row["1"])] == found[
        "probabilities"
    ]
    assert [[7], [7, 2]] == [list(tensor.shape) for tensor in response.outputs]
    assert ("ward", "1", "mine") == (response.model_name, response.model_version, response.id)
    assert "mine" == response.parameters["client_id"].string_param


def test_a_grpc_request_is_stored_like_any_other(both: Any, calls: Calls, scene: Any) -> None:
    """The record differs from that of the same plain rows by ids, time, number and dialect."""
    asked = scene.rows(3, seed=8)

    plain = both.predict("ward", asked).json()["id"]
    ids = [
        calls.send("ModelInfer", infer(asked, raw=raw)).parameters["request_id"].string_param
        for raw in (False, True)
    ]
    stored = {record.request_id: record for record in both.records()}

    for identity in ids:
        assert stored[plain].inputs == stored[identity].inputs
        assert stored[plain].outputs == stored[identity].outputs
        assert ("client", "ward", "1", 3, "grpc") == (
            stored[identity].caller,
            stored[identity].pipeline,
            stored[identity].version,
            stored[identity].rows,
            stored[identity].dialect,
        )


def test_the_pages_of_the_protocol(calls: Calls) -> None:
    """Live, ready, and the metadata of server and model."""
    model = calls.call("ModelMetadata", name="ward")

    assert calls.call("ServerLive").live
    assert calls.call("ServerReady").ready
    assert calls.call("ModelReady", name="ward").ready
    assert not calls.call("ModelReady", name="empty").ready
    assert "mlplatform" == calls.call("ServerMetadata").name
    assert "model_repository" in calls.call("ServerMetadata").extensions
    assert ("ward", ["1"], "onnx_onnxv1") == (model.name, list(model.versions), model.platform)
    assert ("age", "INT64", [-1]) == (
        model.inputs[0].name,
        model.inputs[0].datatype,
        list(model.inputs[0].shape),
    )
    assert [-1, 2] == list(model.outputs[1].shape)


def test_the_index_of_the_repository_shows_what_a_caller_may_use(
    calls: Calls, connect: Callable[[str | None], Calls], scene: Any
) -> None:
    """Each model with version and state, only those that serve if asked so; never without a token.

    As `POST /v2/repository/index` does.
    """
    index = message("inference.RepositoryIndexRequest")

    def found(caller: Calls, **fields: Any) -> list[tuple[str, str, str]]:
        models = caller.send("RepositoryIndex", index(**fields)).models
        return [(model.name, model.version, model.state) for model in models]

    assert [("ward", "1", "READY"), ("empty", "", "UNAVAILABLE")] == found(calls)
    assert [("ward", "1", "READY")] == found(calls, ready=True)
    assert [] == found(connect(scene.TOKENS["narrow"]))
    assert Code.UNAUTHENTICATED == connect(None).refused("RepositoryIndex", index()).code()


def test_the_health_service_of_grpc_is_answered(calls: Calls) -> None:
    """Probes and load balancers that know grpc.health.v1 see a serving process."""
    check = calls.channel.unary_unary("/grpc.health.v1.Health/Check")

    answer = message("grpc.health.v1.HealthCheckResponse").FromString(check(b"", timeout=20))

    assert 1 == answer.status


def test_selected_outputs_are_sent(calls: Calls, scene: Any) -> None:
    """A client that names one output gets that one."""
    request = infer(scene.rows(2), raw=True)
    request.outputs.add(name="probabilities")

    response = calls.send("ModelInfer", request)

    assert ["probabilities"] == list(outputs(response))
    assert 1 == len(response.raw_output_contents)


@pytest.mark.parametrize(
    ("token", "model", "code"),
    [
        ("client", "ward", None),
        ("narrow", "ward", Code.PERMISSION_DENIED),
        ("reader", "ward", Code.PERMISSION_DENIED),
        ("nobody", "ward", Code.UNAUTHENTICATED),
        (None, "ward", Code.UNAUTHENTICATED),
        ("client", "xyz", Code.NOT_FOUND),
        ("client", "empty", Code.UNAVAILABLE),
    ],
)
def test_the_same_callers_are_answered_as_over_http(
    connect: Callable[[str | None], Calls],
    scene: Any,
    token: str | None,
    model: str,
    code: grpc.StatusCode | None,
) -> None:
    """The token comes in the metadata; refusals have gRPC's own codes."""
    calls = connect(token and scene.TOKENS.get(token, "x"))
    request = infer(scene.rows(1), model=model)

    if code is None:
        assert calls.send("ModelInfer", request).outputs
    else:
        assert code == calls.refused("ModelInfer", request).code()


def test_a_wrong_value_is_named_by_row_and_column(calls: Calls, scene: Any) -> None:
    """INVALID_ARGUMENT says which value of which column does not fit, raw or typed."""
    asked = scene.rows(3)
    asked[2]["bmi"] = float("nan")

    for raw in (False, True):
        error = calls.refused("ModelInfer", infer(asked, raw=raw))

        assert Code.INVALID_ARGUMENT == error.code()
        assert "row 2, column bmi" in error.details()


def test_a_version_that_is_not_loaded_is_refused(calls: Calls, scene: Any) -> None:
    """NOT_FOUND names the version that is."""
    error = calls.refused("ModelInfer", infer(scene.rows(1), model_version="9"))

    assert calls.send("ModelInfer", infer(scene.rows(1), model_version="1")).outputs
    assert (Code.NOT_FOUND, True) == (error.code(), "loaded is 1" in error.details())


def test_a_missing_model_says_when_to_come_back(calls: Calls, scene: Any) -> None:
    """UNAVAILABLE carries the pause in the trailing metadata, also the one that gRPC obeys."""
    error = calls.refused("ModelInfer", infer(scene.rows(1), model="empty"))
    trailing = dict(error.trailing_metadata())

    assert float(trailing["retry-after"]) * 1000 == float(trailing["grpc-retry-pushback-ms"])


def test_bytes_that_are_no_message_are_refused(calls: Calls) -> None:
    """INVALID_ARGUMENT, and the connection goes on."""
    method = calls.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    with pytest.raises(grpc.RpcError) as caught:
        method(b"\xff\xff\xff", timeout=20)

    assert Code.INVALID_ARGUMENT == caught.value.code()
    assert calls.call("ServerLive").live


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_above_the_limit_is_refused(calls: Calls, compression: grpc.Compression) -> None:
    """The limit of a body holds for a message, before and after it is unpacked."""
    method = calls.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    with pytest.raises(grpc.RpcError) as caught:
        method(bytes(16 << 20), timeout=20, compression=compression)

    assert Code.RESOURCE_EXHAUSTED == caught.value.code()


def test_requests_and_refusals_are_counted(both: Any, calls: Calls, scene: Any) -> None:
    """The counters of HTTP count gRPC too, by the code that HTTP would have answered."""

    def count(code: int) -> float:
        name = f'mlplatform_serving_requests_total{{code="{code}",pipeline="ward"}}'
        found = [
            line.split()[1]
            for line in both.http.get("/metrics").text.splitlines()
            if line.startswith(("mlplatform_serving_requests_total", name)) and f'"{code}"' in line
        ]
        return sum(map(float, found))

    good, bad = count(200), count(422)
    calls.send("ModelInfer", infer(scene.rows(1)))
    calls.refused("ModelInfer", infer(scene.rows(1), datatypes={"age": "INT64"}))

    assert (good + 1, bad + 1) == (count(200), count(422))


@pytest.fixture
def slow(
    platform: Any, serve: Callable[..., Any], scene: Any, tmp_path: Path, free: Callable[..., int]
) -> Callable[..., tuple[Any, int]]:
    """Start a process whose model takes 0.3 s; gives it and its gRPC port."""

    def started(**settings: str) -> tuple[Any, int]:
        commit = scene.repository(tmp_path / "repository", {"ward": SLOW})
        platform.promote(platform.publish("ward", "1", source=SLOW, commit=commit))
        number = free()
        child = serve("ward", SERVING__GRPC_PORT=str(number), **settings)
        child.until("/readyz", 200)
        return child, number

    return started


def test_running_calls_are_finished_at_the_end(
    slow: Callable[..., tuple[Any, int]], scene: Any
) -> None:
    """After SIGTERM a call that runs is answered, a new one is not, and the process ends well."""
    child, number = slow(SERVING__MAX_BATCH="1")  # eight calls then take more than two seconds
    calls = Calls(number, scene.TOKENS["client"])
    codes: list[Any] = []
    threads = [threading.Thread(target=_ask, args=(calls, scene, codes)) for _ in range(8)]
    for thread in threads:
        thread.start()
    scene.until(lambda: Code.OK in codes)

    code = child.stop()
    for thread in threads:
        thread.join(20)

    assert (0, {Code.OK: 8}) == (code, dict(Counter(codes)))
    assert Code.UNAVAILABLE == calls.refused("ModelInfer", infer(scene.rows(1))).code()
    calls.channel.close()


def _ask(calls: Calls, scene: Any, codes: list[Any]) -> None:
    try:
        calls.send("ModelInfer", infer(scene.rows(1)))
        codes.append(Code.OK)
    except grpc.RpcError as error:
        codes.append(error.code())


def test_a_call_whose_time_is_over_while_it_waits_is_not_computed(
    slow: Callable[..., tuple[Any, int]], scene: Any
) -> None:
    """DEADLINE_EXCEEDED and no record; those before it are answered."""
    child, number = slow(SERVING__MAX_BATCH="1")
    calls = Calls(number, scene.TOKENS["client"])
    codes: list[Any] = []
    threads = [threading.Thread(target=_ask, args=(calls, scene, codes)) for _ in range(8)]
    for thread in threads:
        thread.start()
    scene.until(lambda: _waiting(child) >= 6)  # two seconds of work

    with pytest.raises(grpc.RpcError) as caught:
        calls.send("ModelInfer", infer(scene.rows(1)), timeout=0.5)
    for thread in threads:
        thread.join(20)
    calls.channel.close()

    assert Code.DEADLINE_EXCEEDED == caught.value.code()
    assert {Code.OK: 8} == Counter(codes)
    scene.until(lambda: not _waiting(child))
    assert 8 == len(child.records())


def _waiting(child: Any) -> int:
    """How many requests are between acceptance and answer."""
    name = 'mlplatform_serving_waiting_requests{pipeline="ward"}'
    lines = child.http.get("/metrics").text.splitlines()
    return int(sum(float(line.split()[1]) for line in lines if line.startswith(name)))


def test_an_old_connection_is_given_up_without_a_failed_call(
    platform: Any, serve: Callable[..., Any], scene: Any, free: Callable[..., int]
) -> None:
    """After `connection_max_age_s` the server asks the client to connect anew (GOAWAY)."""
    platform.promote(platform.publish("ward", "1"))
    port = free()
    child = serve("ward", SERVING__GRPC_PORT=str(port), SERVING__CONNECTION_MAX_AGE_S="1")
    child.until("/readyz", 200)
    calls = Calls(port, scene.TOKENS["client"])
    states: list[Any] = []
    calls.channel.subscribe(states.append)

    def moved() -> bool:
        calls.send("ModelInfer", infer(scene.rows(1)))
        ready = grpc.ChannelConnectivity.READY
        return states.count(ready) > 1

    scene.until(moved)
    calls.channel.close()

    assert grpc.ChannelConnectivity.IDLE in states[states.index(grpc.ChannelConnectivity.READY) :]


def test_too_many_waiting_calls_are_refused(
    slow: Callable[..., tuple[Any, int]], scene: Any
) -> None:
    """RESOURCE_EXHAUSTED above `max_waiting`; the others are answered."""
    _, number = slow(SERVING__MAX_WAITING="2")
    calls = Calls(number, scene.TOKENS["client"])
    codes: list[Any] = []
    threads = [threading.Thread(target=_ask, args=(calls, scene, codes)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert {Code.OK, Code.RESOURCE_EXHAUSTED} == set(codes)
    assert 8 == len(codes)
    calls.channel.close()


def test_a_taken_port_leaves_http_alone(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """The port that can't be opened is logged, and plain rows are answered."""
    platform.promote(platform.publish("ward", "1"))
    with socket.create_server(("127.0.0.1", 0)) as holder:
        child = serve("ward", SERVING__GRPC_PORT=str(holder.getsockname()[1]))
        child.until("/readyz", 200)

        assert 200 == child.predict("ward", scene.rows(1)).status_code
        scene.until(lambda: "the gRPC port can't be opened" in child.log())

    assert 0 == child.stop()
