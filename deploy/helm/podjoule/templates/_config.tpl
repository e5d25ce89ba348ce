{{/*
The configuration as YAML: that of the values, with what the pod around it decides.
*/}}
{{- define "podjoule.config" -}}
{{- $agent := deepCopy (.Values.config.agent | default dict) -}}
{{- $plugins := deepCopy (.Values.config.plugins | default dict) -}}
{{- $_ := set $agent "sysfs_root" "/host/sys" -}}
{{- if .Values.web.secret -}}
{{- $_ := set $agent "web_config_file" (printf "/etc/podjoule-web/%s" .Values.web.key) -}}
{{- end -}}
{{- if hasKey $plugins "k8s" -}}
{{- $k8s := $plugins.k8s | default dict -}}
{{- $usual := dict "token_retrieval" "file" -}}
{{- if or (hasKey $k8s "kubeconfig") (hasKey $k8s "basic_auth") (hasKey $k8s "authorization") (hasKey $k8s "oauth2") (hasKey $k8s "bearer_token_file") -}}
{{- $usual = dict -}}
{{- end -}}
{{- if eq .Values.discovery "kubelet" -}}
{{- $_ := set $usual "kubelet_url" "https://${NODE_IP}:10250" -}}
{{- else if not (hasKey $k8s "kubeconfig") -}}
{{- $_ := set $usual "k8s_api_url" "https://kubernetes.default.svc:443" -}}
{{- end -}}
{{- $k8s = mergeOverwrite $usual $k8s -}}
{{- $_ := set $k8s "k8s_node" "${NODE_NAME}" -}}
{{- if ne .Values.discovery "watch" -}}
{{- $_ := set $k8s "pod_discovery" .Values.discovery -}}
{{- end -}}
{{- $_ := set $plugins "k8s" $k8s -}}
{{- end -}}
{{- if ne .Values.energy.access "none" -}}
{{- $usual := dict "source" (ternary "auto" "powercap" (eq .Values.energy.access "perf")) -}}
{{- /* The same interval as that of the pods: their windows are then the same. */ -}}
{{- with dig "k8s" "poll_interval" "" $plugins -}}
{{- $_ := set $usual "poll_interval" . -}}
{{- end -}}
{{- $_ := set $plugins "rapl" (mergeOverwrite $usual ($plugins.rapl | default dict)) -}}
{{- $_ := set $plugins "attribution" ($plugins.attribution | default dict) -}}
{{- end -}}
{{- if .Values.queue.enabled -}}
{{- range $output := list "otlp" "remotewrite" -}}
{{- if hasKey $plugins $output -}}
{{- $usual := dict "queue_dir" (printf "/var/lib/podjoule/%s" $output) -}}
{{- $_ := set $plugins $output (mergeOverwrite $usual (get $plugins $output | default dict)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "agent" $agent "plugins" $plugins | toJson -}}
{{- end -}}

{{- define "podjoule.config.toml" -}}
{{- include "podjoule.toml" (include "podjoule.config" . | fromJson) -}}
{{- end -}}
