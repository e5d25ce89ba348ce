{{/*
What a schema cannot tell: values that are right each by itself, and wrong together.
*/}}
{{- define "podjoule.checks" -}}
{{- $agent := .Values.config.agent | default dict -}}
{{- $plugins := .Values.config.plugins | default dict -}}
{{- $k8s := $plugins.k8s | default dict -}}
{{- if hasKey $agent "sysfs_root" -}}
{{- fail "config.agent.sysfs_root: leave it out, the chart mounts the node's /sys and sets it" -}}
{{- end -}}
{{- if hasKey $agent "listen" -}}
{{- fail "config.agent.listen: leave it out, the probes and the port of the pod are those of :9464" -}}
{{- end -}}
{{- if hasKey $agent "web_config_file" -}}
{{- fail "config.agent.web_config_file: leave it out and set web.secret, whose file the chart mounts" -}}
{{- end -}}
{{- if hasKey $k8s "k8s_node" -}}
{{- fail "config.plugins.k8s.k8s_node: leave it out, each pod knows its own node" -}}
{{- end -}}
{{- if hasKey $k8s "pod_discovery" -}}
{{- fail "config.plugins.k8s.pod_discovery: leave it out and set discovery, which sets the rights too" -}}
{{- end -}}
{{- if and (eq .Values.discovery "kubelet") (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "discovery: kubelet needs Kubernetes 1.33, as before its right is nodes/proxy, by which commands run in every pod; this is %s: set discovery to watch or poll" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and .Values.queue.enabled (not (or (hasKey $plugins "otlp") (hasKey $plugins "remotewrite"))) -}}
{{- fail "queue.enabled: no output has a queue: add config.plugins.otlp or config.plugins.remotewrite, or set it to false" -}}
{{- end -}}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}
{{- fail "podMonitor.enabled and serviceMonitor.enabled: set one of both, with both each agent is scraped twice" -}}
{{- end -}}
{{- if and (or .Values.podMonitor.enabled .Values.serviceMonitor.enabled) (not (hasKey $plugins "prometheus")) -}}
{{- fail "podMonitor.enabled, serviceMonitor.enabled: there is nothing to scrape: add config.plugins.prometheus, or set them to false" -}}
{{- end -}}
{{- if and (not .Values.web.secret) (or (ne .Values.web.scheme "http") (ne .Values.web.probes "http")) -}}
{{- fail "web.scheme, web.probes: without web.secret the pages are plain HTTP for whoever can reach them: set web.secret, or leave both http" -}}
{{- end -}}
{{- range $key := list "app.kubernetes.io/name" "app.kubernetes.io/instance" -}}
{{- if hasKey $.Values.podLabels $key -}}
{{- fail (printf "podLabels: leave %s out, it is how the DaemonSet knows its pods" $key) -}}
{{- end -}}
{{- end -}}
{{- if hasKey .Values.podAnnotations "checksum/config" -}}
{{- fail "podAnnotations: leave checksum/config out, it is how a changed configuration starts the agents anew" -}}
{{- end -}}
{{- if and .Values.rbac.create (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.name: with serviceAccount.create=false name the account that gets the rights, or every pod of the namespace has them; or set rbac.create to false" -}}
{{- end -}}
{{- end -}}
