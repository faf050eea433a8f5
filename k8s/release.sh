#!/bin/sh
# Installs or upgrades the release and waits until it can be used: `release.sh CONTEXT TAG`, where
# TAG is that of the images. Settings: see k8s/kind.mk.
set -eu
cd "$(dirname "$0")/.."
context=$1
helm upgrade --install mlplatform charts/mlplatform --kube-context "$context" -n mlplatform \
  -f "${KIND_VALUES:-charts/mlplatform/ci/kind-values.yaml}" \
  --set "image.tag=$2,image.registry=${IMAGE_REGISTRY:-}"

# Serving is not waited for (and so neither is `helm --wait` of use): its pods become ready with the
# first promoted version, for which the user imports a history and trains.
seconds=${WAIT_S:-900}
deadline=$(($(date +%s) + seconds))
late=
ours=app.kubernetes.io/name=mlplatform,app.kubernetes.io/instance=mlplatform
kube() { kubectl --context "$context" -n mlplatform "$@"; }
# What is left of the time: at least a second, so that all that is late is named.
left() { echo "$((deadline - $(date +%s) > 1 ? deadline - $(date +%s) : 1))s"; }
names() { kube get "$@" --output name; }

for server in $(names clusters.postgresql.cnpg.io --selector "$ours"); do
  echo "waiting for $server" >&2
  kube wait "$server" --for condition=Ready --timeout "$(left)" > /dev/null || late="$late $server"
done
but_serving="$ours,app.kubernetes.io/component!=serving"
for workload in $(names deployments,statefulsets --selector "$but_serving"); do
  echo "waiting for $workload" >&2
  kube rollout status "$workload" --timeout "$(left)" > /dev/null || late="$late $workload"
done
# The newest: each upgrade reads the pipelines again.
by_age='--sort-by .metadata.creationTimestamp'
# shellcheck disable=SC2086  (two words)
job=$(names jobs --selector "$ours,app.kubernetes.io/component=apply" $by_age | tail -1)
echo "waiting for the pipelines ($job)" >&2
kube wait "$job" --for condition=Complete --timeout "$(left)" > /dev/null || late="$late $job"

if [ -n "$late" ]; then
  echo "not ready after $seconds s:$late" >&2
  kube get pods >&2
  exit 1
fi
echo "the platform is ready; serving follows when a first version is promoted"
