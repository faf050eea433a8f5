{{/* A claim that outlives the release. Input: dict of root, component, size and storage class. */}}
{{- define "mlplatform.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "mlplatform.metadata" (dict "root" .root "component" .component) | nindent 2 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  {{- with .storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .size }}}}
{{- end }}
