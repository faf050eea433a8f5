{{/*
Parts of NetworkPolicies. A component's policy lists who may reach it and what it may reach; both
ends are written down.
*/}}

{{/* Beginning of a component's policy. Input: dict of root and component. */}}
{{- define "mlplatform.network.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "mlplatform.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "mlplatform.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}

{{/* Peers that are components of this release. Input: dict of root and components. */}}
{{- define "mlplatform.network.peers" -}}
{{- $instance := printf "app.kubernetes.io/instance: %s" .root.Release.Name -}}
{{- $release := printf "app.kubernetes.io/name: mlplatform, %s" $instance -}}
{{- $lines := list -}}
{{- range .components }}
{{- $labels := printf "%s, app.kubernetes.io/component: %s" $release . }}
{{- $lines = append $lines (printf "- podSelector: {matchLabels: {%s}}" $labels) }}
{{- end }}
{{- join "\n" $lines }}
{{- end }}

{{/* Egress to a component's port. Input: dict of root, component and port. */}}
{{- define "mlplatform.network.to" -}}
- to:
    {{- include "mlplatform.network.peers" (dict "root" .root "components" (list .component))
        | nindent 4 }}
  ports: [{port: {{ .port }}}]
{{- end }}

{{/* Egress to what is outside the cluster. Input: root. */}}
{{- define "mlplatform.network.outside" -}}
{{- toYaml .Values.networkPolicy.external }}
{{- end }}

{{/* Egress to PostgreSQL. */}}
{{- define "mlplatform.network.postgres" -}}
{{- if .Values.postgres.enabled }}
{{- include "mlplatform.network.to" (dict "root" . "component" "postgres" "port" 5432) }}
{{- else }}{{ include "mlplatform.network.outside" . }}{{ end }}
{{- end }}

{{/* Egress to Kafka. */}}
{{- define "mlplatform.network.kafka" -}}
{{- if eq .Values.kafka.mode "builtin" }}
{{- include "mlplatform.network.to" (dict "root" . "component" "kafka" "port" 9092) }}
{{- else }}{{ include "mlplatform.network.outside" . }}{{ end }}
{{- end }}

{{/* Egress to the registry. */}}
{{- define "mlplatform.network.registry" -}}
{{- if .Values.mlflow.enabled }}
{{- include "mlplatform.network.to" (dict "root" . "component" "mlflow" "port" 5000) }}
{{- else }}{{ include "mlplatform.network.outside" . }}{{ end }}
{{- end }}

{{/* Egress to the git repository. */}}
{{- define "mlplatform.network.source" -}}
{{- if .Values.source.builtin }}
{{- include "mlplatform.network.to" (dict "root" . "component" "source" "port" 8000) }}
{{- else }}{{ include "mlplatform.network.outside" . }}{{ end }}
{{- end }}

{{/* Egress to the API server. Input: root. */}}
{{- define "mlplatform.network.apiServer" -}}
{{- toYaml .Values.networkPolicy.apiServer }}
{{- end }}

{{/*
Ingress of scrapers to /metrics, when some are named. By number: not every network plugin knows the
port names of sidecars.
*/}}
{{- define "mlplatform.network.monitoring" -}}
{{- with .Values.networkPolicy.monitoring }}
- from:
    {{- toYaml . | nindent 4 }}
  ports: [{port: 9090}]
{{- end }}
{{- end }}

{{/* The same for the workers of serving, where there are several. Input: root. */}}
{{- define "mlplatform.network.workerMonitoring" -}}
{{- $workers := int .Values.settings.serving.workers -}}
{{- if gt $workers 1 }}
{{- with .Values.networkPolicy.monitoring -}}
- from:
    {{- toYaml . | nindent 4 }}
  ports: [{port: 9101, endPort: {{ add 9100 $workers }}}]
{{- end }}
{{- end }}
{{- end }}

{{/* The same for the consumers of further raw servers. Input: root. */}}
{{- define "mlplatform.network.shardMonitoring" -}}
{{- $servers := int .Values.postgres.raw.shards -}}
{{- if gt $servers 1 }}
{{- with .Values.networkPolicy.monitoring -}}
- from:
    {{- toYaml . | nindent 4 }}
  ports: [{port: 9091, endPort: {{ add 9089 $servers }}}]
{{- end }}
{{- end }}
{{- end }}

{{/* Ingress of the jobs that trainings run on a Ray cluster. Input: root. */}}
{{- define "mlplatform.network.ray" -}}
{{- with .Values.trainer.ray.peers -}}
- from:
    {{- toYaml . | nindent 4 }}
  ports: [{port: http}]
{{- end }}
{{- end }}

{{/*
Ingress of clients to a port, by its name. Input: dict of root, components that come besides, and
port (http, if none is given).
*/}}
{{- define "mlplatform.network.clients" -}}
- ports: [{port: {{ .port | default "http" }}}]
  {{- with .root.Values.networkPolicy.clients }}
  from:
    {{- toYaml . | nindent 4 }}
    {{- include "mlplatform.network.peers" $ | nindent 4 }}
  {{- end }}
{{- end }}
