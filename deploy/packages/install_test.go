package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const document = "../../docs/install.md"

// standIns stand for what this machine has not, or must not be asked: they note how they were
// called. What works on files does so, below $root. Packages are installed by dpkg itself.
const standIns = `
sudo() {
	while [[ ${1:-} == *=* ]]; do
		export "$1"
		shift
	done
	"$@"
}
install() {
	local built=()
	for argument; do
		if [[ $argument == bin/podjoule ]]; then argument=$program; fi
		built+=("$argument")
	done
	command install "${built[@]}"
}
noted() { echo "$*" >>"$noted"; }
systemctl() { noted systemctl "$@"; }
journalctl() { noted journalctl "$@"; }
curl() { noted curl "$@"; echo podjoule_cpu_time_seconds_total; }
helm() { noted helm "$@"; test -z "${3:-}" || test "$1" != install || test -e "$top/$3/Chart.yaml"; }
git() { noted git "$@"; ln -s "$top" podjoule; }
make() {
	noted make "$@"
	command make -n "$@" >/dev/null
}
dpkg() { command dpkg --root="$root" --force-script-chrootless --log=/dev/null "$@"; }
apt() {
	local task=$1
	shift
	dpkg --"$task" "$@"
}
dnf() {
	noted dnf "$1" "${2##*/}"
	test "$1" != install || test -e "$2"
}
kubectl() {
	noted kubectl "$@"
	case "$*" in
	"apply -f -") cat >secret.yaml ;;
	"apply -k "*) test -e "$top/$3/kustomization.yaml" ;;
	*cluster.server*) printf https://192.0.2.1:6443 ;;
	*ca\\.crt*) base64 -w 0 "$authority" ;;
	*data.token*) printf token-of-the-secret | base64 ;;
	esac
}
podjoule() { "$program" "$@"; }
`

// typist types the commands of docs/install.md.
type typist struct {
	t      *testing.T
	blocks map[string][]string // by their heading
	root   *root
	work   string
	prefix string
}

func newTypist(t *testing.T, m *made) *typist {
	t.Helper()
	r := newRoot(t)
	work := t.TempDir()
	ty := &typist{t: t, root: r, work: work, blocks: make(map[string][]string)}
	text := string(read(t, document))
	for _, part := range strings.Split("\n"+text, "\n## ")[1:] {
		title, rest, _ := strings.Cut(part, "\n")
		for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```\n").FindAllStringSubmatch(rest, -1) {
			ty.blocks[title] = append(ty.blocks[title], block[1])
		}
	}
	first := regexp.MustCompile("(?ms)^```sh\n(.*?)^```\n").FindStringSubmatch(text)
	ty.blocks[""] = []string{first[1]}
	top, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(work, "..", "authority.pem")
	write(t, authority, "no certificate\n")
	program, err := filepath.Abs(m.program())
	if err != nil {
		t.Fatal(err)
	}
	ty.prefix = fmt.Sprintf("set -euo pipefail\nshopt -s inherit_errexit\nroot=%q noted=%q program=%q top=%q authority=%q\n", r.folder, ty.noted(), program, top, authority) + standIns
	if err := os.MkdirAll(r.path("usr/local/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	return ty
}

func (ty *typist) noted() string { return filepath.Join(ty.work, "..", "noted") }

// types types the blocks below a heading in their order, and returns what was called that only
// stands here for something. Each block is typed once.
func (ty *typist) types(heading string) []string {
	ty.t.Helper()
	if len(ty.blocks[heading]) == 0 {
		ty.t.Fatalf("%s has no commands below %q", document, heading)
	}
	write(ty.t, ty.noted(), "")
	text := strings.Join(ty.blocks[heading], "")
	delete(ty.blocks, heading)
	text = regexp.MustCompile(`([ =])(/(?:etc|usr|var)/)`).ReplaceAllString(text, "$1"+ty.root.folder+"$2")
	cmd := exec.CommandContext(ty.t.Context(), "bash", "-c", ty.prefix+text+"wait\n")
	cmd.Dir = ty.work
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if said, err := cmd.CombinedOutput(); err != nil {
		ty.t.Fatalf("%s, %q: %v: %s", document, heading, err, said)
	}
	return strings.Split(strings.TrimSpace(string(read(ty.t, ty.noted()))), "\n")
}

func (ty *typist) wants(heading string, want ...string) {
	ty.t.Helper()
	if diff := cmp.Diff(want, ty.types(heading)); diff != "" {
		ty.t.Errorf("%s, %q, calls (-want +got):\n%s", document, heading, diff)
	}
}

// config asks the program what the configuration of the service is, with what systemd would hand it.
func (ty *typist) config(m *made) string {
	ty.t.Helper()
	cmd := exec.CommandContext(ty.t.Context(), m.program(), "config", "check", "--config", ty.root.path(config))
	cmd.Env = append(os.Environ(), "CREDENTIALS_DIRECTORY="+ty.root.path("etc/podjoule"))
	said, err := cmd.CombinedOutput()
	if err != nil {
		ty.t.Errorf("podjoule config check: %v: %s", err, said)
	}
	return string(said)
}

// The document's commands are typed from top to bottom, on a machine that is a folder: each of them
// works, and leaves what the next ones and the text need.
func TestInstallDocument(t *testing.T) {
	m := packed(t)
	ty := newTypist(t, m)
	r := ty.root
	placeDownloads(t, m, ty.work)

	ty.wants("", "")
	ty.wants("From source", "git clone https://github.com/podjoule/podjoule", "make build")
	checkProgram(t, m, r.path("usr/local/bin/podjoule"))
	if err := os.Remove(r.path("usr/local/bin/podjoule")); err != nil {
		t.Fatal(err)
	}
	ty.wants("An archive", "")
	checkProgram(t, m, r.path("usr/local/bin/podjoule"))

	ty.wants("Debian and Ubuntu", "systemctl status podjoule", "curl -s --retry 9 --retry-connrefused 127.0.0.1:9464/readyz")
	checkProgram(t, m, r.path("usr/bin/podjoule"))
	checkPlaces(t, r)
	ty.wants("Fedora, RHEL and openSUSE", "dnf install podjoule-1.2.4.x86_64.rpm", "systemctl enable --now podjoule", "curl -s --retry 9 --retry-connrefused 127.0.0.1:9464/readyz")

	calls := ty.types("A laptop beside minikube")
	slices.Sort(calls) // one of them is not waited for
	if diff := cmp.Diff([]string{"curl -s 127.0.0.1:9464/metrics", "kubectl proxy --port=8080", "systemctl reload podjoule"}, calls); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if text := string(read(t, r.path(config))); !strings.Contains(text, "\nk8s_node = \"minikube\"\n") {
		t.Error("the name of the node is not turned on")
	}

	calls = ty.types("A bare node")
	if last := calls[len(calls)-2:]; !slices.Equal(last, []string{"systemctl daemon-reload", "systemctl restart podjoule"}) {
		t.Errorf("the last calls are %q", last)
	}
	if !slices.Contains(calls, "kubectl create clusterrole podjoule-node --verb=list,watch --resource=pods") {
		t.Errorf("the account may do something else: %q", calls)
	}
	if info, err := os.Stat(r.path("etc/podjoule/kubeconfig")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig: %v, %v, want mode 0600", info, err)
	}
	const unit = "etc/systemd/system/podjoule.service.d"
	if text := string(read(t, r.path(unit+"/kubeconfig.conf"))); text != "[Service]\nLoadCredential=kubeconfig:/etc/podjoule/kubeconfig\n" {
		t.Errorf("the drop-in is %q", text)
	}
	for name, mode := range map[string]os.FileMode{unit: 0o755, unit + "/kubeconfig.conf": 0o644, config: 0o644} {
		if info, err := os.Stat(r.path(name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %o", name, info, err, mode)
		}
	}
	if text := string(read(t, r.path("etc/podjoule/kubeconfig"))); !strings.Contains(text, `token: "token-of-the-secret"`) || !strings.Contains(text, `"https://192.0.2.1:6443"`) {
		t.Errorf("the kubeconfig is %s", text)
	}
	if text := string(read(t, r.path(config))); !strings.Contains(text, "\nkubeconfig = \"${CREDENTIALS_DIRECTORY}/kubeconfig\"\n") || strings.Contains(text, "\nk8s_api_url = ") {
		t.Errorf("the kubeconfig is not what the service takes: %s", text)
	}
	if got := ty.config(m); got != "source     k8s, every 5s\noutput     prometheus\n" {
		t.Errorf("with a kubeconfig it runs %s", got)
	}

	ty.wants("Energy", "systemctl daemon-reload", "systemctl restart podjoule")
	if !bytes.Equal(read(t, r.path(unit+"/energy.conf")), read(t, "../systemd/energy-group.conf")) {
		t.Error("the drop-in for energy is another one")
	}
	if got := ty.config(m); got != "source     k8s, every 5s\nsource     rapl, every 5s\ntransform  attribution\noutput     prometheus\n" {
		t.Errorf("with energy it runs %s", got)
	}
	ty.wants("Is all well?", "systemctl is-active podjoule", "curl -s 127.0.0.1:9464/healthz", "journalctl --unit podjoule --lines 20")
	ty.wants("Upgrade", "")
	ty.wants("Remove", "dnf remove podjoule")
	if left := r.left(); !slices.Equal(left, []string{"/usr/local/bin/podjoule"}) {
		t.Errorf("after all there is %q", left)
	}
	ty.wants("Every node of a cluster", "kubectl apply -k deploy/kubernetes", "kubectl -n podjoule rollout status daemonset/podjoule",
		"kubectl create namespace podjoule", "helm install podjoule deploy/helm/podjoule --namespace podjoule")
	for heading := range ty.blocks {
		t.Errorf("nobody types what is below %q", heading)
	}
}

// placeDownloads puts into a folder what a release has, with the program of the tests in it.
func placeDownloads(t *testing.T, m *made, folder string) {
	t.Helper()
	var archive bytes.Buffer
	z, err := gzip.NewWriterLevel(&archive, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	program := read(t, m.program())
	if err := w.WriteHeader(&tar.Header{Name: "podjoule_1.2.4_linux_amd64/podjoule", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"podjoule_1.2.4_linux_amd64.tar.gz": archive.Bytes(), "podjoule_1.2.4-1_amd64.deb": read(t, m.deb), "podjoule-1.2.4.x86_64.rpm": read(t, m.rpm),
	}
	var sums strings.Builder
	for name, content := range files {
		write(t, filepath.Join(folder, name), string(content))
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), name)
	}
	fmt.Fprintf(&sums, "%064d  podjoule_1.2.4_linux_arm64.tar.gz\n", 0) // that nobody has loaded
	write(t, filepath.Join(folder, "podjoule_1.2.4_checksums.txt"), sums.String())
}

func checkProgram(t *testing.T, m *made, file string) {
	t.Helper()
	if !bytes.Equal(read(t, file), read(t, m.program())) {
		t.Errorf("%s is not the program", file)
	}
}

// checkPlaces looks for each file that the table of places names.
func checkPlaces(t *testing.T, r *root) {
	t.Helper()
	rows := 0
	for _, row := range regexp.MustCompile("(?m)^\\| (`/.*?) \\|").FindAllStringSubmatch(string(read(t, document)), -1) {
		for _, place := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			rows++
			if !r.has(place[1]) {
				t.Errorf("the package has no %s", place[1])
			}
		}
	}
	if rows < 6 {
		t.Errorf("%s names %d places", document, rows)
	}
}
