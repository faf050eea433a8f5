"""Fixtures of the way from the outbox to the raw database (tests/support/delivery.py)."""

from __future__ import annotations

from delivery import any_scene, embedded_queue, kafka_queue, queue, scene

__all__ = ["any_scene", "embedded_queue", "kafka_queue", "queue", "scene"]
