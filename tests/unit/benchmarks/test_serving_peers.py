"""The benchmark beside peers: what it sends, how it compares, and what it makes of figures."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from serving_peers import __main__ as command
from serving_peers import bodies
from serving_peers.bodies import Sample
from serving_peers.comparison import WrongAnswer, common_end, refuse_difference
from serving_peers.driver import packed
from serving_peers.goals import Goal, goals
from serving_peers.machine import versions
from serving_peers.report import page
from serving_peers.results import Measured, Results, Started, median, ratio
from serving_peers.stored import astray

FLOATS = Sample("linear", [("a", "float64"), ("b", "float64")], [[1.5, 2], [3, 4.25]], [0, 1])
MIXED = Sample(
    "forest", [("a", "float64"), ("t", "string"), ("u", "bool")], [[1.5, "x", True]], [0]
)


def measured(
    server: str = "mlplatform",
    kind: str = "ours",
    *,
    rate: float,
    cell: str = "1 x 64",
    dialect: str = "v2",
    number: int = 1,
    failed: int = 0,
) -> Measured:
    return Measured(
        round=number,
        model="linear",
        server=server,
        kind=kind,
        dialect=dialect,
        cell=cell,
        rate=rate,
        p50_ms=1.0,
        p99_ms=3.0,
        cpu_us=50.0,
        answers=100,
        failed=failed,
        differing=0,
    )


def found(results: Results, name: str) -> Goal:
    [goal] = [one for one in goals(results) if one.name == name]
    return goal


def body(dialect: bodies.Dialect, sample: Sample) -> bytes:
    return dialect.request(sample).partition(b"\r\n\r\n")[2]


def test_a_request_says_where_it_goes_and_how_long_it_is() -> None:
    """The driver sends these bytes as they are."""
    head, _, content = bodies.ROWS.request(FLOATS).partition(b"\r\n\r\n")

    assert head.startswith(b"POST /v1/models/linear/predict HTTP/1.1\r\nhost: ")
    assert f"content-length: {len(content)}".encode() in head
    assert {"rows": [{"a": 1.5, "b": 2}, {"a": 3, "b": 4.25}]} == json.loads(content)


def test_columns_of_one_type_are_one_tensor() -> None:
    """Other columns get a tensor each."""
    [tensor] = json.loads(body(bodies.V2, FLOATS))["inputs"]

    assert ([2, 2], [1.5, 2, 3, 4.25]) == (tensor["shape"], tensor["data"])
    assert ["FP64", "BYTES", "BOOL"] == [
        one["datatype"] for one in json.loads(body(bodies.V2, MIXED))["inputs"]
    ]


def test_a_binary_tensor_follows_its_description() -> None:
    """The header says where the JSON ends; the numbers behind it are little-endian."""
    request = bodies.V2_BINARY.request(FLOATS)
    length = int(request.split(b"inference-header-content-length: ")[1].split(b"\r")[0])
    content = request.partition(b"\r\n\r\n")[2]

    assert 32 == json.loads(content[:length])["inputs"][0]["parameters"]["binary_data_size"]
    assert (1.5, 2, 3, 4.25) == struct.unpack("<4d", content[length:])
    assert not bodies.V2_BINARY.fits(MIXED, 100)


def test_binary_outputs_are_read() -> None:
    """The prediction is the first of the outputs."""
    output = {"name": "prediction", "datatype": "INT64", "shape": [2]}
    head = json.dumps({"outputs": [output]}).encode()
    headers = {"inference-header-content-length": str(len(head))}

    assert [1, 0] == bodies.V2_BINARY.read(headers, head + struct.pack("<2q", 1, 0))


def test_the_end_of_an_answer_begins_behind_its_id() -> None:
    """Ids that happen to end alike don't count."""
    first = b'{"id":"aa1f","model":"m","predictions":[1,0]}'
    second = b'{"id":"bb2f","model":"m","predictions":[1,0]}'

    assert b'"model":"m","predictions":[1,0]}' == common_end(first, second)
    assert first == common_end(first, first)
    with pytest.raises(WrongAnswer, match="differ"):
        common_end(first, first.replace(b"[1,0]", b"[0,1]"))


@pytest.mark.parametrize("given", [[1], [1, 1], [1, 0.5]])
def test_another_class_is_a_wrong_answer(given: list[float]) -> None:
    """Also one too few."""
    with pytest.raises(WrongAnswer):
        refuse_difference([1, 0], given, "x")


def test_numbers_may_differ_as_float32_does() -> None:
    """And by no more; a row may be a list of one."""
    refuse_difference([290.16, 0.0], [[290.15999], 1e-6], "x")
    with pytest.raises(WrongAnswer):
        refuse_difference([290.16], [290.3], "x")


def test_a_request_is_astray_unless_answered_once_and_stored_once() -> None:
    """Not stored, stored twice, and stored without an answer all count."""
    assert 0 == astray(["a", "b"], ["b", "a"])
    assert 3 == astray(["a", "b"], ["b", "b", "c"])


def test_the_driver_gets_lengths_before_bytes() -> None:
    """Of the request and of the end."""
    assert struct.pack("=II", 2, 3) + b"abxyz" == packed((b"ab", b"xyz"))


def test_ratios_are_taken_within_rounds() -> None:
    """A round in which the machine was slow slows both."""
    ours = [measured(rate=rate, number=at) for at, rate in enumerate([100, 10, 90])]
    theirs = [measured("p", "peer", rate=rate, number=at) for at, rate in enumerate([10, 1, 9])]

    assert 10 == ratio(ours, theirs, lambda one: one.rate)
    assert ratio(ours, [], lambda one: one.rate) is None
    assert 90 == median(ours, lambda one: one.rate)


def test_the_fastest_dialect_counts_and_binary_tensors_apart() -> None:
    """Where JSON is compared with JSON."""
    results = Results(
        loads=[
            measured(rate=5, dialect="rows"),
            measured(rate=7, dialect="v2"),
            measured(rate=9, dialect="v2 binary"),
        ]
    )

    assert ["v2"] == [one.dialect for one in results.best("mlplatform", "linear", "1 x 64")]
    assert ["v2"] == [one.dialect for one in results.fastest(["ours"], "linear", "1 x 64")]


@pytest.mark.parametrize(
    ("rate", "verdict"), [(2_000, "target"), (1_000, "must"), (999, "**missed**")]
)
def test_a_goal_is_reached_from_its_bound_on(rate: float, verdict: str) -> None:
    """The target is the higher one."""
    results = Results(loads=[measured(rate=rate), measured("p", "peer", rate=100)])

    assert verdict == found(results, "1 x 64, linear: best stock peer").verdict


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    """A run may leave servers out."""
    assert {"not measured"} == {goal.verdict for goal in goals(Results())}


def test_failed_answers_and_stray_requests_are_goals_of_zero() -> None:
    """One is too many."""
    start = Started(1, "linear", "mlplatform", "ours", 0.5, 80.0, 85.0, answered=100, astray=1)
    results = Results(loads=[measured(rate=1, failed=2)], starts=[start])

    assert 2 == found(results, "failed or wrong answers of ours").value
    assert "**missed**" == found(results, "requests of ours not stored exactly once").verdict
    assert "target" == found(results, "growth under load (of the worst model)").verdict


def test_results_survive_their_file(tmp_path: Path) -> None:
    """The page can be written again from it, and says who was left out."""
    start = Started(1, "linear", "mlplatform", "ours", 0.5, 80.0, 85.0)
    results = Results({"processor": "2 x fast"}, [measured(rate=1_234)], [start], {"p": "wrong"})
    results.write(tmp_path / "results.json")
    text = page(Results.read(tmp_path / "results.json"))

    assert page(results) == text
    assert "| mlplatform | - | - | 1,234 (1.00; 3.00) | - |" in text
    assert "- p: `wrong`" in text


def test_a_page_without_a_run_has_no_figures() -> None:
    """It says how to get them."""
    text = page(Results())

    assert "No run is recorded yet" in text
    assert "|" not in text


def test_pinned_versions_are_read() -> None:
    """Also behind a marker."""
    pins = "a==1.2\n# b==3\nc==4 ; python_version < '4'\n"

    assert {"a": "1.2", "c": "4"} == versions(pins)


def test_a_run_can_be_cut_down() -> None:
    """To servers whose names begin so, and to some loads."""
    chosen = command.arguments(["--servers", "mlserver", "--cells", "1x64", "--rounds", "1"])
    plan = command.plan(chosen)

    assert ["MLServer", "MLServer, tuned"] == [server.name for server in plan.servers]
    assert ["1 x 64"] == [str(cell) for cell in plan.cells]
    assert command.partial(chosen)
    assert not command.partial(command.arguments(["--rounds", "1"]))
