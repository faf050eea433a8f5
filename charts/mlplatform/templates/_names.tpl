{{/*
Every name that the chart gives or refers to. Input is the root context, unless said otherwise; output is one word without a newline.
*/}}

{{- define "mlplatform.name" -}}{{ .Values.fullnameOverride | default .Release.Name }}{{- end }}

{{/* Name of a component's objects. Input: list of root and component. */}}
{{- define "mlplatform.name.component" -}}{{ include "mlplatform.name" (index . 0) }}-{{ index . 1 }}{{- end }}

{{/* Secret with the tokens (one key per caller) and their digests (tokens.yaml). */}}
{{- define "mlplatform.name.access" -}}{{ .Values.access.existingSecret | default (printf "%s-access" (include "mlplatform.name" .)) }}{{- end }}

{{/* CloudNativePG Cluster of a database. Input: list of root and database (raw, warehouse, mlflow). */}}
{{- define "mlplatform.name.cluster" -}}
{{- $root := index . 0 -}}
{{ include "mlplatform.name" $root }}-{{ and $root.Values.postgres.separateRaw (eq (index . 1) "raw") | ternary "raw" "postgres" }}
{{- end }}

{{/* Secret with user and password of a database role. Input: list of root and role (owner, consumer, …). */}}
{{- define "mlplatform.name.role" -}}{{ include "mlplatform.name" (index . 0) }}-postgres-{{ index . 1 }}{{- end }}

{{/* Secret with the CA of the database servers; empty when there is none to mount. */}}
{{- define "mlplatform.name.postgresCA" -}}
{{- if .Values.postgres.enabled }}{{ include "mlplatform.name.cluster" (list . "warehouse") }}-ca
{{- else }}{{ .Values.postgres.external.caSecret }}{{ end }}
{{- end }}

{{/* Serving Deployment of a group. Input: list of root and group ("" is the main one). */}}
{{- define "mlplatform.name.serving" -}}
{{ include "mlplatform.name" (index . 0) }}-serving{{ with index . 1 }}-{{ . }}{{ end }}
{{- end }}

{{/* Pod that checks a group's promises. Input: list of root and group. */}}
{{- define "mlplatform.name.check" -}}
{{ include "mlplatform.name" (index . 0) }}-check{{ with index . 1 }}-{{ . }}{{ end }}
{{- end }}

{{/* Beginning of the trainers' CronJobs; the pipeline follows. */}}
{{- define "mlplatform.name.trainerPrefix" -}}{{ include "mlplatform.name" . }}-trainer-{{- end }}

{{/* Cluster-wide objects: namespace and name together. */}}
{{- define "mlplatform.name.clusterWide" -}}{{ .Release.Namespace }}-{{ include "mlplatform.name" . }}-dataapi{{- end }}

{{/* Image of ours. Input: list of root and repository, which may carry a tag of its own. */}}
{{- define "mlplatform.image" -}}
{{- $root := index . 0 -}}
{{ with $root.Values.image.registry }}{{ . }}/{{ end }}{{ index . 1 }}
{{- if not (regexMatch ":[^/]+$" (index . 1)) }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "mlplatform.url.dataapi" -}}http://{{ include "mlplatform.name.component" (list . "dataapi") }}:8081{{- end }}
{{/* Input: list of root and group. */}}
{{- define "mlplatform.url.serving" -}}http://{{ include "mlplatform.name.serving" . }}:8080{{- end }}

{{- define "mlplatform.url.registry" -}}
{{- if .Values.mlflow.enabled }}http://{{ include "mlplatform.name.component" (list . "mlflow") }}:5000{{ else }}{{ .Values.mlflow.url }}{{ end }}
{{- end }}

{{- define "mlplatform.url.source" -}}
{{- if .Values.source.builtin }}http://{{ include "mlplatform.name.component" (list . "source") }}:8000/pipelines.git{{ else }}{{ .Values.source.url }}{{ end }}
{{- end }}

{{- define "mlplatform.url.queue" -}}
{{- if eq .Values.kafka.mode "builtin" }}kafka://{{ include "mlplatform.name.component" (list . "kafka") }}:9092
{{- else }}kafka://{{ .Values.kafka.external.bootstrapServers }}{{ end }}
{{- end }}
