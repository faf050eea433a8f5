{{/*
The serving Deployments as a YAML list {groups: [{name, models, sklearn, minReplicas, maxReplicas,
resources}]}; the main one has the name "". Input: root. Defaults come from the main one's values.
Without a pipeline there is none: a pod of it would have nothing to answer with.
*/}}
{{- define "mlplatform.serving.groups" -}}
{{- $values := .Values.serving -}}
{{- $scale := $values.autoscaling -}}
{{- $taken := list -}}{{- range $values.groups }}{{ $taken = concat $taken .models }}{{ end -}}
{{- $main := $values.models -}}
{{- if not $main }}
{{- range .Values.pipelines }}
{{- if not (has .name $taken) }}{{ $main = append $main .name }}{{ end }}
{{- end }}
{{- end -}}
{{- $defaults := dict "sklearn" $values.sklearn "minReplicas" $scale.minReplicas
    "maxReplicas" $scale.maxReplicas "resources" $values.resources -}}
{{- $groups := list -}}
{{- range prepend $values.groups (dict "name" "" "models" $main) }}
{{- $group := merge (deepCopy .) $defaults }}
{{- /* `merge` takes false for a key that is not there. */}}
{{- if hasKey . "sklearn" }}{{ $_ := set $group "sklearn" .sklearn }}{{ end }}
{{- if .models }}{{ $groups = append $groups $group }}{{ end }}
{{- end -}}
{{- toYaml (dict "groups" $groups) }}
{{- end }}

{{/* Labels that distinguish one group's pods from another's. Input: dict of root and group. */}}
{{- define "mlplatform.serving.selector" -}}
{{ include "mlplatform.selector" (dict "root" .root "component" "serving") }}
mlplatform.io/group: {{ .group | default "main" }}
{{- end }}

{{/* metadata of a group's object. Input: dict of root and group. */}}
{{- define "mlplatform.serving.metadata" -}}
{{ include "mlplatform.metadata" (dict "root" .root "component" "serving"
    "name" (include "mlplatform.name.serving" .)) }}
  mlplatform.io/group: {{ .group | default "main" }}
{{- end }}
