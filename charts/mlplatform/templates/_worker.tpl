{{/*
consumer and etl: processes without a Service that move rows. Input: dict of root, component,
environment and mounts/volumes of its own.
*/}}
{{- define "mlplatform.worker" -}}
{{- $root := .root -}}{{- $component := .component -}}
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
        - name: {{ $component }}
          {{- include "mlplatform.container.image" (dict "root" $root) | nindent 10 }}
          args: [{{ $component }}]
          env:
            {{- include "mlplatform.env.settings" (dict "root" $root
                "groups" (list "telemetry" "postgres" $component)) | nindent 12 }}
            {{- include "mlplatform.env.metrics" $root | nindent 12 }}
            {{- .environment | nindent 12 }}
          ports:
            - {name: metrics, containerPort: 9090}
          {{- include "mlplatform.container.workProbes" $root | nindent 10 }}
          resources:
            {{- toYaml .resources | nindent 12 }}
          {{- include "mlplatform.container.security" $root | nindent 10 }}
          volumeMounts:
            {{- include "mlplatform.mounts.tmp" $root | nindent 12 }}
            {{- include "mlplatform.mounts.postgres" $root | nindent 12 }}
            {{- with .mounts }}{{ . | nindent 12 }}{{ end }}
      volumes:
        {{- include "mlplatform.volumes.tmp" $root | nindent 8 }}
        {{- include "mlplatform.volumes.postgres" $root | nindent 8 }}
        {{- with .volumes }}{{ . | nindent 8 }}{{ end }}
{{- end }}
