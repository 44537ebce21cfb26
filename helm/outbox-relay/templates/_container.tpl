{{/* The relay's container and its volumes: the same in both modes. */}}

{{- define "outbox-relay.container" -}}
{{- include "outbox-relay.requireServices" . -}}
name: outbox-relay
image: {{ include "outbox-relay.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - run
  {{- range .Values.extraArgs }}
  - {{ . | quote }}
  {{- end }}
{{ include "outbox-relay.environment" . }}
ports:
  - name: outbox-metrics
    containerPort: {{ .Values.adminPort }}
    protocol: TCP
{{- /* About the relay's own progress, never about broker or database: a restart mends neither. */}}
{{- with .Values.livenessProbe }}
livenessProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- /* That the loop runs. As a sidecar its readiness is the pod's: an outage of the broker must not take the service down. */}}
{{- with .Values.readinessProbe }}
readinessProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.startupProbe }}
startupProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{ include "outbox-relay.limits" . }}
{{- end }}

{{/* env and envFrom of the relay: the same for the test of the release. */}}
{{- define "outbox-relay.environment" -}}
env:
  {{- include "outbox-relay.serviceEnv" (list "OUTBOX_DATABASE" "/etc/outbox-relay/database" .Values.database) | trim | nindent 2 }}
  {{- if .Values.database.listenUrl }}
  - name: OUTBOX_LISTEN_DATABASE_URL
    value: {{ .Values.database.listenUrl | quote }}
  {{- else if and .Values.database.secret.name .Values.database.secret.listenUrl }}
  - name: OUTBOX_LISTEN_DATABASE_URL_FILE
    value: /etc/outbox-relay/database/secret/{{ .Values.database.secret.listenUrl }}
  {{- end }}
  {{- include "outbox-relay.serviceEnv" (list "OUTBOX_AMQP" "/etc/outbox-relay/broker" .Values.broker) | trim | nindent 2 }}
  {{- if include "outbox-relay.routesConfigMap" . }}
  - name: OUTBOX_ROUTES
    value: /etc/outbox-relay/routes/{{ .Values.routes.key }}
  {{- end }}
  - name: OUTBOX_ADMIN_ADDR
    value: "[::]:{{ .Values.adminPort }}"
  {{- with include "outbox-relay.flags" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What a container may take and do, and the files that it sees. */}}
{{- define "outbox-relay.limits" -}}
{{ include "outbox-relay.resources" .Values.resources }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "outbox-relay.mounts" . | trim }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "outbox-relay.resources" -}}
resources:
  {{- /* A null of the values is no limit. */}}
  {{- range $kind, $amounts := . }}
  {{ $kind }}:
    {{- range $name, $amount := $amounts }}
    {{- if $amount }}
    {{ $name }}: {{ $amount }}
    {{- end }}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "outbox-relay.mounts" -}}
{{ include "outbox-relay.serviceMounts" (list "outbox-relay-database" "/etc/outbox-relay/database" .Values.database) }}
{{- include "outbox-relay.serviceMounts" (list "outbox-relay-broker" "/etc/outbox-relay/broker" .Values.broker) }}
{{- if include "outbox-relay.routesConfigMap" . }}
- name: outbox-relay-routes
  mountPath: /etc/outbox-relay/routes
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Items for a pod's `volumes`. */}}
{{- define "outbox-relay.volumes" -}}
{{ include "outbox-relay.serviceVolumes" (list "outbox-relay-database" .Values.database) }}
{{- include "outbox-relay.serviceVolumes" (list "outbox-relay-broker" .Values.broker) }}
{{- with include "outbox-relay.routesConfigMap" . }}
- name: outbox-relay-routes
  configMap:
    name: {{ . }}
    defaultMode: 0444
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
An item for a pod's `initContainers`: starts before the service's container and stops after it, so that the events of the last requests
leave too. To be included with this chart's own context: (index .Subcharts "outbox-relay").
*/}}
{{- define "outbox-relay.sidecar" -}}
{{- if ne .Values.mode "sidecar" }}{{ fail "outbox-relay.mode must be sidecar where outbox-relay.sidecar is included: as it is, a Deployment runs as well" }}{{ end -}}
- {{ include "outbox-relay.container" . | nindent 2 | trim }}
  restartPolicy: Always
{{- end }}
