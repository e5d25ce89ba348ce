{{/*
The configuration as TOML. Helm's own toToml makes floats of whole numbers, which the
agent refuses; as JSON has them, they are whole, and JSON's other values are TOML's too.
*/}}
{{- define "podjoule.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . -}}{{ . }}{{- else -}}{{ include "podjoule.toml.text" . }}{{- end -}}
{{- end -}}

{{/* The one character that JSON takes as it is, and TOML does not. */}}
{{- define "podjoule.toml.text" -}}
{{- toRawJson . | replace "\u007f" "\\u007f" -}}
{{- end -}}

{{- define "podjoule.toml.value" -}}
{{- $parts := list -}}
{{- if kindIs "map" . -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $parts = append $parts (printf "%s = %s" (include "podjoule.toml.key" $key) (include "podjoule.toml.value" $value)) -}}
{{- end -}}
{{- end -}}
{{- printf "{ %s }" (join ", " $parts) -}}
{{- else if kindIs "slice" . -}}
{{- range . -}}
{{- $parts = append $parts (include "podjoule.toml.value" .) -}}
{{- end -}}
{{- printf "[%s]" (join ", " $parts) -}}
{{- else -}}
{{- include "podjoule.toml.text" . -}}
{{- end -}}
{{- end -}}

{{- define "podjoule.toml.table" -}}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}
{{ include "podjoule.toml.key" $key }} = {{ include "podjoule.toml.value" $value }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "podjoule.toml" -}}
[agent]
{{- include "podjoule.toml.table" .agent }}
{{- range $name, $table := .plugins }}
{{- if not (kindIs "invalid" $table) }}

[plugins.{{ include "podjoule.toml.key" $name }}]
{{- include "podjoule.toml.table" $table }}
{{- end }}
{{- end }}
{{ end -}}
