"""httpx and curl: no client library between the caller and the wire."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pandas as pd
import pytest
from backports import zstd


@pytest.fixture
def http(scene: Any) -> Iterator[httpx.Client]:
    """A client with the token."""
    with scene.client() as client:
        yield client


def bodies(scene: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """Form -> path and document."""
    frame = pd.DataFrame(scene.rows)
    lists = [list(row.values()) for row in scene.rows]
    columns = frame.to_dict("list")
    tensors = [
        {"name": name, "datatype": datatype, "shape": [len(lists)], "data": columns[name]}
        for name, datatype in scene.datatypes.items()
    ]
    plain, v1 = f"/v1/models/{scene.model}/predict", f"/v1/models/{scene.model}:predict"
    mlflow = f"/models/{scene.model}/invocations"
    return {
        "rows": (plain, {"rows": scene.rows}),
        "columns": (plain, {"columns": columns}),
        "tensors": (f"/v2/models/{scene.model}/infer", {"inputs": tensors}),
        "instances": (v1, {"instances": scene.rows}),
        "inputs": (v1, {"inputs": columns}),
        "split": ("/invocations", {"dataframe_split": frame.to_dict("split")}),
        "records": (mlflow, {"dataframe_records": scene.rows}),
    }


def predicted(document: Any) -> Any:
    """The predictions of any dialect's answer."""
    found = document.get("predictions", document.get("outputs"))
    return found[0]["data"] if isinstance(found[0], dict) else found


def test_httpx_gets_the_numbers_in_every_dialect(scene: Any, http: httpx.Client) -> None:
    """Plain, and with bodies in gzip and zstd."""
    found = {}
    for form, (path, document) in bodies(scene).items():
        content = json.dumps(document).encode()
        for encoding, packed in {
            "identity": content,
            "gzip": gzip.compress(content),
            "zstd": zstd.compress(content),
        }.items():
            named = {} if encoding == "identity" else {"content-encoding": encoding}
            answer = http.post(path, content=packed, headers=named)
            found[form, encoding] = predicted(answer.json())

    assert dict.fromkeys(found, scene.outputs["prediction"]) == found


def test_httpx_gets_the_numbers_of_a_table_in_csv(scene: Any, http: httpx.Client) -> None:
    """As pandas writes it."""
    table = pd.DataFrame(scene.rows).to_csv(index=False)
    answer = http.post("/invocations", content=table, headers={"content-type": "text/csv"})

    assert scene.outputs["prediction"] == predicted(answer.json())


def curl(scene: Any, path: str, *words: str, body: bytes = b"") -> tuple[list[str], bytes]:
    """The code and version that curl saw, and the body."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("NO CURL HERE, serving was NOT tried with it")
    argv = [program, "--silent", "--show-error", f"http://{scene.http}{path}"]
    argv += ["--header", f"Authorization: Bearer {scene.token}", *words]
    argv += ["--write-out", "\n%{http_code} %{http_version}"]
    if body:
        argv += ["--header", "Content-Type: application/json", "--data-binary", "@-"]
    done = subprocess.run(argv, input=body, capture_output=True, check=False, timeout=30)
    assert 0 == done.returncode, done.stderr
    content, _, told = done.stdout.rpartition(b"\n")
    return told.decode().split(), content


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--http1.0",),
        ("--http2",),  # asks for an upgrade, which is not taken
        ("--header", "Transfer-Encoding: chunked"),
        ("--header", "Expect: 100-continue"),
        ("--compressed",),
    ],
)
def test_curl_gets_the_numbers(scene: Any, words: Sequence[str]) -> None:
    """HTTP/1.0, chunks, Expect and an upgrade that is offered make no difference."""
    path, document = bodies(scene)["rows"]
    (code, _), content = curl(scene, path, *words, body=json.dumps(document).encode())

    assert "200" == code
    assert scene.outputs["prediction"] == predicted(json.loads(content))


def test_curl_waits_for_the_request_of_a_large_body(scene: Any) -> None:
    """Curl sends Expect by itself above a megabyte: the refusal comes before the body is sent."""
    path, _ = bodies(scene)["rows"]
    (code, _), content = curl(scene, path, body=b" " * 2_000_000)

    assert "413" == code
    assert "body" == json.loads(content)["field"]


def test_curl_reads_the_pages(scene: Any) -> None:
    """Also by HEAD."""
    for path in ("/", "/v2", "/v2/health/live", "/v2/health/ready", "/v1/models", "/ping"):
        for words in ((), ("--head",)):
            assert "200" == curl(scene, path, *words)[0][0]


def test_curl_sees_what_is_wrong(scene: Any) -> None:
    """The document names row and column."""
    path, document = bodies(scene)["instances"]
    name = next(name for name, datatype in scene.datatypes.items() if datatype == "FP64")
    document["instances"] = [scene.rows[0], scene.rows[1] | {name: "x"}]
    (code, _), content = curl(scene, path, body=json.dumps(document).encode())

    assert "422" == code
    assert f"instances[1].{name}: row 1, column {name}" in json.loads(content)["error"]
