{{/*
A CloudNativePG Cluster: one primary, standbys, the platform's roles. Input: dict of root and the
database it is made with.

Roles are made when the Cluster is, so that migrations find them; the operator sets their passwords
afterwards. The login trigger goes into template1, from which the operator makes every other
database. Both statements are the code's own (files/postgres.yaml, generated).
*/}}
{{- define "mlplatform.postgres.cluster" -}}
{{- $root := .root -}}{{- $database := .database -}}
{{- $name := include "mlplatform.name.cluster" (dict "root" $root "database" $database) -}}
{{- $values := $root.Values.postgres -}}
{{- $sql := $root.Files.Get "files/postgres.yaml" | fromYaml -}}
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata:
  {{- include "mlplatform.metadata" (dict "root" $root "component" "postgres" "name" $name)
      | nindent 2 }}
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
      {{- include "mlplatform.selector" (dict "root" $root "component" "postgres") | nindent 6 }}
  bootstrap:
    {{- with dig "spec" "bootstrap" "" (include "mlplatform.found" (dict "root" $root
        "apiVersion" "postgresql.cnpg.io/v1" "kind" "Cluster" "name" $name) | fromYaml) }}
    # As it was made: it counts once, and one that was restored by hand must not get a second
    # beginning.
    {{- toYaml . | nindent 4 }}
    {{- else }}
    initdb:
      database: {{ hasPrefix "raw-" $database | ternary "raw" $database }}
      owner: mlplatform_owner
      secret: {name: {{ include "mlplatform.name.role" (dict "root" $root "role" "owner") }}}
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
        passwordSecret: {name: {{ include "mlplatform.name.role" (dict "root" $root "role" .) }}}
      {{- end }}
  postgresql:
    parameters:
      {{- $ours := dict "hot_standby_feedback" "on" "max_slot_wal_keep_size" "4GB"
          "log_min_duration_statement" "5000" }}
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

{{/* Another database of a Cluster. Input: dict of root, database and owner. */}}
{{- define "mlplatform.postgres.database" -}}
{{- $root := .root -}}
apiVersion: postgresql.cnpg.io/v1
kind: Database
metadata:
  {{- include "mlplatform.metadata" (dict "root" $root "component" "postgres"
      "name" (include "mlplatform.name.component" (dict "root" $root "component" .database)))
      | nindent 2 }}
spec:
  name: {{ .database }}
  owner: mlplatform_{{ .owner }}
  cluster: {name: {{ include "mlplatform.name.cluster" (dict "root" $root "database" .database) }}}
  # Deleting this object leaves the database alone.
  databaseReclaimPolicy: retain
{{- end }}

{{/*
Base backups of a Cluster by the plugin that archives its log: a log without them restores nothing.
Input: dict of root and database.
*/}}
{{- define "mlplatform.postgres.backup" -}}
{{- $root := .root -}}
{{- $cluster := include "mlplatform.name.cluster" . -}}
{{- $plugin := (first $root.Values.postgres.plugins).name -}}
{{- range $root.Values.postgres.plugins }}
{{- if .isWALArchiver }}{{ $plugin = .name }}{{ end }}
{{- end -}}
apiVersion: postgresql.cnpg.io/v1
kind: ScheduledBackup
metadata:
  {{- include "mlplatform.metadata" (dict "root" $root "component" "postgres" "name" $cluster)
      | nindent 2 }}
spec:
  schedule: {{ $root.Values.postgres.backupSchedule | quote }}
  # The first one as soon as there is something to back up.
  immediate: true
  cluster: {name: {{ $cluster }}}
  method: plugin
  pluginConfiguration: {name: {{ $plugin }}}
{{- end }}
