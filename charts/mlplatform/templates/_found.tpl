{{/*
What the cluster holds already, as YAML; "" when it holds no such object. Input: list of root, apiVersion, kind and name.

The cluster is asked by `helm install` and `helm upgrade` only: for `helm template` there is never anything. It is the one place that asks, so
that tests can put their own objects here.
*/}}
{{- define "mlplatform.found" -}}
{{- $root := index . 0 -}}
{{- if $root.Capabilities.APIVersions.Has (index . 1) }}
{{- with lookup (index . 1) (index . 2) $root.Release.Namespace (index . 3) }}{{ toYaml . }}{{ end }}
{{- end }}
{{- end }}
