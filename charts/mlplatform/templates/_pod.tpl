{{/*
What is the same in every pod of ours, whatever its component.
*/}}

{{/*
metadata of a pod template. Input: dict of root and component; labels and annotations of its own
(default: none).
*/}}
{{- define "mlplatform.pod.metadata" -}}
labels:
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- include "mlplatform.podLabels" . | nindent 2 }}
{{- with merge (deepCopy .root.Values.pod.annotations) (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Beginning of a pod spec: account, security, placement. Input: dict of root and component; uid
(default 10001); token (default false): whether the account's token is mounted.
*/}}
{{- define "mlplatform.pod.spec" -}}
{{- $root := .root -}}
{{- $uid := .uid | default 10001 -}}
serviceAccountName: {{ include "mlplatform.name.component" . }}
automountServiceAccountToken: {{ .token | default false }}
# Service links would put MLPLATFORM_DATAAPI_PORT=tcp://… into the environment, which the settings
# refuse.
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

{{/*
Pods of one component on different nodes where that is possible. Input: dict of root and component,
or of a selector instead.
*/}}
{{- define "mlplatform.pod.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- with .selector }}{{ . | nindent 8 }}{{ else }}
        {{- include "mlplatform.selector" . | nindent 8 }}
        {{- end }}
{{- end }}

{{/* securityContext of every container. */}}
{{- define "mlplatform.container.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/*
image and pull policy. Input: dict of root; repository (default: the one with every component).
*/}}
{{- define "mlplatform.container.image" -}}
image: {{ include "mlplatform.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- end }}

{{/*
Liveness of a process whose loop may stand still for some seconds: its own watchdog decides first,
and writes down where it stood. The kubelet ends what the watchdog can't, e.g. a stopped process.
Input: dict of port and stuck, in seconds.
*/}}
{{- define "mlplatform.container.liveness" -}}
livenessProbe:
  httpGet: {path: /healthz, port: {{ .port }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ max 6 (add1 (ceil (divf .stuck 10))) }}
{{- end }}

{{/*
Probes of a process with /healthz and /readyz on the port named http. A start may take two minutes,
a stop is noticed in seconds. Input: dict of stuck, in seconds.
*/}}
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
{{ include "mlplatform.container.liveness" (dict "port" "http" "stuck" .stuck) }}
{{- end }}

{{/*
Probes of a process that works in a loop, with /healthz on the port named metrics. A thread serves
the page, which fails when the loop has stood still beyond its limit. Input: the port's name.
*/}}
{{- define "mlplatform.container.workProbes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 120
{{ include "mlplatform.container.liveness" (dict "port" . "stuck" 0) }}
{{- end }}

{{/*
Init container that brings both schemas up to date; safe in many pods at once (advisory lock). It
alone holds the owner's password.
*/}}
{{- define "mlplatform.container.migrate" -}}
- name: migrate
  {{- include "mlplatform.container.image" (dict "root" .) | nindent 2 }}
  args: [migrate, --wait, "900"]
  env:
    {{- include "mlplatform.env.settings" (dict "root" . "groups" (list "telemetry" "postgres"))
        | nindent 4 }}
    {{- include "mlplatform.env.dsn" (dict "root" . "field" "OWNER_RAW_DSN" "role" "owner"
        "database" "raw" "server" "rw") | nindent 4 }}
    {{- with include "mlplatform.env.moreDsns" (dict "root" . "field" "OWNER_RAW_MORE_DSNS"
        "role" "owner" "server" "rw") }}{{ . | nindent 4 }}{{ end }}
    {{- include "mlplatform.env.dsn" (dict "root" . "field" "OWNER_WAREHOUSE_DSN" "role" "owner"
        "database" "warehouse" "server" "rw") | nindent 4 }}
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
          name: {{ include "mlplatform.name.cluster" (dict "root" $ "database" "raw") }}-ca
          items: [{key: ca.crt, path: raw-ca.crt}]
{{- end }}
{{- if $.Values.postgres.enabled }}
{{- range (include "mlplatform.rawServers" $ | fromYaml).further }}
      - secret:
          name: {{ include "mlplatform.name.cluster" (dict "root" $ "database" .) }}-ca
          items: [{key: ca.crt, path: {{ . }}-ca.crt}]
{{- end }}
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

{{/*
Digests of all tokens, for the processes that check them. The tokens themselves are not among them.
*/}}
{{- define "mlplatform.mounts.access" -}}
- {name: access, mountPath: /etc/mlplatform/access, readOnly: true}
{{- end }}
{{/*
Annotation that replaces the pods when the callers change: the digests are read at the start. As
YAML.
*/}}
{{- define "mlplatform.access.annotation" -}}
mlplatform.io/callers: {{ toJson .Values.access.callers | sha256sum | trunc 16 }}
{{- end }}
{{- define "mlplatform.volumes.access" -}}
- name: access
  secret:
    secretName: {{ include "mlplatform.name.access" . }}
    items: [{key: tokens.yaml, path: tokens.yaml}]
{{- end }}

{{/* ServiceAccount of a component. Input: dict of root and component. */}}
{{- define "mlplatform.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "mlplatform.metadata" . | nindent 2 }}
# A token is mounted only where a pod spec says so.
automountServiceAccountToken: false
{{- end }}
