//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The token that the kubelet keeps in a pod's volume, behind its links.
func projectedFile(t *testing.T, known string) {
	file := stateFile(t, "kubelet", "pods", known, "volumes", "kubernetes.io~projected", "own", "token")
	eventually(t, "the kubelet has written the pod's token", func() bool {
		_, err := os.Stat(file)
		return err == nil
	})
	a := start(t, fileAccess(t, file, stateFile(t, "pki", "ca.crt")))
	a.names(t, known, "known")
	a.close(t, text(t, file))
}

// asking has the agent ask for each name: a watch that runs is not asked for its
// token again.
const asking = "pod_discovery = \"poll\"\n"

// The file is replaced as the kubelet does, and the old token ends: the agent goes
// on without a word.
func rotatedFile(t *testing.T, known string) {
	old := kubectl(t, "create", "token", "reader", "-n", place, "--bound-object-kind", "Secret", "--bound-object-name", "bond")
	folder := t.TempDir()
	project(t, folder, old)
	a := start(t, asking+fileAccess(t, filepath.Join(folder, "token"), stateFile(t, "pki", "ca.crt")))
	a.names(t, known, "known")

	fresh := kubectl(t, "create", "token", "reader", "-n", place)
	project(t, folder, fresh)
	kubectl(t, "delete", "secret", "bond", "-n", place)
	refused(t, old)
	a.names(t, another(t, "after-rotation"), "after-rotation")
	a.close(t, old, fresh)
	if strings.Contains(a.said(t), "401") {
		t.Errorf("the log complains of a token that was replaced in time")
	}
}

// project puts a token into a folder as the kubelet does: as a link to a file in a
// folder whose own link is swapped.
func project(t *testing.T, folder, token string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	data, temporary := filepath.Join(folder, "..data"), filepath.Join(folder, "..data_tmp")
	before, err := os.Readlink(data)
	first := os.IsNotExist(err)
	now, err := os.MkdirTemp(folder, time.Now().Format("..2006_01_02_15_04_05."))
	must(err)
	write(t, filepath.Join(now, "token"), token)
	must(os.Symlink(filepath.Base(now), temporary))
	must(os.Rename(temporary, data))
	if first {
		must(os.Symlink(filepath.Join("..data", "token"), filepath.Join(folder, "token")))
		return
	}
	must(os.RemoveAll(filepath.Join(folder, before)))
}

// A token ends by its own time. What the agent has named keeps its name, what is
// new is measured without one, until there is a good token.
func expiredToken(t *testing.T, known string) {
	token := sign(t, "reader", 20*time.Second)
	file := tokenFile(t, token)
	a := start(t, asking+fileAccess(t, file, stateFile(t, "pki", "ca.crt")))
	a.names(t, known, "known")

	refused(t, token)
	late := another(t, "after-expiry")
	a.names(t, late, "")
	a.says(t, "401", apiServer, "check token_retrieval")

	fresh := kubectl(t, "create", "token", "reader", "-n", place)
	write(t, file, fresh)
	a.names(t, late, "after-expiry")
	a.says(t, "works again")
	a.close(t, token, fresh)
}

// An account that is made anew has other tokens: the agent asks kubectl for one by
// itself. While there is no account it says so.
func remadeAccount(t *testing.T, known string) {
	a := start(t, asking+kubectlAccess(t, "remade"))
	a.names(t, known, "known")

	// The agent's own token is out of sight. Another one, which the API server
	// sees later and forgets later, shows when that one has ended.
	token := kubectl(t, "create", "token", "remade", "-n", place)
	if got := answer(t, client(t), token); got != 200 {
		t.Fatalf("the API server answers %d to a new token, want 200", got)
	}
	kubectl(t, "delete", "serviceaccount", "remade", "-n", place)
	refused(t, token)
	late := another(t, "after-removal")
	a.names(t, late, "")
	a.says(t, "401", "kubectl create token remade -n "+place, `serviceaccounts "remade" not found`)

	kubectl(t, "create", "serviceaccount", "remade", "-n", place)
	a.names(t, late, "after-removal")
	a.says(t, "works again")
	a.close(t, token)
}

// The log names who may not do what, and the right that is missing. Once it is
// granted, the pods get their names.
func rightGranted(t *testing.T, known string) {
	token := kubectl(t, "create", "token", "newcomer", "-n", place)
	a := start(t, fileAccess(t, tokenFile(t, token), stateFile(t, "pki", "ca.crt")))
	a.names(t, known, "")
	a.says(t, "403", `User "system:serviceaccount:`+place+`:newcomer" cannot list resource "pods" in API group "" at the cluster scope`,
		"the service account needs the verbs list and watch on the resource pods, for all namespaces")

	kubectl(t, "set", "subject", "clusterrolebinding", place, "--serviceaccount="+place+":newcomer")
	a.names(t, known, "known")
	a.says(t, "works again")
	a.close(t, token)
}

// another makes a pod that does nothing, and returns its UID.
func another(t *testing.T, name string) string {
	t.Helper()
	return kubectl(t, "run", name, "-n", place, "--image=localhost/workload:e2e", "--image-pull-policy=Never", "--restart=Never",
		`--overrides={"spec": {"serviceAccountName": "reader", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 1}}`,
		"-o", "jsonpath={.metadata.uid}", "--", "pause")
}
