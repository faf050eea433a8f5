#!/bin/sh
# A kind cluster with the operators, our images and one release that can be used. Runs again and
# again; what is done is skipped. Settings: see k8s/kind.mk.
set -eu
cd "$(dirname "$0")/.."
name=${KIND_NAME:-mlplatform}
context=kind-$name

if ! kind get clusters 2> /dev/null | grep -qx "$name"; then
  {
    cat k8s/kind.yaml
    for _ in $(seq 2 "${NODES:-1}"); do echo '  - role: worker'; done
  } | kind create cluster --name "$name" --image "$KIND_IMAGE" --wait 120s --quiet --config -
fi
k8s/operators/install.sh "$context"

k8s/images.sh dev >&2
ours='mlplatform mlplatform-serving mlplatform-serving-sklearn mlplatform-source'
# One tag for the content of all four images: when none has changed, every pod stays; else all of
# ours are replaced. Its letters keep `--set image.tag=` from reading a number.
# shellcheck disable=SC2086,SC2046  (one word per image)
ids=$(docker image inspect --format '{{.Id}}' $(printf '%s:dev ' $ours))
tag=sha-$(echo "$ids" | sha256sum | cut -c1-12)
prefix=${IMAGE_REGISTRY:+$IMAGE_REGISTRY/}
images=
for image in $ours; do
  docker tag $image:dev "$prefix$image:$tag"
  images="$images $prefix$image:$tag"
done
if [ -n "$prefix" ]; then
  for image in $images; do docker push -q "$image" >&2; done
else
  # shellcheck disable=SC2086  (one word per image)
  kind load docker-image --name "$name" $images >&2
fi

kubectl --context "$context" apply -f k8s/namespace.yaml >&2
if [ -n "${NO_RELEASE:-}" ]; then
  echo "$tag"
  exit
fi
k8s/release.sh "$context" "$tag"
