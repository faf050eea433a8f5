{{/*
Every name that the chart gives or refers to. Input is the root context, unless said otherwise;
output is one word without a newline.
*/}}

{{- define "mlplatform.name" -}}{{ .Values.fullnameOverride | default .Release.Name }}{{- end }}

{{/* Name of a component's objects. Input: dict of root and component. */}}
{{- define "mlplatform.name.component" -}}
{{ include "mlplatform.name" .root }}-{{ .component }}
{{- end }}

{{/* Secret with the tokens (one key per caller) and their digests (tokens.yaml). */}}
{{- define "mlplatform.name.access" -}}
{{ .Values.access.existingSecret | default (printf "%s-access" (include "mlplatform.name" .)) }}
{{- end }}

{{/* Secret with the key of hashed columns. */}}
{{- define "mlplatform.name.redaction" -}}
{{ .Values.redaction.existingSecret | default (printf "%s-redaction" (include "mlplatform.name" .)) }}
{{- end }}

{{/*
Names of the raw servers, as the settings call them: a YAML list under `names`, the further ones
under `further`. Input: root.
*/}}
{{- define "mlplatform.rawServers" -}}
{{- $further := list -}}
{{- range $number := untilStep 2 (add1 (int .Values.postgres.raw.shards) | int) 1 }}
{{- $further = append $further (printf "raw-%d" $number) }}
{{- end }}
{{- dict "names" (prepend $further "raw") "further" $further | toYaml }}
{{- end }}

{{/*
CloudNativePG Cluster of a database. Input: dict of root and database (raw, raw-2, …, warehouse,
mlflow).
*/}}
{{- define "mlplatform.name.cluster" -}}
{{- if hasPrefix "raw-" .database -}}
{{ include "mlplatform.name" .root }}-{{ .database }}
{{- else -}}
{{- $own := and .root.Values.postgres.separateRaw (eq .database "raw") -}}
{{ include "mlplatform.name" .root }}-{{ $own | ternary "raw" "postgres" }}
{{- end }}
{{- end }}

{{/*
Secret with user and password of a database role. Input: dict of root and role (owner, consumer, …).
*/}}
{{- define "mlplatform.name.role" -}}
{{ include "mlplatform.name" .root }}-postgres-{{ .role }}
{{- end }}

{{/* Secret with the CA of the database servers; empty when there is none to mount. */}}
{{- define "mlplatform.name.postgresCA" -}}
{{- if .Values.postgres.enabled }}{{ include "mlplatform.name.cluster" (dict "root" .
    "database" "warehouse") }}-ca
{{- else }}{{ .Values.postgres.external.caSecret }}{{ end }}
{{- end }}

{{/* Serving Deployment of a group. Input: dict of root and group ("" is the main one). */}}
{{- define "mlplatform.name.serving" -}}
{{ include "mlplatform.name" .root }}-serving{{ with .group }}-{{ . }}{{ end }}
{{- end }}

{{/* Pod that checks a group's promises. Input: dict of root and group. */}}
{{- define "mlplatform.name.check" -}}
{{ include "mlplatform.name" .root }}-check{{ with .group }}-{{ . }}{{ end }}
{{- end }}

{{/* Beginning of the trainers' CronJobs; the pipeline follows. */}}
{{- define "mlplatform.name.trainerPrefix" -}}{{ include "mlplatform.name" . }}-trainer-{{- end }}

{{/* Cluster-wide objects: namespace and name together. */}}
{{- define "mlplatform.name.clusterWide" -}}
{{ .Release.Namespace }}-{{ include "mlplatform.name" . }}-dataapi
{{- end }}

{{/*
Image of ours. Input: dict of root; repository (default: the one with every component), which may
carry a tag of its own.
*/}}
{{- define "mlplatform.image" -}}
{{- $repository := .repository | default .root.Values.image.repository -}}
{{- $tag := .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{ with .root.Values.image.registry }}{{ . }}/{{ end }}{{ $repository }}
{{- if not (regexMatch ":[^/]+$" $repository) }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "mlplatform.url.dataapi" -}}
http://{{ include "mlplatform.name.component" (dict "root" . "component" "dataapi") }}:8081
{{- end }}

{{/* Input: dict of root and group. */}}
{{- define "mlplatform.url.serving" -}}
http://{{ include "mlplatform.name.serving" . }}:8080
{{- end }}

{{- define "mlplatform.url.registry" -}}
{{- if .Values.mlflow.enabled -}}
http://{{ include "mlplatform.name.component" (dict "root" . "component" "mlflow") }}:5000
{{- else }}{{ .Values.mlflow.url }}{{ end }}
{{- end }}

{{- define "mlplatform.url.source" -}}
{{- if .Values.source.builtin -}}
http://{{ include "mlplatform.name.component" (dict "root" .
    "component" "source") }}:8000/pipelines.git
{{- else }}{{ .Values.source.url }}{{ end }}
{{- end }}

{{- define "mlplatform.url.queue" -}}
{{- if eq .Values.kafka.mode "builtin" -}}
kafka://{{ include "mlplatform.name.component" (dict "root" . "component" "kafka") }}:9092
{{- else }}kafka://{{ .Values.kafka.external.bootstrapServers }}{{ end }}
{{- end }}
