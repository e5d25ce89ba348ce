{{/* What the Prometheus operator asks of an agent, beside what the values add. */}}
{{- define "podjoule.endpoint" -}}
{{- $root := first . -}}
{{- /* namespace and container are those of the pod that was measured, and not of the agent. */ -}}
{{- /* An agent is called by its node, also when it is replaced and has another address. */ -}}
{{- $byNode := dict "sourceLabels" (list "__meta_kubernetes_pod_node_name") "targetLabel" "instance" -}}
{{- $endpoint := dict "port" "metrics" "honorLabels" true "relabelings" (list $byNode) -}}
{{- with dig "prometheus" "path" "" ($root.Values.config.plugins | default dict) -}}
{{- $_ := set $endpoint "path" . -}}
{{- end -}}
{{- if eq $root.Values.web.scheme "https" -}}
{{- $_ := set $endpoint "scheme" "https" -}}
{{- end -}}
{{- toYaml (mergeOverwrite $endpoint (deepCopy (last .))) -}}
{{- end -}}
