"""The model registry: MLflow, and what we lay on top of it (manifests, verified downloads).

`manifest` and `store` need only the standard library and httpx, for serving; `publish` holds
MLflow's own client, for the trainer.
"""
