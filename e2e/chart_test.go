//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The Helm chart, as deploy/helm/render makes its objects. The API server takes all that
// any combination of the schema's examples makes, and what the chart makes by itself is an
// agent on this node that measures every pod.
func TestChart(t *testing.T) {
	onThisMachine(t, "kube-apiserver")
	t.Parallel()
	const namespace = "podjoule-chart"
	kubectl(t, "create", "namespace", namespace)
	t.Cleanup(func() { kubectl(t, "delete", "namespace", namespace) })
	kubectl(t, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=privileged")

	t.Run("every combination", func(t *testing.T) {
		operatorKinds(t)
		var all []string
		for _, manifest := range separator.Split(chart(t, namespace, "-combinations", values(t, `
config: {plugins: {otlp: {endpoint: "http://collector:4317"}}}
web: {secret: podjoule-web}
`)), -1) {
			if manifest != "" {
				all = append(all, manifest)
			}
		}
		file := filepath.Join(t.TempDir(), "objects.yaml")
		write(t, file, strings.Join(all, "---\n"))
		told := kubectl(t, "apply", "--server-side", "--dry-run=server", "-f", file)
		taken := regexp.MustCompile(`(?m)serverside-applied \(server dry run\)$`).FindAllString(told, -1)
		if len(taken) != len(all) || len(all) < 50 {
			t.Errorf("of %d objects %d were taken:\n%s", len(all), len(taken), told)
		}
		t.Logf("%d objects", len(all))
	})

	file := filepath.Join(t.TempDir(), "release.yaml")
	// What a cluster's DNS would answer, as there is none here.
	write(t, file, chart(t, namespace, values(t, fmt.Sprintf(`
hostAliases: [{ip: %s, hostnames: [kubernetes.default.svc]}]
config: {plugins: {k8s: {poll_interval: 1s}}}
`, service))))
	t.Cleanup(func() { kubectl(t, "delete", "--ignore-not-found", "--timeout=120s", "-f", file) })
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("kubectl", "get", "events", "-n", namespace).CombinedOutput()
			t.Logf("events of the agent's pods:\n%s", out)
		}
	})
	kubectl(t, "apply", "-f", file)
	var found []pod
	seldom(t, "the chart's pod on this node is ready", func() bool {
		found = podsAt(t, "namespaces/"+namespace+"/pods?fieldSelector=spec.nodeName="+nodeName)
		return len(found) == 1 && found[0].ready()
	})
	self := found[0]
	checkConfined(t, self, "base")
	address := "http://" + self.Status.PodIP + ":9464"
	checkNames(t, address, self)
	if ready := get(t, address+"/readyz"); !strings.Contains(ready, `"status": "ok"`) {
		t.Errorf("not all is well with its plugins: %s", ready)
	}
}

// chart renders the chart with the values in files, as the release "chart".
func chart(t *testing.T, namespace string, args ...string) string {
	t.Helper()
	all := append([]string{"-chart", "../deploy/helm/podjoule", "-name", "chart", "-namespace", namespace}, args...)
	out, err := exec.Command(stateFile(t, "render"), all...).Output()
	if err != nil {
		t.Fatalf("render the chart: %v: %s", err, stderrOf(err))
	}
	return string(out)
}

// stderrOf is what a program said that failed.
func stderrOf(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}

// values is a file with values for the chart.
func values(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	write(t, file, text)
	return file
}
