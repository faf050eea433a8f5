"""The stored offsets of the queue: shown and given up by an admin, entered in the ledger."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from mlplatform.errors import Forbidden, UnknownName

TOPIC = "mlplatform.requests"


@pytest.fixture
def stored(api: Any) -> None:
    """Two partitions of the queue, an import, and an outbox that has heard of more."""
    with api.databases.connect("owner", "raw") as connection:
        connection.execute(
            "INSERT INTO raw.offsets (topic, partition, next_offset, topic_id)"
            " VALUES (%(t)s, 0, 7, 'old'), (%(t)s, 1, 9, 'old'), ('import:p', 0, 5, NULL)",
            {"t": TOPIC},
        )
        connection.execute(
            "INSERT INTO raw.outboxes (outbox_id, host, accepted, acknowledged)"
            " VALUES (gen_random_uuid(), 'pod', 12, 11)"
        )


@pytest.mark.usefixtures("stored")
def test_a_reset_says_what_it_gives_up(api: Any) -> None:
    """The answer and the ledger name the offsets and how many requests are perhaps lost."""
    before = api.call("admin", "GET", "/v1/queue")
    given_up = api.call("admin", "POST", "/v1/queue/reset", json={"topic": TOPIC})
    with api.databases.connect("owner", "raw") as connection:
        now = connection.execute(
            "SELECT topic, partition, topic_id, resume_at FROM raw.offsets ORDER BY 1, 2"
        ).fetchall()
    (entry,) = [e for e in api.call("admin", "GET", "/v1/ledger") if e["action"] == "reset"]

    assert before == given_up
    assert [(0, 7), (1, 9)] == [(p["partition"], p["next_offset"]) for p in before["places"]]
    assert 11 == before["perhaps_lost"]
    assert [("import:p", 0, None, None), (TOPIC, 0, None, 7), (TOPIC, 1, None, 9)] == now
    assert f"queue.{TOPIC}" == entry["subject"]
    assert {"0": 7, "1": 9} == entry["detail"]["offsets"]
    assert 11 == entry["detail"]["perhaps_lost"]


@pytest.mark.usefixtures("stored")
def test_a_consumer_that_reads_no_further_is_seen_until_the_reset(api: Any) -> None:
    """The data API stays ready and names the reason; outboxes hear of the reset."""
    with api.databases.connect("consumer", "raw") as connection:
        store_sql = "UPDATE raw.offsets SET refused = %(why)s WHERE topic = %(t)s"
        connection.execute(store_sql, {"why": "made anew; `mlplatform queue reset`", "t": TOPIC})
    report = {"host": "pod", "accepted": 4, "acknowledged": 3}
    outbox = f"/v1/outboxes/{uuid.uuid4()}"
    before = [api.call("serving", "POST", outbox, json=report)["resets"]]
    said = [api.call("admin", "GET", "/readyz").get("degraded", {}).get("queue")]
    shown = [each["refused"] for each in api.call("admin", "GET", "/v1/queue")["places"]]
    api.call("admin", "POST", "/v1/queue/reset", json={"topic": TOPIC})
    before.append(api.call("serving", "POST", outbox, json=report)["resets"])
    said.append(api.call("admin", "GET", "/readyz").get("degraded", {}).get("queue"))
    with api.databases.connect("owner", "raw") as connection:
        given_up = connection.execute(
            "SELECT accepted, given_up FROM raw.outboxes ORDER BY accepted"
        ).fetchall()

    assert [0, 1] == before
    assert ["made anew; `mlplatform queue reset`", None] == said
    assert ["made anew; `mlplatform queue reset`"] * 2 == shown
    assert [(4, 3), (12, 11)] == given_up


@pytest.mark.usefixtures("stored")
def test_only_an_admin_may(api: Any) -> None:
    """No other role resets the queue, and an unknown topic is named."""
    with pytest.raises(Forbidden):
        api.call("writer", "POST", "/v1/queue/reset", json={"topic": TOPIC})
    for topic in ("nonsense", "import:p"):
        with pytest.raises(UnknownName, match=topic):
            api.call("admin", "POST", "/v1/queue/reset", json={"topic": topic})
