{{/*
The two containers of a serving pod. They share the outbox and one uid.
*/}}

{{/*
resources with the disk that a container needs of its node. A request, not a limit: the kubelet
kills a pod that outgrew a limit at once, with what its outbox holds. The shipper asks for the
outbox where that has no volume of its own, serving for the rest: their sum is the pod's. Input:
dict of resources and disk (a quantity; empty: none).
*/}}
{{- define "mlplatform.serving.resources" -}}
{{- $made := deepCopy .resources -}}
{{- $requests := $made.requests | default dict -}}
{{- if and .disk (not (hasKey $requests "ephemeral-storage")) }}
{{- $_ := set $requests "ephemeral-storage" (.disk | toString) }}
{{- end -}}
{{- set $made "requests" $requests | toYaml }}
{{- end }}

{{/*
Outbox to Kafka. A native sidecar: it starts first, and ends after serving, with what is left of the
grace period. Input: dict of root and repository.
*/}}
{{- define "mlplatform.serving.shipper" -}}
{{- $root := .root -}}
- name: shipper
  {{- include "mlplatform.container.image" . | nindent 2 }}
  args: [shipper]
  restartPolicy: Always
  env:
    {{- include "mlplatform.env.settings" (dict "root" $root
        "groups" (list "telemetry" "outbox" "shipper" "audit")) | nindent 4 }}
    {{- include "mlplatform.env.metrics" 9090 | nindent 4 }}
    {{- include "mlplatform.env.queue" $root | nindent 4 }}
    - {name: MLPLATFORM_OUTBOX__FOLDER, value: /outbox/current}
    # Where answers wait for Kafka, it does not idle.
    - name: MLPLATFORM_SERVING__DURABILITY
      value: {{ $root.Values.settings.serving.durability }}
    {{- with $root.Values.shipper.checkpoints.existingSecret }}
    - name: MLPLATFORM_AUDIT__KEY
      valueFrom: {secretKeyRef: {name: {{ . }}, key: key}}
    {{- end }}
    {{- if $root.Values.shipper.checkpoints.existingClaim }}
    - {name: MLPLATFORM_AUDIT__FOLDER, value: /checkpoints}
    {{- end }}
  ports:
    - {name: metrics, containerPort: 9090}
  # No readiness: a pod whose broker is away goes on answering.
  {{- include "mlplatform.container.workProbes" "metrics" | nindent 2 }}
  {{- $disk := int64 $root.Values.settings.outbox.capacity_bytes }}
  {{- if include "mlplatform.serving.keepsOutbox" $root }}{{ $disk = "" }}{{ end }}
  resources:
    {{- include "mlplatform.serving.resources" (dict "resources" $root.Values.shipper.resources
        "disk" $disk) | nindent 4 }}
  {{- include "mlplatform.container.security" $root | nindent 2 }}
  volumeMounts:
    {{- include "mlplatform.mounts.tmp" $root | nindent 4 }}
    {{- include "mlplatform.mounts.queue" $root | nindent 4 }}
    - {name: outbox, mountPath: /outbox}
    {{- if $root.Values.shipper.checkpoints.existingClaim }}
    - {name: checkpoints, mountPath: /checkpoints}
    {{- end }}
{{- end }}

{{/* Answers. Input: dict of root, repository and group. */}}
{{- define "mlplatform.serving.container" -}}
{{- $root := .root -}}{{- $group := .group -}}
- name: serving
  {{- include "mlplatform.container.image" (dict "root" $root "repository" .repository)
      | nindent 2 }}
  args: [serving]
  env:
    {{- include "mlplatform.env.settings" (dict "root" $root
        "groups" (list "telemetry" "outbox" "serving" "registry")) | nindent 4 }}
    {{- include "mlplatform.env.workerMetrics" $root | nindent 4 }}
    - {name: MLPLATFORM_SERVING__HOST, value: "0.0.0.0"}
    - {name: MLPLATFORM_SERVING__PORT, value: "8080"}
    {{- if $root.Values.serving.grpc.enabled }}
    - {name: MLPLATFORM_SERVING__GRPC_PORT, value: "8001"}
    {{- end }}
    # Endpoints are taken away at the same time as SIGTERM is sent: go on until nobody sends
    # requests here.
    - {name: MLPLATFORM_SERVING__LINGER_S, value: "{{ int $root.Values.serving.lingerSeconds }}"}
    - {name: MLPLATFORM_SERVING__MODELS, value: {{ toJson $group.models | squote }}}
    - {name: MLPLATFORM_SERVING__CACHE, value: /models/cache}
    - {name: MLPLATFORM_OUTBOX__FOLDER, value: /outbox/current}
    # What the shipper could not send is refused before it is accepted.
    - name: MLPLATFORM_QUEUE__MAX_RECORD_BYTES
      value: {{ include "mlplatform.env.value" $root.Values.settings.queue.max_record_bytes }}
    {{- if eq $root.Values.settings.serving.auth "bearer" }}
    {{- include "mlplatform.env.access" $root | nindent 4 }}
    {{- end }}
    {{- include "mlplatform.env.dataapi" (dict "root" $root "caller" "serving") | nindent 4 }}
    {{- include "mlplatform.env.redaction" $root | nindent 4 }}
    {{- include "mlplatform.env.registry" $root | nindent 4 }}
    {{- include "mlplatform.env.source" $root | nindent 4 }}
    # One core per process: numeric libraries with a thread per core of the node would only wait for
    # each other.
    - {name: OMP_NUM_THREADS, value: "1"}
    - {name: OPENBLAS_NUM_THREADS, value: "1"}
  ports:
    - {name: http, containerPort: 8080}
    {{- if $root.Values.serving.grpc.enabled }}
    - {name: grpc, containerPort: 8001}
    {{- end }}
    {{- $workers := int $root.Values.settings.serving.workers }}
    {{- if gt $workers 1 }}
    {{- range $number := untilStep 1 (add1 $workers | int) 1 }}
    - {name: metrics-{{ $number }}, containerPort: {{ add 9100 $number }}}
    {{- end }}
    {{- end }}
  {{- include "mlplatform.container.probes"
      (dict "stuck" $root.Values.settings.serving.stuck_s) | nindent 2 }}
  resources:
    {{- include "mlplatform.serving.resources" (dict "resources" $group.resources
        "disk" $root.Values.serving.scratch) | nindent 4 }}
  {{- include "mlplatform.container.security" $root | nindent 2 }}
  volumeMounts:
    {{- include "mlplatform.mounts.tmp" $root | nindent 4 }}
    {{- if eq $root.Values.settings.serving.auth "bearer" }}
    {{- include "mlplatform.mounts.access" $root | nindent 4 }}
    {{- end }}
    - {name: outbox, mountPath: /outbox}
    - {name: models, mountPath: /models}
{{- end }}
