{{/*
How a component is reached from outside: Ingress and Gateway API.
*/}}

{{/* Everything of an Ingress but its paths. Input: list of root and component. */}}
{{- define "mlplatform.ingress" -}}
{{- $values := index (index . 0).Values (index . 1) "ingress" -}}
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

{{/* One path of an Ingress. Input: list of prefix, Service and port. */}}
{{- define "mlplatform.ingress.path" -}}
- path: {{ index . 0 }}
  pathType: Prefix
  backend: {service: {name: {{ index . 1 }}, port: {number: {{ index . 2 }}}}}
{{- end }}

{{/* Everything of an HTTPRoute but its rules. Input: list of root and component. */}}
{{- define "mlplatform.httpRoute" -}}
{{- $values := index (index . 0).Values (index . 1) "httpRoute" -}}
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

{{/* One rule of an HTTPRoute. Input: list of prefixes, Service and port. */}}
{{- define "mlplatform.httpRoute.rule" -}}
- matches:
    {{- range index . 0 }}
    - path: {type: PathPrefix, value: {{ . }}}
    {{- end }}
  backendRefs:
    - {name: {{ index . 1 }}, port: {{ index . 2 }}}
{{- end }}
