# The platform's images, one target each:
#   serving          ONNX models: no MLflow, no scikit-learn, no pandas
#   serving-sklearn  the same, and models that need scikit-learn
#   full             every component; `--build-arg BOOSTERS="xgboost lightgbm catboost optuna"`, or
#                    some of them, adds what a model.py may train with, and a search by TPE
#   ray              a Ray cluster's pods, for `training: {engine: ray}`; BOOSTERS as above
#   source           a git server over this clone, for trials on kind
# Each installs from its own hash-checked lock (made by `make lock`). Builds with BuildKit.
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_COMPILE=1
# pip stays outside of it and out of the images.
RUN python -m venv --without-pip /opt/mlplatform
WORKDIR /src

FROM tools AS package
COPY requirements/build.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip install -q --target /build --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY src src
# Installed beside the dependencies, so that a change of our code is a small layer of its own.
# Bytecode that trusts its source: the files of an image never change, and a read-only root could
# not hold a fresh copy.
RUN PYTHONPATH=/build python -m pip wheel -q --no-deps --no-build-isolation -w /dist . \
    && python -m pip --python /opt/mlplatform/bin/python install -q --no-deps --prefix /package \
    /dist/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash \
    -s /package -p /opt/mlplatform /package

FROM tools AS install
COPY k8s/install.sh /usr/local/bin/install-locked

FROM install AS install-serving
COPY requirements/serving.txt .
RUN --mount=type=cache,target=/root/.cache/pip install-locked serving.txt

FROM install AS install-serving-sklearn
COPY requirements/serving-sklearn.txt .
RUN --mount=type=cache,target=/root/.cache/pip install-locked serving-sklearn.txt

FROM install AS install-full
COPY requirements/full.txt .
RUN --mount=type=cache,target=/root/.cache/pip install-locked full.txt
ARG BOOSTERS=""
COPY requirements/catboost.txt requirements/lightgbm.txt requirements/optuna.txt \
    requirements/xgboost.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    for library in ${BOOSTERS}; do install-locked "${library}.txt" || exit 1; done

FROM install AS install-ray
COPY requirements/ray.txt .
RUN --mount=type=cache,target=/root/.cache/pip install-locked ray.txt
ARG BOOSTERS=""
COPY requirements/lightgbm.txt requirements/xgboost.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    for library in ${BOOSTERS}; do install-locked "${library}.txt" || exit 1; done

FROM install-serving AS repository
COPY k8s/git-server/bake.py .
COPY .git .git
COPY pipelines pipelines
RUN /opt/mlplatform/bin/python bake.py . /repository

FROM ${PYTHON} AS base
# HOME is the one writable folder under a read-only root. USER: libraries look it up.
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin mlplatform
ENV PATH=/opt/mlplatform/bin:$PATH HOME=/tmp USER=mlplatform \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 \
    ORT_DISABLE_TELEMETRY=1 MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true \
    PYDANTIC_DISABLE_PLUGINS=1
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["mlplatform"]

FROM base AS serving
COPY --from=install-serving /opt/mlplatform /opt/mlplatform
COPY --from=package /package /opt/mlplatform

FROM base AS serving-sklearn
COPY --from=install-serving-sklearn /opt/mlplatform /opt/mlplatform
COPY --from=package /package /opt/mlplatform

FROM serving AS source
COPY k8s/git-server/serve.py /srv/serve.py
COPY --from=repository /repository /srv/pipelines.git
EXPOSE 8000
ENTRYPOINT ["python", "/srv/serve.py", "/srv/pipelines.git", "8000"]

FROM base AS ray
USER root
# KubeRay's probes call wget; LightGBM's wheel expects the system's OpenMP.
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends libgomp1 wget \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
ENV RAY_USAGE_STATS_ENABLED=0
COPY --from=install-ray /opt/mlplatform /opt/mlplatform
COPY --from=package /package /opt/mlplatform
ENTRYPOINT []

FROM base AS full
ARG BOOSTERS=""
USER root
# LightGBM's wheel expects the system's OpenMP; the others bring their own.
RUN case " ${BOOSTERS} " in *" lightgbm "*) \
    apt-get update -qq && apt-get install -qq -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* ;; esac
USER 10001:10001
COPY --from=install-full /opt/mlplatform /opt/mlplatform
COPY --from=package /package /opt/mlplatform
