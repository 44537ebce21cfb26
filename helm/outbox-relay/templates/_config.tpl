{{/* The relay's configuration: environment, files, volumes. */}}

{{/* The flags of `relay`: pollInterval is OUTBOX_POLL_INTERVAL. A number that Helm read as a float is written without an exponent. */}}
{{- define "outbox-relay.flags" -}}
{{- range $name, $value := .Values.relay }}
{{- if not (kindIs "invalid" $value) }}
- name: OUTBOX_{{ $name | snakecase | upper }}
  value: {{ kindIs "float64" $value | ternary ($value | int64 | toString) ($value | toString) | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* (list PREFIX FOLDER SERVICE): a service's URL, user, password, authorities and client certificate. */}}
{{- define "outbox-relay.serviceEnv" -}}
{{- $prefix := index . 0 }}{{ $folder := index . 1 }}{{ $service := index . 2 }}
{{- if $service.url }}
- name: {{ $prefix }}_URL
  value: {{ $service.url | quote }}
{{- else if and $service.secret.name $service.secret.url }}
- name: {{ $prefix }}_URL_FILE
  value: {{ $folder }}/secret/{{ $service.secret.url }}
{{- end }}
{{- if and $service.secret.name $service.secret.user }}
- name: {{ $prefix }}_USER_FILE
  value: {{ $folder }}/secret/{{ $service.secret.user }}
{{- end }}
{{- if and $service.secret.name $service.secret.password }}
- name: {{ $prefix }}_PASSWORD_FILE
  value: {{ $folder }}/secret/{{ $service.secret.password }}
{{- end }}
{{- if or $service.tls.caSecret $service.tls.caConfigMap }}
- name: {{ $prefix }}_CA_FILE
  value: {{ $folder }}/ca/{{ $service.tls.caKey }}
{{- end }}
{{- if $service.tls.clientSecret }}
- name: {{ $prefix }}_CERT_FILE
  value: {{ $folder }}/client/{{ $service.tls.certKey }}
- name: {{ $prefix }}_KEY_FILE
  value: {{ $folder }}/client/{{ $service.tls.keyKey }}
{{- end }}
{{- end }}

{{/* (list NAME FOLDER SERVICE): the mounts of a service's files. Whole volumes, because files mounted one by one do not rotate. */}}
{{- define "outbox-relay.serviceMounts" -}}
{{- $name := index . 0 }}{{ $folder := index . 1 }}{{ $service := index . 2 }}
{{- if include "outbox-relay.hasSecret" $service }}
- name: {{ $name }}
  mountPath: {{ $folder }}/secret
  readOnly: true
{{- end }}
{{- if or $service.tls.caSecret $service.tls.caConfigMap }}
- name: {{ $name }}-ca
  mountPath: {{ $folder }}/ca
  readOnly: true
{{- end }}
{{- if $service.tls.clientSecret }}
- name: {{ $name }}-client
  mountPath: {{ $folder }}/client
  readOnly: true
{{- end }}
{{- end }}

{{/* The keys of a service's Secret that are used. */}}
{{- define "outbox-relay.secretKeys" -}}
{{- $keys := list }}
{{- if not .url }}{{ $keys = append $keys .secret.url }}{{ end }}
{{- if not .listenUrl }}{{ $keys = append $keys (.secret.listenUrl | default "") }}{{ end }}
{{- $keys = concat $keys (list .secret.user .secret.password) }}
{{- without ($keys | uniq) "" nil | toJson }}
{{- end }}

{{- define "outbox-relay.hasSecret" -}}
{{- if and .secret.name (include "outbox-relay.secretKeys" . | fromJsonArray) }}true{{ end }}
{{- end }}

{{/* (list NAME SERVICE): the volumes of a service's files. Readable for whatever user the container runs as, who owns none of them; only the relay mounts them. */}}
{{- define "outbox-relay.serviceVolumes" -}}
{{- $name := index . 0 }}{{ $service := index . 1 }}
{{- if include "outbox-relay.hasSecret" $service }}
- name: {{ $name }}
  secret:
    secretName: {{ $service.secret.name }}
    defaultMode: 0444
    items:
    {{- range include "outbox-relay.secretKeys" $service | fromJsonArray }}
      - key: {{ . }}
        path: {{ . }}
    {{- end }}
{{- end }}
{{- if $service.tls.caConfigMap }}
- name: {{ $name }}-ca
  configMap:
    name: {{ $service.tls.caConfigMap }}
    defaultMode: 0444
    items:
      - key: {{ $service.tls.caKey }}
        path: {{ $service.tls.caKey }}
{{- else if $service.tls.caSecret }}
- name: {{ $name }}-ca
  secret:
    secretName: {{ $service.tls.caSecret }}
    defaultMode: 0444
    items:
      - key: {{ $service.tls.caKey }}
        path: {{ $service.tls.caKey }}
{{- end }}
{{- if $service.tls.clientSecret }}
- name: {{ $name }}-client
  secret:
    secretName: {{ $service.tls.clientSecret }}
    defaultMode: 0444
    items:
      - key: {{ $service.tls.certKey }}
        path: {{ $service.tls.certKey }}
      - key: {{ $service.tls.keyKey }}
        path: {{ $service.tls.keyKey }}
{{- end }}
{{- end }}

{{/* A value that the relay cannot start without is missed here, not in a crash loop. */}}
{{- define "outbox-relay.requireServices" -}}
{{- if not .Values.enabled }}
{{- fail "enabled is false, and no chart has it as the condition of its dependency: leave the chart out instead" }}
{{- end }}
{{- range $name, $service := dict "database" .Values.database "broker" .Values.broker }}
{{- if not (or $service.url (and $service.secret.name $service.secret.url)) }}
{{- fail (printf "%s.url or %s.secret.name is needed: how is the %s reached?" $name $name $name) }}
{{- end }}
{{- if and (or $service.secret.user $service.secret.password) (not $service.secret.name) }}
{{- fail (printf "%s.secret.name is needed: it holds the keys that are named" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "outbox-relay.routesConfigMap" -}}
{{- if .Values.routes.configMap -}}
{{ .Values.routes.configMap }}
{{- else if .Values.routes.file -}}
{{ include "outbox-relay.fullname" . }}-routes
{{- end -}}
{{- end }}

{{/* What restarts the relay: the routes file is read at the start. */}}
{{- define "outbox-relay.podAnnotations" -}}
{{- if and .Values.routes.file (not .Values.routes.configMap) }}
outbox-relay/routes-sha256: {{ .Values.routes.file | sha256sum }}
{{- end }}
{{- if .Values.prometheusAnnotations.enabled }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .Values.adminPort | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end }}
