#!/bin/sh
# Installs what the chart needs beside Kubernetes: `install.sh CONTEXT`. Versions are pinned by
# CNPG_MANIFEST and METRICS_SERVER_MANIFEST (k8s/kind.mk names the public ones).
set -eu
context=$1
kube() { kubectl --context "$context" "$@"; }
kube apply --server-side -f "$CNPG_MANIFEST" > /dev/null
kube apply -f "$METRICS_SERVER_MANIFEST" > /dev/null
# The nodes of kind sign their own certificates. 10 s is the shortest resolution that there is; of
# a flag that is given twice the later one counts.
append='{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value":'
patch="[$append \"--kubelet-insecure-tls\"}, $append \"--metric-resolution=10s\"}]"
given=$(kube -n kube-system get deployment metrics-server -o yaml)
if ! printf %s "$given" | grep -q -- --kubelet-insecure-tls; then
  kube -n kube-system patch deployment metrics-server --type json -p "$patch" > /dev/null
fi
operator=deployment/cnpg-controller-manager
kube -n cnpg-system rollout status "$operator" --timeout=180s > /dev/null
# The operator's webhook answers later than its pod is ready: call it, without making anything.
for _ in $(seq 60); do
  kube apply --dry-run=server -f "$(dirname "$0")/probe.yaml" > /dev/null 2>&1 && exit 0
  sleep 1
done
echo 'the operator of CloudNativePG does not answer' >&2
exit 1
