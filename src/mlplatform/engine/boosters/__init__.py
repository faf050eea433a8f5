"""Gradient boosting libraries: their fitted models as trees, and the trees as ONNX.

Only training imports this. No library is imported here: a model that exists has imported its own.
"""
