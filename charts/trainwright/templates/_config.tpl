{{- /* The operator's configuration file. */ -}}
{{- define "trainwright.config" -}}
images:
  {{- range $framework, $image := .Values.trainerImages }}
  {{- $default := printf "trainwright/%s:%s" $framework (default $.Chart.AppVersion $.Values.image.tag) }}
  {{ $framework }}: {{ $image | default (include "trainwright.image" (list $ $default)) }}
  {{- end }}
networkPolicies: {{ .Values.networkPolicy.jobs }}
{{- end }}
