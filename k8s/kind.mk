# The platform on a Kubernetes of this machine. Needs docker, kind, kubectl and helm on the PATH.

KIND_NAME ?= mlplatform
KIND_IMAGE ?= kindest/node:v1.34.4
NODES ?= 1
CNPG_MANIFEST ?= https://github.com/cloudnative-pg/cloudnative-pg/releases/download/v1.30.0/cnpg-1.30.0.yaml
METRICS_SERVER_MANIFEST ?= https://github.com/kubernetes-sigs/metrics-server/releases/download/v0.9.0/components.yaml
KIND_VALUES ?= charts/mlplatform/ci/kind-values.yaml
# A registry that both docker and the nodes reach, e.g. localhost:5000; empty: `kind load`, which is
# slower the second time.
IMAGE_REGISTRY ?=
# How long `make kind` waits until the platform can be used, in seconds.
WAIT_S ?= 900
KIND = WAIT_S=$(WAIT_S) KIND_NAME=$(KIND_NAME) KIND_IMAGE=$(KIND_IMAGE) NODES=$(NODES) \
	CNPG_MANIFEST=$(CNPG_MANIFEST) METRICS_SERVER_MANIFEST=$(METRICS_SERVER_MANIFEST) \
	KIND_VALUES=$(KIND_VALUES) IMAGE_REGISTRY=$(IMAGE_REGISTRY)

.PHONY: chart-docs chart image kind kind-test kind-down

chart-docs: setup ## Make the chart's schema, tables and settings from their sources
	$(BIN)/python tools/chart_docs.py

chart: setup ## Test the chart without a cluster
	$(BIN)/pytest tests/chart -q

image: ## Build the four images, tagged `dev`
	k8s/images.sh dev

kind: ## A cluster with operators, images and one release, ready for data (NODES=3 for three nodes)
	$(KIND) k8s/up.sh

kind-test: setup ## Install, use, break and upgrade the platform on a cluster made for it
	$(KIND) $(BIN)/pytest tests/cluster -m cluster -v -s --timeout 1500

kind-down: ## Delete the cluster
	kind delete cluster --name $(KIND_NAME)
