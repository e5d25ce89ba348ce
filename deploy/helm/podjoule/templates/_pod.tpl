{{/* A probe of a page, or of the port alone where the page asks who it is. */}}
{{- define "podjoule.probe" -}}
{{- $root := first . -}}
{{- if eq $root.Values.web.probes "tcp" -}}
tcpSocket:
  port: metrics
{{- else -}}
httpGet:
  path: {{ last . }}
  port: metrics
  {{- if eq $root.Values.web.scheme "https" }}
  scheme: HTTPS
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "podjoule.mounts" -}}
- name: sys
  mountPath: /host/sys
  readOnly: true
  # The mounts below it too, such as fs/cgroup. Root owns the files there: where they
  # could be written, an agent that is root does not start.
  recursiveReadOnly: {{ ternary "Enabled" "IfPossible" (has .Values.energy.access (list "root" "perf")) }}
- name: config
  mountPath: /etc/podjoule
  readOnly: true
- name: access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- if .Values.queue.enabled }}
- name: queue
  mountPath: /var/lib/podjoule
{{- end }}
{{- if .Values.web.secret }}
- name: web
  mountPath: /etc/podjoule-web
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "podjoule.volumes" -}}
- name: sys
  hostPath:
    path: /sys
    type: Directory
- name: config
  configMap:
    name: {{ include "podjoule.fullname" . }}
- name: access
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: {{ .Values.serviceAccount.tokenExpirationSeconds | int64 }}
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
{{- if .Values.queue.enabled }}
- name: queue
  {{- if eq .Values.queue.type "hostPath" }}
  hostPath:
    path: {{ .Values.queue.hostPath }}
    # What the kubelet makes is root's. An agent that is not root needs a folder that
    # was made for it, and its pod says so where there is none.
    type: {{ ternary "DirectoryOrCreate" "Directory" (has .Values.energy.access (list "root" "perf")) }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.queue.size }}
  {{- end }}
{{- end }}
{{- if .Values.web.secret }}
- name: web
  secret:
    secretName: {{ .Values.web.secret }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
