{{/*
Environment of our processes. The names are those of the settings (MLPLATFORM_<GROUP>__<FIELD>). A
name that no setting has ends the process at its start, and a test compares both sides.
*/}}

{{/* `settings.<group>` as they stand in the values. Input: dict of root and groups. */}}
{{- define "mlplatform.env.settings" -}}
{{- $settings := .root.Values.settings -}}
{{- $lines := list -}}
{{- range $group := .groups }}
{{- range $field, $value := index $settings $group }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{- $name := printf "MLPLATFORM_%s__%s" (upper $group) (upper $field) }}
{{- $value = include "mlplatform.env.value" $value }}
{{- $lines = append $lines (printf "- {name: %s, value: %s}" $name $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- join "\n" $lines }}
{{- end }}

{{/*
A value as the settings read it: lists as JSON, whole numbers without an exponent (YAML numbers are
floats in Helm).
*/}}
{{- define "mlplatform.env.value" -}}
{{- if kindIs "slice" . }}{{ toJson . | squote }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . | toString | quote }}
{{- else }}{{ toString . | quote }}{{ end }}
{{- end }}

{{/* /metrics of a process without an HTTP server of its own. Input: its port. */}}
{{- define "mlplatform.env.metrics" -}}
- {name: MLPLATFORM_TELEMETRY__METRICS_HOST, value: "0.0.0.0"}
- {name: MLPLATFORM_TELEMETRY__METRICS_PORT, value: {{ . | toString | quote }}}
{{- end }}

{{/*
/metrics of each worker of serving, where there are several: worker N adds N to the port.
*/}}
{{- define "mlplatform.env.workerMetrics" -}}
{{- if gt (int .Values.settings.serving.workers) 1 -}}
- {name: MLPLATFORM_TELEMETRY__METRICS_HOST, value: "0.0.0.0"}
- {name: MLPLATFORM_TELEMETRY__METRICS_PORT, value: "9100"}
{{- end }}
{{- end }}

{{/* The data API and this process's token for it. Input: dict of root and caller. */}}
{{- define "mlplatform.env.dataapi" -}}
{{- $root := .root -}}
{{- $secret := include "mlplatform.name.access" $root -}}
- {name: MLPLATFORM_DATAAPI__URL, value: {{ include "mlplatform.url.dataapi" $root | quote }}}
- name: MLPLATFORM_DATAAPI__TOKEN
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ .caller }}}}
{{- end }}

{{/* Digests of the tokens that are let in. */}}
{{- define "mlplatform.env.access" -}}
- {name: MLPLATFORM_ACCESS__TOKENS_FILE, value: /etc/mlplatform/access/tokens.yaml}
{{- end }}

{{/* The key of hashed columns: whatever stores rows, or makes features of them, has the same. */}}
{{- define "mlplatform.env.redaction" -}}
- name: MLPLATFORM_REDACTION__KEY
  valueFrom: {secretKeyRef: {name: {{ include "mlplatform.name.redaction" . }}, key: key}}
{{- end }}

{{- define "mlplatform.env.registry" -}}
- {name: MLPLATFORM_REGISTRY__URL, value: {{ include "mlplatform.url.registry" . | quote }}}
{{- with .Values.mlflow.existingSecret }}
- name: MLPLATFORM_REGISTRY__USERNAME
  valueFrom: {secretKeyRef: {name: {{ . }}, key: username}}
- name: MLPLATFORM_REGISTRY__PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- end }}
{{- end }}

{{/*
The Ray cluster of trainings. Its pods may be in another namespace, so they get whole names.
*/}}
{{- define "mlplatform.env.ray" -}}
{{- $dataapi := include "mlplatform.name.component" (dict "root" . "component" "dataapi") -}}
{{- $mlflow := include "mlplatform.name.component" (dict "root" . "component" "mlflow") -}}
{{- $domain := printf "%s.svc" .Release.Namespace -}}
{{- if .Values.trainer.ray.address -}}
- {name: MLPLATFORM_RAY__ADDRESS, value: {{ .Values.trainer.ray.address | quote }}}
- {name: MLPLATFORM_RAY__DATAAPI_URL, value: "http://{{ $dataapi }}.{{ $domain }}:8081"}
{{- if .Values.mlflow.enabled }}
- {name: MLPLATFORM_RAY__REGISTRY_URL, value: "http://{{ $mlflow }}.{{ $domain }}:5000"}
{{- end }}
{{- with .Values.trainer.ray.existingSecret }}
- name: MLPLATFORM_RAY__TOKEN
  valueFrom: {secretKeyRef: {name: {{ . }}, key: token}}
{{- end }}
{{ include "mlplatform.env.settings" (dict "root" . "groups" (list "ray")) }}
{{- end }}
{{- end }}

{{/* The git repository. Input: root; clones go to /tmp. */}}
{{- define "mlplatform.env.source" -}}
- {name: MLPLATFORM_SOURCE__URL, value: {{ include "mlplatform.url.source" . | quote }}}
- {name: MLPLATFORM_SOURCE__CACHE, value: /tmp/source}
{{ include "mlplatform.env.settings" (dict "root" . "groups" (list "source")) }}
{{- with .Values.source.existingSecret }}
- name: MLPLATFORM_SOURCE__PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- end }}
{{- end }}

{{/* Kafka. */}}
{{- define "mlplatform.env.queue" -}}
- {name: MLPLATFORM_QUEUE__URL, value: {{ include "mlplatform.url.queue" . | quote }}}
{{ include "mlplatform.env.settings" (dict "root" . "groups" (list "queue")) }}
{{- if eq .Values.kafka.mode "external" }}
{{- if .Values.kafka.external.caSecret }}
- {name: MLPLATFORM_QUEUE__CA_FILE, value: /etc/mlplatform/kafka/ca.crt}
{{- end }}
{{- with .Values.kafka.external.saslSecret }}
- name: MLPLATFORM_QUEUE__USERNAME
  valueFrom: {secretKeyRef: {name: {{ . }}, key: username}}
- name: MLPLATFORM_QUEUE__PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- end }}
{{- end }}
{{- end }}

{{/*
A database connection. Input: dict of root, field (of settings.postgres), role, database, and
server: rw (the primary) or ro (standbys only). The password is expanded by the kubelet, so that it
stands in no manifest.
*/}}
{{- define "mlplatform.env.dsn" -}}
{{- $root := .root -}}
{{- if $root.Values.postgres.enabled -}}
- name: POSTGRES_PASSWORD_{{ .field }}
  valueFrom: {secretKeyRef: {name: {{ include "mlplatform.name.role" . }}, key: password}}
- name: MLPLATFORM_POSTGRES__{{ .field }}
  value: {{ include "mlplatform.dsn" . }}
{{- else -}}
- name: MLPLATFORM_POSTGRES__{{ .field }}
  valueFrom: {{ include "mlplatform.dsn.secret" . }}
{{- end }}
{{- end }}

{{/*
The connections to all further raw servers, as one list; nothing where there is one raw server.
Input: as above, without database.
*/}}
{{- define "mlplatform.env.moreDsns" -}}
{{- $input := . -}}{{- $urls := list -}}
{{- $further := (include "mlplatform.rawServers" .root | fromYaml).further -}}
{{- if and $further .root.Values.postgres.enabled -}}
- name: POSTGRES_PASSWORD_{{ .field }}
  valueFrom: {secretKeyRef: {name: {{ include "mlplatform.name.role" . }}, key: password}}
{{ end -}}
{{- range $further }}
{{- $each := merge (dict "database" .) $input }}
{{- if $input.root.Values.postgres.enabled }}
{{- $urls = append $urls (include "mlplatform.dsn" $each) }}
{{- else }}
{{- $name := printf "POSTGRES_URL_%s_%s" $input.field (. | replace "-" "_" | upper) }}
{{- $urls = append $urls (printf "$(%s)" $name) -}}
- name: {{ $name }}
  valueFrom: {{ include "mlplatform.dsn.secret" $each }}
{{ end }}
{{- end }}
{{- with $urls -}}
- {name: MLPLATFORM_POSTGRES__{{ $input.field }}, value: {{ toRawJson . | squote }}}
{{- end }}
{{- end }}

{{/* URL of a database of the chart's own servers. Input: as of env.dsn. */}}
{{- define "mlplatform.dsn" -}}
{{- $cluster := include "mlplatform.name.cluster" . -}}
{{- $ca := regexMatch "-raw(-[0-9]+)?$" $cluster | ternary
    (printf "%s-ca.crt" (regexFind "raw(-[0-9]+)?$" $cluster)) "ca.crt" -}}
{{- $database := hasPrefix "raw-" .database | ternary "raw" .database -}}
{{- $tls := printf "sslmode=verify-full&sslrootcert=/etc/mlplatform/postgres/%s" $ca -}}
{{- $user := printf "mlplatform_%s:$(POSTGRES_PASSWORD_%s)" .role .field -}}
{{- $address := printf "%s-%s:5432/%s" $cluster .server $database -}}
postgresql://{{ $user }}@{{ $address }}?{{ $tls }}
{{- end }}

{{/* Where the URL of a database of your own servers stands. Input: as of env.dsn. */}}
{{- define "mlplatform.dsn.secret" -}}
{{- $key := ne .role .database | ternary (printf "%s-%s" .role .database) .role -}}
{secretKeyRef: {name: {{ .root.Values.postgres.external.existingSecret }}, key: {{ $key }}}}
{{- end }}
