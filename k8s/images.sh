#!/bin/sh
# Builds the images: `images.sh TAG [TARGET…]`. Names are those of the chart's values.
# BOOSTERS="xgboost lightgbm catboost optuna", or some of them: what model.py may train with
# besides, and Optuna for a search by TPE.
set -eu
cd "$(dirname "$0")/.."
tag=$1
shift
for target in ${*:-full serving serving-sklearn source}; do
  case $target in full) name=mlplatform ;; *) name=mlplatform-$target ;; esac
  DOCKER_BUILDKIT=1 docker build -q --build-arg "BOOSTERS=${BOOSTERS:-}" \
    --target "$target" -t "$name:$tag" . > /dev/null
  size=$(docker image inspect --format '{{.Size}}' "$name:$tag")
  echo "$name:$tag $((size / 1000000)) MB"
done
