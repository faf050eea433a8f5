{{/* A claim that outlives the release. Input: list of root, component, size and storage class. */}}
{{- define "mlplatform.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "mlplatform.metadata" (list (index . 0) (index . 1)) | nindent 2 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  {{- with index . 3 }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ index . 2 }}}}
{{- end }}
