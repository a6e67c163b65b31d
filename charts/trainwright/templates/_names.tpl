{{- define "trainwright.name" -}}
{{- default "trainwright" .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* The name of everything that belongs to this release: trainwright-operator when the release is called trainwright. */ -}}
{{- define "trainwright.operator" -}}
{{- $name := include "trainwright.name" . }}
{{- if contains $name .Release.Name }}{{ $name = .Release.Name }}{{ else }}{{ $name = printf "%s-%s" .Release.Name $name }}{{ end }}
{{- default $name .Values.fullnameOverride | trunc 44 | trimSuffix "-" }}-operator
{{- end }}

{{- define "trainwright.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "trainwright.operator" .) }}
{{- end }}

{{- define "trainwright.selector" -}}
app.kubernetes.io/name: {{ include "trainwright.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "trainwright.labels" -}}
{{ include "trainwright.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: trainwright
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The metadata of an object: (list $ NAME [NAMESPACE]). */ -}}
{{- define "trainwright.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
{{- if gt (len .) 2 }}
namespace: {{ index . 2 }}
{{- end }}
labels:
  {{- include "trainwright.labels" $root | nindent 2 }}
{{- end }}

{{- /* An image with the registry of this release: (list $ REPOSITORY). */ -}}
{{- define "trainwright.image" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ index . 1 }}
{{- end }}
