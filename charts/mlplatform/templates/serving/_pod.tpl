{{/*
The pod of a group, for the Deployment or the StatefulSet of it.
*/}}

{{/* `true` where each pod has an outbox on a volume of its own, else nothing. Input: root. */}}
{{- define "mlplatform.serving.keepsOutbox" -}}
{{- if eq .Values.serving.outbox.volume "persistent" }}true{{ end }}
{{- end }}

{{/* Deployment or StatefulSet. Input: root. */}}
{{- define "mlplatform.serving.kind" -}}
{{ include "mlplatform.serving.keepsOutbox" . | empty | ternary "Deployment" "StatefulSet" }}
{{- end }}

{{/* The template of its pods: metadata and spec. Input: dict of root and group. */}}
{{- define "mlplatform.serving.template" -}}
{{- $root := .root -}}{{- $group := .group -}}
{{- $values := $root.Values.serving -}}
{{- $settings := $root.Values.settings -}}
{{- $drain := addf $settings.serving.drain_s $settings.shipper.drain_s | ceil | int -}}
{{- $repository := $group.sklearn | ternary $values.sklearnRepository $values.repository -}}
{{- $selector := include "mlplatform.serving.selector" (dict "root" $root "group" $group.name) -}}
metadata:
  {{- include "mlplatform.pod.metadata" (dict "root" $root "component" "serving"
      "labels" (dict "mlplatform.io/group" ($group.name | default "main"))
      "annotations" (include "mlplatform.access.annotation" $root | fromYaml)) | nindent 2 }}
spec:
  {{- include "mlplatform.pod.spec" (dict "root" $root "component" "serving") | nindent 2 }}
  {{- include "mlplatform.pod.spread" (dict "selector" $selector) | nindent 2 }}
  # Leaving the Service, running requests and the farewell, then the rest of the outbox: one
  # after the other.
  terminationGracePeriodSeconds: {{ add (int $values.lingerSeconds) $drain 15 }}
  initContainers:
    {{- include "mlplatform.serving.shipper" (dict "root" $root "repository" $repository)
        | nindent 4 }}
  containers:
    {{- include "mlplatform.serving.container" (dict "root" $root "repository" $repository
        "group" $group) | nindent 4 }}
  volumes:
    {{- include "mlplatform.volumes.tmp" $root | nindent 4 }}
    {{- if not (include "mlplatform.serving.keepsOutbox" $root) }}
    # On the node's disk, never memory: it outlives a restart of the containers, and goes with
    # the pod, which drains it before.
    - name: outbox
      emptyDir: {}
    {{- end }}
    {{- with $root.Values.shipper.checkpoints.existingClaim }}
    - name: checkpoints
      persistentVolumeClaim: {claimName: {{ . }}}
    {{- end }}
    - name: models
      emptyDir: {}
    {{- include "mlplatform.volumes.queue" $root | nindent 4 }}
    {{- if eq $settings.serving.auth "bearer" }}
    {{- include "mlplatform.volumes.access" $root | nindent 4 }}
    {{- end }}
{{- end }}
