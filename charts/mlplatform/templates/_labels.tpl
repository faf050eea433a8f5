{{/*
Labels and selectors. A component's label is the name of its folder.
*/}}

{{/* What a selector may hold: never changes. Input: list of root and component. */}}
{{- define "mlplatform.selector" -}}
app.kubernetes.io/name: mlplatform
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of an object. Input: list of root and component. */}}
{{- define "mlplatform.labels" -}}
{{- $root := index . 0 -}}
{{ include "mlplatform.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{/* Labels of a pod: no versions, so that a new chart alone does not roll every pod. Input: list of root and component. */}}
{{- define "mlplatform.podLabels" -}}
{{ include "mlplatform.selector" . }}
{{- with (index . 0).Values.pod.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* metadata of an object. Input: list of root, component and name (default: the component's own). */}}
{{- define "mlplatform.metadata" -}}
{{- $root := index . 0 -}}
name: {{ gt (len .) 2 | ternary (last .) (include "mlplatform.name.component" (list $root (index . 1))) }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "mlplatform.labels" (list $root (index . 1)) | nindent 2 }}
{{- end }}
