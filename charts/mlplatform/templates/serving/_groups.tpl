{{/*
The serving Deployments as a YAML list {groups: [{name, models, sklearn, minReplicas, maxReplicas, resources}]}; the main one has the name
"". Input: root. Defaults come from the main one's values.
*/}}
{{- define "mlplatform.serving.groups" -}}
{{- $values := .Values.serving -}}
{{- $scale := $values.autoscaling -}}
{{- $taken := list -}}{{- range $values.groups }}{{ $taken = concat $taken .models }}{{ end -}}
{{- $main := $values.models -}}
{{- if not $main }}{{ range .Values.pipelines }}{{ if not (has .name $taken) }}{{ $main = append $main .name }}{{ end }}{{ end }}{{ end -}}
{{- $defaults := dict "sklearn" $values.sklearn "minReplicas" $scale.minReplicas "maxReplicas" $scale.maxReplicas "resources" $values.resources -}}
{{- $groups := list -}}
{{- if or $main (not $values.groups) }}{{ $groups = append $groups (merge (dict "name" "" "models" $main) $defaults) }}{{ end -}}
{{- range $values.groups }}{{ $groups = append $groups (merge (deepCopy .) $defaults) }}{{ end -}}
{{- toYaml (dict "groups" $groups) }}
{{- end }}

{{/* Labels that tell one group's pods from another's. Input: list of root and group. */}}
{{- define "mlplatform.serving.selector" -}}
{{ include "mlplatform.selector" (list (index . 0) "serving") }}
mlplatform.io/group: {{ index . 1 | default "main" }}
{{- end }}

{{/* metadata of a group's object. Input: list of root and group. */}}
{{- define "mlplatform.serving.metadata" -}}
{{ include "mlplatform.metadata" (list (index . 0) "serving" (include "mlplatform.name.serving" .)) }}
  mlplatform.io/group: {{ index . 1 | default "main" }}
{{- end }}
