{{/*
Configuration of a broker as the official image takes it: when one KAFKA_ variable is given, all
must be. Input: dict of root, name of the StatefulSet, quorum voters.
*/}}
{{- define "mlplatform.kafka.env" -}}
{{- $root := .root -}}
{{- $copies := min 3 (int $root.Values.kafka.nodes) -}}
{{- $settings := $root.Values.settings.queue -}}
{{- $heap := $root.Values.kafka.heap -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: KAFKA_NODE_ID
  valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
# One quorum per release: 16 bytes of its name's digest, as Kafka writes a UUID.
- name: CLUSTER_ID
  value: {{ printf "%s/%s" $root.Release.Namespace .name | sha256sum | trunc 16 | b64enc
      | trimSuffix "==" | quote }}
- {name: KAFKA_PROCESS_ROLES, value: "broker,controller"}
- {name: KAFKA_LISTENERS, value: "PLAINTEXT://:9092,CONTROLLER://:9093"}
- {name: KAFKA_ADVERTISED_LISTENERS, value: "PLAINTEXT://$(POD_NAME).{{ .name }}:9092"}
- {name: KAFKA_CONTROLLER_LISTENER_NAMES, value: CONTROLLER}
- {name: KAFKA_LISTENER_SECURITY_PROTOCOL_MAP, value: "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"}
- {name: KAFKA_CONTROLLER_QUORUM_VOTERS, value: {{ .voters | quote }}}
- {name: KAFKA_LOG_DIRS, value: /var/lib/kafka/data/logs}
- {name: KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR, value: "{{ $copies }}"}
- {name: KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR, value: "{{ $copies }}"}
- {name: KAFKA_TRANSACTION_STATE_LOG_MIN_ISR, value: "{{ min 2 $copies }}"}
- {name: KAFKA_DEFAULT_REPLICATION_FACTOR, value: "{{ $copies }}"}
- {name: KAFKA_MIN_INSYNC_REPLICAS, value: "{{ int $settings.min_insync_replicas }}"}
- {name: KAFKA_LOG_RETENTION_HOURS, value: "{{ int $settings.retention_h }}"}
# The topic is made by consumer and shipper with its own settings; a typo must not make another.
- {name: KAFKA_AUTO_CREATE_TOPICS_ENABLE, value: "false"}
- {name: KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS, value: "0"}
- {name: KAFKA_HEAP_OPTS, value: "-Xms{{ $heap }} -Xmx{{ $heap }}"}
{{- end }}
