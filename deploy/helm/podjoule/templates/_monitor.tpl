{{/* What the Prometheus operator asks of an agent, beside what the values add. */}}
{{- define "podjoule.endpoint" -}}
{{- $root := first . -}}
{{- /* namespace and container are those of the pod that was measured, and not of the agent. */ -}}
{{- $endpoint := dict "port" "metrics" "honorLabels" true -}}
{{- with dig "prometheus" "path" "" ($root.Values.config.plugins | default dict) -}}
{{- $_ := set $endpoint "path" . -}}
{{- end -}}
{{- if eq $root.Values.web.scheme "https" -}}
{{- $_ := set $endpoint "scheme" "https" -}}
{{- end -}}
{{- toYaml (mergeOverwrite $endpoint (deepCopy (last .))) -}}
{{- end -}}
