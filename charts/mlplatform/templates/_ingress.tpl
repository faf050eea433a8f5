{{/*
How a component is reached from outside: Ingress and Gateway API.
*/}}

{{/* Everything of an Ingress but its paths. Input: dict of root and component. */}}
{{- define "mlplatform.ingress" -}}
{{- $values := index .root.Values .component "ingress" -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "mlplatform.metadata" . | nindent 2 }}
  {{- with $values.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $values.className }}
  ingressClassName: {{ . }}
  {{- end }}
  tls:
    - hosts: [{{ $values.host | quote }}]
      secretName: {{ $values.tlsSecret }}
  rules:
    - host: {{ $values.host | quote }}
      http:
        paths:
{{- end }}

{{/* One path of an Ingress. Input: dict of prefix, Service and port. */}}
{{- define "mlplatform.ingress.path" -}}
- path: {{ .prefix }}
  pathType: Prefix
  backend: {service: {name: {{ .service }}, port: {number: {{ .port }}}}}
{{- end }}

{{/* Everything of an HTTPRoute but its rules. Input: dict of root and component. */}}
{{- define "mlplatform.httpRoute" -}}
{{- $values := index .root.Values .component "httpRoute" -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "mlplatform.metadata" . | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml $values.parentRefs | nindent 4 }}
  hostnames:
    {{- toYaml $values.hostnames | nindent 4 }}
  rules:
{{- end }}

{{/* One rule of an HTTPRoute. Input: dict of prefixes, Service and port. */}}
{{- define "mlplatform.httpRoute.rule" -}}
- matches:
    {{- range .prefixes }}
    - path: {type: PathPrefix, value: {{ . }}}
    {{- end }}
  backendRefs:
    - {name: {{ .service }}, port: {{ .port }}}
{{- end }}
