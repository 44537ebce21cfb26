{{/* Names and labels. */}}

{{- define "outbox-relay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "outbox-relay.fullname" -}}
{{- $name := include "outbox-relay.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "outbox-relay.instanceLabels" -}}
app.kubernetes.io/name: {{ include "outbox-relay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The Deployment's pods, and no others: the migration's are of another component. */}}
{{- define "outbox-relay.selectorLabels" -}}
{{ include "outbox-relay.instanceLabels" . }}
app.kubernetes.io/component: relay
{{- end }}

{{- define "outbox-relay.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "outbox-relay.instanceLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The pods that hold a relay: those of the Deployment, or the service's. */}}
{{- define "outbox-relay.relayPods" -}}
{{- if eq .Values.mode "deployment" -}}
{{ include "outbox-relay.selectorLabels" . }}
{{- else -}}
{{- if not .Values.sidecar.podSelector }}{{ fail "sidecar.podSelector must name the service's pods where podMonitor or networkPolicy is enabled" }}{{ end -}}
{{ toYaml .Values.sidecar.podSelector }}
{{- end -}}
{{- end }}

{{- define "outbox-relay.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/* The profile "restricted", for a pod's container whatever the pod says. */}}
{{- define "outbox-relay.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsGroup: 10001
runAsNonRoot: true
runAsUser: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "outbox-relay.podSecurityContext" -}}
runAsGroup: 10001
runAsNonRoot: true
runAsUser: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}
