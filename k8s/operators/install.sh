#!/bin/sh
# Installs what the chart needs beside Kubernetes: `install.sh CONTEXT`. Versions are pinned by CNPG_MANIFEST and METRICS_SERVER_MANIFEST
# (k8s/kind.mk names the public ones).
set -eu
context=$1
kubectl --context "$context" apply --server-side -f "$CNPG_MANIFEST" > /dev/null
kubectl --context "$context" apply -f "$METRICS_SERVER_MANIFEST" > /dev/null
# The nodes of kind sign their own certificates.
if ! kubectl --context "$context" -n kube-system get deployment metrics-server -o jsonpath='{.spec.template.spec.containers[0].args}' | grep -q kubelet-insecure-tls; then
  kubectl --context "$context" -n kube-system patch deployment metrics-server --type json \
    -p '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--kubelet-insecure-tls"}]' > /dev/null
fi
kubectl --context "$context" -n cnpg-system rollout status deployment/cnpg-controller-manager --timeout=180s > /dev/null
# The operator's webhook answers later than its pod is ready: ask it, without making anything.
for _ in $(seq 60); do
  kubectl --context "$context" apply --dry-run=server -f "$(dirname "$0")/probe.yaml" > /dev/null 2>&1 && exit 0
  sleep 1
done
echo 'the operator of CloudNativePG does not answer' >&2
exit 1
