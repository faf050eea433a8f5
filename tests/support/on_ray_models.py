"""A pipeline whose models are boosters, as a Ray cluster trains them."""

from __future__ import annotations

XGBOOST = """
from xgboost import XGBClassifier


def build(parameters):
    return XGBClassifier(n_estimators=40, n_jobs=1, **{**dict(max_depth=3), **parameters})
"""
LIGHTGBM = """
from lightgbm import LGBMClassifier


def build(parameters):
    fixed = dict(n_estimators=40, n_jobs=1, class_weight="balanced", deterministic=True)
    return LGBMClassifier(**fixed, **parameters)
"""
FEATURES = """
def engineer(columns):
    home = (columns["home"] == "own") * 1.0
    return {"income": columns["income"] / 10, "children": columns["children"], "home": home}
"""
TUNING = {
    "metric": "roc_auc",
    "space": {"max_depth": [2, 3, 4], "learning_rate": {"low": 0.02, "high": 0.3, "log": True}},
    "trials": 4,
    "folds": 2,
}
