{{/*
Labels and selectors. A component's label is the name of its folder.
*/}}

{{/* What a selector may hold: never changes. Input: dict of root and component. */}}
{{- define "mlplatform.selector" -}}
app.kubernetes.io/name: mlplatform
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of an object. Input: dict of root and component. */}}
{{- define "mlplatform.labels" -}}
{{- $root := .root -}}
{{ include "mlplatform.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{/*
Labels of a pod: no versions, so that a new chart alone does not roll every pod. Input: dict of root
and component.
*/}}
{{- define "mlplatform.podLabels" -}}
{{ include "mlplatform.selector" . }}
{{- with .root.Values.pod.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
metadata of an object. Input: dict of root, component, name (default: the component's own).
*/}}
{{- define "mlplatform.metadata" -}}
{{- $root := .root -}}
name: {{ .name | default (include "mlplatform.name.component" .) }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "mlplatform.labels" . | nindent 2 }}
{{- end }}
