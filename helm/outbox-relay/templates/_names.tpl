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

{{- define "outbox-relay.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "outbox-relay.instanceLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "outbox-relay.labels" -}}
{{ include "outbox-relay.moreLabels" (list . dict) }}
{{- end }}

{{/* (list . LABELS...): the chart's labels with these. The chart's own win: a selector must go on finding its pods. */}}
{{- define "outbox-relay.moreLabels" -}}
{{- $context := first . -}}
{{- $labels := include "outbox-relay.ownLabels" $context | fromYaml -}}
{{- range rest . }}{{ $labels = merge $labels . }}{{ end -}}
{{- toYaml (merge $labels $context.Values.commonLabels) -}}
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
{{- with .Values.global.imageRegistry | default .Values.image.registry }}{{ . }}/{{ end -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/* `job` of the relay's series, as the operator makes it of the PodMonitor. */}}
{{- define "outbox-relay.job" -}}
{{ .Values.podMonitor.namespace | default .Release.Namespace }}/{{ include "outbox-relay.fullname" . }}
{{- end }}

{{- define "outbox-relay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "outbox-relay.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name }}
{{- end -}}
{{- end }}
