"""How a run reaches the Ray cluster, and how the job there reaches the platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlplatform.settings import RaySettings, Settings, variable


@dataclass(frozen=True)
class RayAccess:
    """The cluster, and the environment of a job of this run."""

    settings: RaySettings
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> RayAccess:
        """From the trainer's settings, once they hold the token of the run.

        MLflow's password is left out: Ray shows a job's environment to who sees its dashboard. The
        token is in it, for this pipeline alone, and dead when the run ends.
        """
        ray, token = settings.ray, settings.dataapi.token
        environment = {
            variable("dataapi", "url"): ray.dataapi_url or settings.dataapi.url,
            variable("dataapi", "token"): token.get_secret_value() if token else "",
            variable("registry", "url"): ray.registry_url or settings.registry.url,
        }
        return cls(ray, environment)
