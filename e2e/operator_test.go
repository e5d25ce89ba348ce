//go:build e2e

package e2e

import "testing"

// operatorKinds has the API server know the Prometheus operator's kinds, as its release
// describes them. They stay for all tests.
func operatorKinds(t *testing.T) {
	t.Helper()
	oneOperator.do(t, "the kinds of the operator", func() {
		kubectl(t, "apply", "--server-side", "-f", stateFile(t, "operator"))
		kubectl(t, "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	})
}

var oneOperator setUp

// pictures has the API server take what README.md says for rules, alerts and the dashboard.
func pictures(t *testing.T) {
	operatorKinds(t)
	for _, folder := range []string{"../deploy/prometheus", "../deploy/grafana"} {
		t.Cleanup(func() { kubectl(t, "delete", "--ignore-not-found", "-k", folder) })
		t.Logf("%s", kubectl(t, "apply", "-k", folder))
	}
}
