{{/*
What the cluster holds already, as YAML; "" when it holds no such object. Input: dict of root,
apiVersion, kind and name.

The cluster is asked by `helm install` and `helm upgrade` only: for `helm template` there is never
anything. It is the one place that asks, so that tests can put their own objects here.
*/}}
{{- define "mlplatform.found" -}}
{{- $root := .root -}}
{{- if $root.Capabilities.APIVersions.Has .apiVersion }}
{{- with lookup .apiVersion .kind $root.Release.Namespace .name }}{{ toYaml . }}{{ end }}
{{- end }}
{{- end }}
