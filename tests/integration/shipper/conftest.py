"""The road's fixtures (tests/integration/road_scene.py)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_NAME = "road_scene"
if _NAME not in sys.modules:
    _spec = importlib.util.spec_from_file_location(_NAME, Path(__file__).parents[1] / f"{_NAME}.py")
    assert _spec
    assert _spec.loader
    sys.modules[_NAME] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_NAME])
_scene = sys.modules[_NAME]
kafka_broker, embedded_queue, kafka_queue, queue = (
    _scene.kafka_broker,
    _scene.embedded_queue,
    _scene.kafka_queue,
    _scene.queue,
)
scene, any_scene = _scene.scene, _scene.any_scene
