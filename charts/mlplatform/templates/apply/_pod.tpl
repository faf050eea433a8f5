{{/*
Pod template of `mlplatform apply`: reads the pipelines from git and applies them. Input:
root.
*/}}
{{- define "mlplatform.apply.template" -}}
metadata:
  {{- include "mlplatform.pod.metadata" (dict "root" . "component" "apply") | nindent 2 }}
spec:
  {{- include "mlplatform.pod.spec" (dict "root" . "component" "apply") | nindent 2 }}
  restartPolicy: OnFailure
  containers:
    - name: apply
      {{- include "mlplatform.container.image" (dict "root" .) | nindent 6 }}
      args: [apply, --wait, "900"]
      env:
        {{- include "mlplatform.env.settings" (dict "root" . "groups" (list "telemetry"))
            | nindent 8 }}
        {{- include "mlplatform.env.dataapi" (dict "root" . "caller" "admin") | nindent 8 }}
        {{- include "mlplatform.env.source" . | nindent 8 }}
      resources:
        requests: {cpu: 10m, memory: 96Mi}
        limits: {memory: 512Mi}
      {{- include "mlplatform.container.security" . | nindent 6 }}
      volumeMounts:
        {{- include "mlplatform.mounts.tmp" . | nindent 8 }}
  volumes:
    {{- include "mlplatform.volumes.tmp" . | nindent 4 }}
{{- end }}
