{{/*
consumer and etl: processes without a Service that move rows. Input: dict of root, component,
replicas, resources, mounts/volumes of its own, and containers: a list of dicts of name and
environment.
*/}}
{{- define "mlplatform.worker" -}}
{{- $root := .root -}}{{- $component := .component -}}{{- $input := . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "mlplatform.metadata" (dict "root" $root "component" $component) | nindent 2 }}
spec:
  replicas: {{ int .replicas }}
  selector:
    matchLabels:
      {{- include "mlplatform.selector" (dict "root" $root "component" $component) | nindent 6 }}
  template:
    metadata:
      {{- include "mlplatform.pod.metadata" (dict "root" $root "component" $component)
          | nindent 6 }}
    spec:
      {{- include "mlplatform.pod.spec" (dict "root" $root "component" $component) | nindent 6 }}
      {{- include "mlplatform.pod.spread" (dict "root" $root "component" $component) | nindent 6 }}
      terminationGracePeriodSeconds: 30
      initContainers:
        {{- include "mlplatform.container.migrate" $root | nindent 8 }}
      containers:
        {{- range $place, $container := .containers }}
        {{- $port := gt $place 0 | ternary (printf "metrics-%d" (add1 $place)) "metrics" }}
        - name: {{ $container.name }}
          {{- include "mlplatform.container.image" (dict "root" $root) | nindent 10 }}
          args: [{{ $component }}]
          env:
            {{- include "mlplatform.env.settings" (dict "root" $root
                "groups" (list "telemetry" "postgres" $component)) | nindent 12 }}
            {{- include "mlplatform.env.metrics" (add 9090 $place) | nindent 12 }}
            {{- $container.environment | nindent 12 }}
          ports:
            - {name: {{ $port }}, containerPort: {{ add 9090 $place }}}
          {{- include "mlplatform.container.workProbes" $port | nindent 10 }}
          resources:
            {{- toYaml $input.resources | nindent 12 }}
          {{- include "mlplatform.container.security" $root | nindent 10 }}
          volumeMounts:
            {{- include "mlplatform.mounts.tmp" $root | nindent 12 }}
            {{- include "mlplatform.mounts.postgres" $root | nindent 12 }}
            {{- with $input.mounts }}{{ . | nindent 12 }}{{ end }}
        {{- end }}
      volumes:
        {{- include "mlplatform.volumes.tmp" $root | nindent 8 }}
        {{- include "mlplatform.volumes.postgres" $root | nindent 8 }}
        {{- with .volumes }}{{ . | nindent 8 }}{{ end }}
{{- end }}
