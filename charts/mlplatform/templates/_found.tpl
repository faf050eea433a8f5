{{/*
What the cluster holds already, as YAML; "" when it holds no such object. Input: dict of root,
apiVersion, kind and name.

Only `helm install` and `helm upgrade` read from the cluster: for `helm template` there is never
anything. No other place reads from it, so that tests can put their own objects here.
*/}}
{{- define "mlplatform.found" -}}
{{- $root := .root -}}
{{- if $root.Capabilities.APIVersions.Has .apiVersion }}
{{- with lookup .apiVersion .kind $root.Release.Namespace .name }}{{ toYaml . }}{{ end }}
{{- end }}
{{- end }}
