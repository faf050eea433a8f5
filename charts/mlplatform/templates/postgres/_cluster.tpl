{{/*
A CloudNativePG Cluster: one primary, standbys, the platform's roles. Input: list of root and the database it is made with.

Roles are made when the Cluster is, so that migrations find them; the operator sets their passwords afterwards. The login trigger goes into
template1, from which the operator makes every other database. Both statements are the code's own (files/postgres.yaml, generated).
*/}}
{{- define "mlplatform.postgres.cluster" -}}
{{- $root := index . 0 -}}{{- $database := index . 1 -}}
{{- $name := include "mlplatform.name.cluster" (list $root $database) -}}
{{- $values := $root.Values.postgres -}}
{{- $sql := $root.Files.Get "files/postgres.yaml" | fromYaml -}}
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata:
  {{- include "mlplatform.metadata" (list $root "postgres" $name) | nindent 2 }}
  annotations:
    # It owns the volumes: without this, uninstall would delete all rows.
    helm.sh/resource-policy: keep
spec:
  instances: {{ int $values.instances }}
  imageName: {{ $values.image }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  inheritedMetadata:
    labels:
      {{- include "mlplatform.selector" (list $root "postgres") | nindent 6 }}
  bootstrap:
    {{- with dig "spec" "bootstrap" "" (include "mlplatform.found" (list $root "postgresql.cnpg.io/v1" "Cluster" $name) | fromYaml) }}
    # As it was made: it counts once, and one that was restored by hand must not get a second beginning.
    {{- toYaml . | nindent 4 }}
    {{- else }}
    initdb:
      database: {{ $database }}
      owner: mlplatform_owner
      secret: {name: {{ include "mlplatform.name.role" (list $root "owner") }}}
      dataChecksums: true
      postInitSQL:
        {{- toYaml $sql.roles | nindent 8 }}
      postInitTemplateSQL:
        {{- toYaml $sql.login_trigger | nindent 8 }}
    {{- end }}
  managed:
    roles:
      {{- range list "consumer" "etl" "dataapi" "reader" "mlflow" "backup" }}
      - name: mlplatform_{{ . }}
        ensure: present
        login: true
        {{- if eq . "reader" }}
        inRoles: [pg_monitor]
        {{- end }}
        passwordSecret: {name: {{ include "mlplatform.name.role" (list $root .) }}}
      {{- end }}
  postgresql:
    parameters:
      {{- $ours := dict "hot_standby_feedback" "on" "max_slot_wal_keep_size" "4GB" "log_min_duration_statement" "5000" }}
      {{- range $key, $value := merge (deepCopy $values.parameters) $ours }}
      {{ $key }}: {{ $value | toString | quote }}
      {{- end }}
    pg_hba:
      - hostnossl all all all reject
      - hostssl postgres,template1 mlplatform_reader all reject
    {{- if ne $values.synchronous "none" }}
    synchronous:
      method: any
      number: 1
      dataDurability: {{ $values.synchronous }}
    {{- end }}
  smartShutdownTimeout: {{ int $values.smartShutdownSeconds }}
  stopDelay: {{ int $values.stopSeconds }}
  switchoverDelay: {{ int $values.stopSeconds }}
  affinity:
    enablePodAntiAffinity: true
    topologyKey: kubernetes.io/hostname
    podAntiAffinityType: {{ $values.antiAffinity }}
    {{- with $root.Values.pod.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $root.Values.pod.tolerations }}
    tolerations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- with $root.Values.pod.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  storage:
    size: {{ $values.storage }}
    {{- with $values.storageClass }}
    storageClass: {{ . }}
    {{- end }}
  {{- with $values.plugins }}
  plugins:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml $values.resources | nindent 4 }}
{{- end }}

{{/* Another database of a Cluster. Input: list of root, database and owner. */}}
{{- define "mlplatform.postgres.database" -}}
{{- $root := index . 0 -}}
apiVersion: postgresql.cnpg.io/v1
kind: Database
metadata:
  {{- include "mlplatform.metadata" (list $root "postgres" (include "mlplatform.name.component" (list $root (index . 1)))) | nindent 2 }}
spec:
  name: {{ index . 1 }}
  owner: mlplatform_{{ index . 2 }}
  cluster: {name: {{ include "mlplatform.name.cluster" (list $root (index . 1)) }}}
  # Deleting this object leaves the database alone.
  databaseReclaimPolicy: retain
{{- end }}

{{/* Base backups of a Cluster by the plugin that archives its log: a log without them restores nothing. Input: list of root and database. */}}
{{- define "mlplatform.postgres.backup" -}}
{{- $root := index . 0 -}}
{{- $cluster := include "mlplatform.name.cluster" . -}}
{{- $plugin := (first $root.Values.postgres.plugins).name -}}
{{- range $root.Values.postgres.plugins }}{{ if .isWALArchiver }}{{ $plugin = .name }}{{ end }}{{ end -}}
apiVersion: postgresql.cnpg.io/v1
kind: ScheduledBackup
metadata:
  {{- include "mlplatform.metadata" (list $root "postgres" $cluster) | nindent 2 }}
spec:
  schedule: {{ $root.Values.postgres.backupSchedule | quote }}
  # The first one as soon as there is something to back up.
  immediate: true
  cluster: {name: {{ $cluster }}}
  method: plugin
  pluginConfiguration: {name: {{ $plugin }}}
{{- end }}
