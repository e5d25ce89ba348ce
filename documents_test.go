package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent"
)

// runBy says, for each block of the documents that somebody may type or copy, which test
// runs it as it stands there, but for names and places. A configuration needs no line:
// all are loaded by TestDocumentsConfigurations. Neither need what a program prints, what
// the agent says (TestTroubleshooting) and queries (TestMigrateNames, and the tests on a real
// Prometheus).
func runBy() map[string]string {
	const (
		walkthrough = "`main.TestMinikubeDocument` and `e2e.TestReferenceWalkthrough`"
		install     = "`deploy/packages.TestInstallDocument`"
	)
	return map[string]string{
		"README.md: go run . demo":               ".ci/run",
		"README.md: kubectl proxy --port=8080 &": "`main.TestReadmeMinikube`",
		"README.md: make image                         # dist/podjoule-image.tar, without Docker: bring it to your nodes or their registry": "`e2e.TestDaemonSet`",
		// The dashboard, the rules and what has them applied are checked.
		"README.md: kubectl apply -k deploy/prometheus    # Prometheus scrapes them; recording rules and alerts": "`deploy/prometheus.TestScrapes`, `deploy/grafana.TestFolder`, `e2e/receivers.TestDashboard`",
		"README.md: $ podjoule power": "`main.TestReadmePower` and `main.TestPowerOfMachines`",

		"docs/security.md: tls_server_config:": "`main.TestSecurityWebConfiguration`",

		"docs/install.md: sha256sum --check --ignore-missing podjoule_*_checksums.txt":                                                install,
		"docs/install.md: git clone https://github.com/podjoule/podjoule":                                                             install,
		"docs/install.md: tar -xzf podjoule_*_linux_amd64.tar.gz":                                                                     install,
		"docs/install.md: sudo apt install ./podjoule_*_amd64.deb":                                                                    install + ", `e2e.TestInstall`",
		"docs/install.md: sudo dnf install ./podjoule-*.x86_64.rpm":                                                                   install,
		"docs/install.md: sudo sed -i 's/^#k8s_node = \"minikube\"/k8s_node = \"minikube\"/' /etc/podjoule/config.toml":               install,
		"docs/install.md: kubectl create serviceaccount podjoule -n kube-system":                                                      install + ", `e2e.TestBareNode`",
		"docs/install.md: until kubectl get secret podjoule -n kube-system -o jsonpath='{.data.token}' | grep -q .; do sleep 1; done": install + ", `e2e.TestBareNode`",
		"docs/install.md: sudo install -m 0600 kubeconfig /etc/podjoule/kubeconfig":                                                   install + ", `e2e.TestInstall`",
		"docs/install.md: podjoule power":                                                                                             install,
		"docs/install.md: systemctl is-active podjoule":                                                                               install + ", `e2e.TestInstall`",
		"docs/install.md: sudo CREDENTIALS_DIRECTORY=/etc/podjoule podjoule config check --config /etc/podjoule/config.toml":          install,
		"docs/install.md: sudo apt remove podjoule":                                                                                   install + ", `e2e.TestInstall`",
		"docs/install.md: sudo apt purge podjoule":                                                                                    install + ", `e2e.TestInstall`",
		"docs/install.md: sudo dnf remove podjoule":                                                                                   install,
		"docs/install.md: kubectl apply -k deploy/kubernetes":                                                                         install + ", `e2e.TestDaemonSet`",
		"docs/install.md: kubectl create namespace podjoule":                                                                          install + ", `e2e.TestChart`",

		"docs/minikube.md: kubectl create ns alumet":                                                         walkthrough,
		"docs/minikube.md: kubectl proxy --port=8080 &":                                                      walkthrough,
		"docs/minikube.md: cat > config.toml <<'END'":                                                        walkthrough,
		"docs/minikube.md: podjoule run > numbers.csv &":                                                     walkthrough,
		"docs/minikube.md: curl -s localhost:9464/readyz":                                                    walkthrough,
		"docs/minikube.md: awk -F, '$2 == \"cpu_time_delta\" && $9 == \"total\" { ns[$11 \" \" $10] += $4 }": walkthrough,
		"docs/minikube.md: kill $agent":                                                                      walkthrough,
		"docs/minikube.md: kubectl create token alumet-reader -n alumet > token":                             walkthrough,
		"docs/minikube.md: kill $agent $proxy":                                                               walkthrough,
		"docs/minikube.md: kubectl delete clusterrolebinding alumet-reader":                                  walkthrough,
	}
}

// Every block of every document is run by a test, or is listed with the test that runs
// it: a block that is new, or was changed in its first line, has to be taken care of.
func TestDocumentsAreRun(t *testing.T) {
	listed := runBy()
	for _, file := range documents(t) {
		blocks, faults := blocksIn(file, readDocument(t, file))
		for _, fault := range faults {
			t.Error(fault)
		}
		for _, fault := range unlisted(blocks, listed) {
			t.Error(fault)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("no document has the block %q any more", name)
	}
	script := readDocument(t, ".ci/run")
	for name, by := range runBy() {
		if by == ".ci/run" {
			_, command, _ := strings.Cut(name, ": ")
			if !strings.Contains(script, "readme_command '"+command) {
				t.Errorf(".ci/run does not run %s", name)
			}
			continue
		}
		if !mentioned().MatchString(by) {
			t.Errorf("%s is run by %q, which names no test", name, by)
		}
		for _, fault := range faultsOfMentions(t, os.DirFS("."), by) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// unlisted returns what is wrong with the blocks of a document, and takes those that are
// right from the list.
func unlisted(blocks []block, listed map[string]string) (faults []string) {
	seen := make(map[string]bool)
	for _, b := range blocks {
		_, found := listed[b.name()]
		typed := regexp.MustCompile(`(?m)^\$ `).MatchString(b.text)
		switch {
		case seen[b.name()]:
			faults = append(faults, fmt.Sprintf("%s:%d: another block begins with the same line", b.file, b.line))
		case found:
			delete(listed, b.name())
			seen[b.name()] = true
		case b.language == "toml", b.language == "" && !typed:
		case b.language == "text" && b.file == troubleshooting, b.language == "promql" && b.file == migrate:
		default:
			faults = append(faults, fmt.Sprintf("%s:%d: no test runs this: run it in one, and name the test in runBy", b.file, b.line))
		}
	}
	return faults
}

// TestUnlistedFindsFaults shows the checker documents that are right and wrong.
func TestUnlistedFindsFaults(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"a listed command", "```sh\nls\n```\n", nil},
		{"an unknown command", "# A\n\n```sh\nrm\n```\n", []string{"d.md:3: no test runs this: run it in one, and name the test in runBy"}},
		{"a command among what is shown", "```\n$ rm\n```\n", []string{"d.md:1: no test runs this: run it in one, and name the test in runBy"}},
		{"a configuration and what is shown", "```toml\na = 1\n```\n\n```\nshown\n```\n", nil},
		{"twice", "```sh\nls\n```\n```sh\nls\n```\n", []string{"d.md:4: another block begins with the same line"}},
		{"another file", "```yaml\na: 1\n```\n", []string{"d.md:1: no test runs this: run it in one, and name the test in runBy"}},
		{"indented", "- a\n\n  ```sh\n", []string{"d.md:3: write what is typed or shown between fences at the beginning of lines"}},
		{"without fences", "A:\n\n    rm\n", []string{"d.md:3: write what is typed or shown between fences at the beginning of lines"}},
		{"not closed", "```sh\nls\n", []string{"d.md:1: the fence is not closed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			blocks, faults := blocksIn("d.md", tt.text)
			faults = append(faults, unlisted(blocks, map[string]string{"d.md: ls": "a test"})...)
			if diff := cmp.Diff(tt.want, faults); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// Every configuration in the documents is one that podjoule config check takes.
func TestDocumentsConfigurations(t *testing.T) {
	all := 0
	for _, file := range documents(t) {
		for _, b := range blocksOf(t, file, "toml") {
			all++
			text := b.text
			if !regexp.MustCompile(`(?m)^\[plugins\.(k8s|rapl|hwmon|estimate)\]`).MatchString(text) {
				text += "[plugins.k8s]\n" // it shows a part that needs something that measures
			}
			_, err := agent.Load(fmt.Sprintf("%s, line %d", file, b.line), []byte(text), agent.LoadOptions{
				Plugins: builtin(), DefaultOutput: defaultOutput,
				LookupEnv: func(name string) (string, bool) { return "node-1", name == "NODE_NAME" },
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	if all < 9 {
		t.Errorf("the documents have %d configurations: are they marked as toml?", all)
	}
}

// Links of documents lead somewhere: to files, and to headings where they name one.
func TestDocumentsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, file := range append(documents(t), "CONTRIBUTING.md", "CHANGELOG.md", "deploy/kubernetes/README.md", "deploy/grafana/README.md", "deploy/prometheus/README.md",
		"deploy/systemd/README.md", "deploy/README.md", "deploy/packages/README.md") {
		text := withoutBlocks(readDocument(t, file))
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := file
			if target != "" {
				to = filepath.Join(filepath.Dir(file), target)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: the link %s leads nowhere", file, found[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(readDocument(t, to)), anchor) {
				t.Errorf("%s: %s has no heading #%s", file, to, anchor)
			}
		}
	}
}

// Rows of tables have as many cells as the first row of the table: a cell too much is shown nowhere.
func TestDocumentsTables(t *testing.T) {
	for _, file := range append(documents(t), "CONTRIBUTING.md") {
		text := regexp.MustCompile("`[^`\n]*`").ReplaceAllString(withoutBlocks(readDocument(t, file)), "")
		above := 0
		for line := range strings.Lines(text) {
			cells := 0
			if strings.HasPrefix(line, "|") {
				cells = strings.Count(line, "|") - strings.Count(line, `\|`)
			}
			if above > 0 && cells > 0 && cells != above {
				t.Errorf("%s: a row has %d cells, the first one of its table %d: %s", file, cells-1, above-1, line)
			}
			if above == 0 || cells == 0 {
				above = cells
			}
		}
	}
}

// anchors are the names by which links find the headings of a document.
func anchors(text string) (names []string) {
	for line := range strings.Lines(withoutBlocks(text)) {
		if title := strings.TrimLeft(line, "#"); title != line {
			name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(title)), " ", "-")
			names = append(names, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(name, ""))
		}
	}
	return names
}
