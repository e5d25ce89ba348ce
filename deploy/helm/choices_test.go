package helm

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// What a value asks for is what the pod gets.
func TestChoices(t *testing.T) {
	byNode := []any{map[string]any{"sourceLabels": []any{"__meta_kubernetes_pod_node_name"}, "targetLabel": "instance"}}
	pod := func(o *objects) corev1.PodSpec { return o.DaemonSet.Spec.Template.Spec }
	tests := []struct {
		name, values string
		got          func(*objects) any
		want         any
	}{
		{"a tag", "image: {repository: r.example/p, tag: v1}", func(o *objects) any { return pod(o).Containers[0].Image }, "r.example/p:v1"},
		{
			"a digest is stronger", "image: {tag: v1, digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}",
			func(o *objects) any { return pod(o).Containers[0].Image },
			"podjoule@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		},
		{"a large group", "energy: {access: udev, udevGroup: 2000000}", func(o *objects) any { return pod(o).SecurityContext.SupplementalGroups }, []int64{2000000}},
		{"a token for a day", "serviceAccount: {tokenExpirationSeconds: 8640000}", func(o *objects) any {
			return *pod(o).Volumes[2].Projected.Sources[0].ServiceAccountToken.ExpirationSeconds
		}, int64(8640000)},
		{"no priority", `priorityClassName: ""`, func(o *objects) any { return pod(o).PriorityClassName }, ""},
		{"the cluster's taints", "tolerations: []", func(o *objects) any { return len(pod(o).Tolerations) }, 0},
		{"an account that is there", "serviceAccount: {create: false, name: mine}", func(o *objects) any {
			return []any{o.Account == nil, pod(o).ServiceAccountName, o.Binding.Subjects[0].Name}
		}, []any{true, "mine", "mine"}},
		{"by hand", "updateStrategy: {type: OnDelete, rollingUpdate: null}", func(o *objects) any {
			return []any{string(o.DaemonSet.Spec.UpdateStrategy.Type), o.DaemonSet.Spec.UpdateStrategy.RollingUpdate == nil}
		}, []any{"OnDelete", true}},
		{"another interval for energy too", "energy: {access: root}\nconfig: {plugins: {k8s: {poll_interval: 2s}}}", func(o *objects) any {
			return tables(t, o)["rapl"]
		}, map[string]any{"poll_interval": "2s", "source": "powercap"}},
		{"energy as the user says", "energy: {access: perf}\nconfig: {plugins: {rapl: {source: perf, poll_interval: 1s}}}", func(o *objects) any {
			return tables(t, o)["rapl"]
		}, map[string]any{"poll_interval": "1s", "source": "perf"}},
		{"a folder of the node, for nobody", "queue: {enabled: true, type: hostPath}\nconfig: {plugins: {otlp: {}}}", func(o *objects) any {
			host := pod(o).Volumes[3].HostPath
			return []any{host.Path, string(*host.Type), tables(t, o)["otlp"]}
		}, []any{"/var/lib/podjoule", "Directory", map[string]any{"queue_dir": "/var/lib/podjoule/otlp"}}},
		{"a folder of the node, for root", "energy: {access: root}\nqueue: {enabled: true, type: hostPath}\nconfig: {plugins: {remotewrite: {}}}", func(o *objects) any {
			return []any{string(*pod(o).Volumes[3].HostPath.Type), tables(t, o)["remotewrite"]}
		}, []any{"DirectoryOrCreate", map[string]any{"queue_dir": "/var/lib/podjoule/remotewrite"}}},
		{"another kubelet", "discovery: kubelet\nconfig: {plugins: {k8s: {kubelet_url: 'https://[${NODE_IP}]:10250'}}}", func(o *objects) any {
			return []any{tables(t, o)["k8s"].(map[string]any)["kubelet_url"], pod(o).Containers[0].Env[1].ValueFrom.FieldRef.FieldPath}
		}, []any{"https://[${NODE_IP}]:10250", "status.hostIP"}},
		{"credentials of another kind", "config: {plugins: {k8s: {bearer_token_file: /token}}}", func(o *objects) any {
			_, token := tables(t, o)["k8s"].(map[string]any)["token_retrieval"]
			return token
		}, false},
		{"TLS", "web: {secret: tls, key: w.yml, scheme: https}\nserviceMonitor: {enabled: true, endpoint: {interval: 5s}}", func(o *objects) any {
			agent := configOf(t, o)["agent"].(map[string]any)
			endpoint := o.ServiceMonitor["spec"].(map[string]any)["endpoints"].([]any)[0]
			probe := pod(o).Containers[0].ReadinessProbe.HTTPGet
			return []any{pod(o).Volumes[3].Secret.SecretName, agent["web_config_file"], string(probe.Scheme), endpoint}
		}, []any{"tls", "/etc/podjoule-web/w.yml", "HTTPS", map[string]any{"port": "metrics", "honorLabels": true, "relabelings": byNode, "scheme": "https", "interval": "5s"}}},
		{"passwords", "web: {secret: tls, scheme: https, probes: tcp}", func(o *objects) any {
			c := pod(o).Containers[0]
			return []any{c.LivenessProbe.HTTPGet == nil, c.LivenessProbe.TCPSocket.Port.String(), c.ReadinessProbe.TCPSocket.Port.String()}
		}, []any{true, "metrics", "metrics"}},
		{"another page", "podMonitor: {enabled: true}\nconfig: {plugins: {prometheus: {path: /m}}}", func(o *objects) any {
			return o.PodMonitor["spec"].(map[string]any)["podMetricsEndpoints"]
		}, []any{map[string]any{"port": "metrics", "honorLabels": true, "relabelings": byNode, "path": "/m"}}},
		{"a policy for the kubelet", "discovery: kubelet\nnetworkPolicy: {enabled: true}", func(o *objects) any {
			return o.Policy.Spec.Egress[0].Ports[0].Port.String()
		}, "10250"},
	}
	c := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want(t, tt.values, tt.want, tt.got(release(t, c, values(t, tt.values))))
		})
	}
}

// tables are those of the plugins in the configuration.
func tables(t *testing.T, o *objects) map[string]any {
	t.Helper()
	return configOf(t, o)["plugins"].(map[string]any)
}
