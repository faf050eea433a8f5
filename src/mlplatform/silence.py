"""No process of ours reports to the makers of its libraries.

ONNX Runtime and MLflow send what they see of their use to their makers unless the environment says
otherwise before they are imported; ONNX Runtime's own function for it comes too late for the first
connection. The command line, local mode and the images set this.
"""

from __future__ import annotations

SILENT = {"ORT_DISABLE_TELEMETRY": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""Environment variables of every process."""
