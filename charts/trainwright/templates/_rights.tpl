{{- /*
What the operator may do to the TrainingJobs of a namespace, and no more: tests/cluster/test_rbac.py compares it with
what the operator asks for.
*/ -}}
{{- define "trainwright.rights" -}}
- apiGroups: [trainwright.dev]
  resources: [trainingjobs]
  verbs: [list, watch, delete]  # delete: ttlSecondsAfterFinished
- apiGroups: [trainwright.dev]
  resources: [trainingjobs/status]
  verbs: [patch]
- apiGroups: [trainwright.dev]
  resources: [trainingjobs/finalizers]
  verbs: [update]  # OpenShift and others ask for it of whoever makes an object that its owner waits for
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]  # patch: an elastic group's size
- apiGroups: [""]
  resources: [services, persistentvolumeclaims]
  verbs: [get, create]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, create]
- apiGroups: [scheduling.volcano.sh, scheduling.x-k8s.io]
  resources: [podgroups]
  verbs: [get, create]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]  # how workers ended, and why they don't start; watched are those that have succeeded
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [list, create]
{{- end }}

{{- /* The subject of every binding. */ -}}
{{- define "trainwright.subjects" -}}
- kind: ServiceAccount
  name: {{ include "trainwright.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
