#!/bin/sh
# A kind cluster with the operators, our images and one release. Runs again and again; what is done is skipped. Settings: see k8s/kind.mk.
set -eu
cd "$(dirname "$0")/.."
name=${KIND_NAME:-mlplatform}
context=kind-$name

if ! kind get clusters 2> /dev/null | grep -qx "$name"; then
  { cat k8s/kind.yaml; for _ in $(seq 2 "${NODES:-1}"); do echo '  - role: worker'; done; } |
    kind create cluster --name "$name" --image "$KIND_IMAGE" --wait 120s --quiet --config -
fi
k() { kubectl --context "$context" "$@"; }
k8s/operators/install.sh "$context"

k8s/images.sh dev
# A tag per content: pods of an unchanged image stay, others are replaced.
tag=$(docker image inspect --format '{{.Id}}' mlplatform:dev mlplatform-serving:dev mlplatform-serving-sklearn:dev mlplatform-source:dev | sha256sum | cut -c1-12)
for image in mlplatform mlplatform-serving mlplatform-serving-sklearn mlplatform-source; do docker tag $image:dev $image:"$tag"; done
kind load docker-image --name "$name" mlplatform:"$tag" mlplatform-serving:"$tag" mlplatform-serving-sklearn:"$tag" mlplatform-source:"$tag" > /dev/null 2>&1

k apply -f k8s/namespace.yaml > /dev/null
[ -n "${NO_RELEASE:-}" ] && { echo "$tag"; exit; }
helm upgrade --install mlplatform charts/mlplatform --kube-context "$context" -n mlplatform -f "${KIND_VALUES:-charts/mlplatform/ci/kind-values.yaml}" --set image.tag="$tag"
