{{/*
What is the same in every pod of ours. Nothing here knows a component.
*/}}

{{/* metadata of a pod template. Input: list of root, component and annotations of its own (default: none). */}}
{{- define "mlplatform.pod.metadata" -}}
{{- $root := index . 0 -}}
{{- $own := dict -}}{{ if gt (len .) 2 }}{{ $own = index . 2 }}{{ end -}}
labels:
  {{- include "mlplatform.podLabels" . | nindent 2 }}
{{- with merge (deepCopy $root.Values.pod.annotations) $own }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Beginning of a pod spec: account, security, placement. Input: list of root, component, uid (default 10001), token (default false). */}}
{{- define "mlplatform.pod.spec" -}}
{{- $root := index . 0 -}}
{{- $uid := 10001 -}}{{ if gt (len .) 2 }}{{ $uid = index . 2 }}{{ end -}}
serviceAccountName: {{ include "mlplatform.name.component" (list $root (index . 1)) }}
automountServiceAccountToken: {{ gt (len .) 3 }}
# Service links would put MLPLATFORM_DATAAPI_PORT=tcp://… into the environment, which the settings refuse.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $uid }}
  runAsGroup: {{ $uid }}
  fsGroup: {{ $uid }}
  # Without it every start would walk the whole volume.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $root.Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Pods of one component on different nodes where that is possible. Input: list of root and component. */}}
{{- define "mlplatform.pod.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "mlplatform.selector" . | nindent 8 }}
{{- end }}

{{/* securityContext of every container. */}}
{{- define "mlplatform.container.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* image and pull policy. Input: list of root and repository. */}}
{{- define "mlplatform.container.image" -}}
image: {{ include "mlplatform.image" . }}
imagePullPolicy: {{ (index . 0).Values.image.pullPolicy }}
{{- end }}

{{/* Probes of a process with /healthz and /readyz on the port named http. A start may take two minutes, a stop is noticed in seconds. */}}
{{- define "mlplatform.container.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 120
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: 3
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{/* Probes of a process that shows only /metrics: it has started, and lives, while the page answers. A loop that hangs ends its process itself. */}}
{{- define "mlplatform.container.metricsProbes" -}}
startupProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 120
livenessProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{/* Init container that brings both schemas up to date; safe in many pods at once (advisory lock). It alone holds the owner's password. */}}
{{- define "mlplatform.container.migrate" -}}
- name: migrate
  {{- include "mlplatform.container.image" (list . .Values.image.repository) | nindent 2 }}
  args: [migrate, --wait, "900"]
  env:
    {{- include "mlplatform.env.settings" (list . "telemetry" "postgres") | nindent 4 }}
    {{- include "mlplatform.env.dsn" (list . "OWNER_RAW_DSN" "owner" "raw" "rw") | nindent 4 }}
    {{- include "mlplatform.env.dsn" (list . "OWNER_WAREHOUSE_DSN" "owner" "warehouse" "rw") | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 128Mi}
    limits: {memory: 512Mi}
  {{- include "mlplatform.container.security" . | nindent 2 }}
  volumeMounts:
    {{- include "mlplatform.mounts.tmp" . | nindent 4 }}
    {{- include "mlplatform.mounts.postgres" . | nindent 4 }}
{{- end }}

{{/* HOME and scratch: the root filesystem is read-only. */}}
{{- define "mlplatform.mounts.tmp" -}}
- {name: tmp, mountPath: /tmp}
{{- end }}
{{- define "mlplatform.volumes.tmp" -}}
- name: tmp
  emptyDir: {}
{{- end }}

{{/* CA of the database servers. */}}
{{- define "mlplatform.mounts.postgres" -}}
{{- if include "mlplatform.name.postgresCA" . -}}
- {name: postgres-ca, mountPath: /etc/mlplatform/postgres, readOnly: true}
{{- end }}
{{- end }}
{{- define "mlplatform.volumes.postgres" -}}
{{- with include "mlplatform.name.postgresCA" . -}}
- name: postgres-ca
  projected:
    sources:
      - secret:
          name: {{ . }}
          items: [{key: ca.crt, path: ca.crt}]
{{- if and $.Values.postgres.enabled $.Values.postgres.separateRaw }}
      - secret:
          name: {{ include "mlplatform.name.cluster" (list $ "raw") }}-ca
          items: [{key: ca.crt, path: raw-ca.crt}]
{{- end }}
{{- end }}
{{- end }}

{{/* CA of external brokers. */}}
{{- define "mlplatform.mounts.queue" -}}
{{- if and (eq .Values.kafka.mode "external") .Values.kafka.external.caSecret -}}
- {name: kafka-ca, mountPath: /etc/mlplatform/kafka, readOnly: true}
{{- end }}
{{- end }}
{{- define "mlplatform.volumes.queue" -}}
{{- if and (eq .Values.kafka.mode "external") .Values.kafka.external.caSecret -}}
- name: kafka-ca
  secret:
    secretName: {{ .Values.kafka.external.caSecret }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}

{{/* Digests of all tokens, for the processes that check them. The tokens themselves are not among them. */}}
{{- define "mlplatform.mounts.access" -}}
- {name: access, mountPath: /etc/mlplatform/access, readOnly: true}
{{- end }}
{{/* Annotation that replaces the pods when the callers change: the digests are read at the start. As YAML. */}}
{{- define "mlplatform.access.annotation" -}}
mlplatform.io/callers: {{ toJson .Values.access.callers | sha256sum | trunc 16 }}
{{- end }}
{{- define "mlplatform.volumes.access" -}}
- name: access
  secret:
    secretName: {{ include "mlplatform.name.access" . }}
    items: [{key: tokens.yaml, path: tokens.yaml}]
{{- end }}

{{/* ServiceAccount of a component. Input: list of root and component. */}}
{{- define "mlplatform.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "mlplatform.metadata" . | nindent 2 }}
# A token is mounted only where a pod asks for it.
automountServiceAccountToken: false
{{- end }}
