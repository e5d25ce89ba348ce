package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// What was linked in counts more than what the Go tool noted, and a commit, its time and
// whether it was changed are of one source.
func TestBuildOf(t *testing.T) {
	const revision, when = "0123456789abcdef0123456789abcdef01234567", "2026-11-21T12:00:00Z"
	yes, no := true, false
	note := func(main string, settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: main}}
		for i := 0; i < len(settings); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return info
	}
	checkout := func(main, modified string) *debug.BuildInfo {
		return note(main, "vcs.revision", revision, "vcs.time", when, "vcs.modified", modified)
	}
	for _, tt := range []struct {
		name   string
		linked build
		note   *debug.BuildInfo
		want   build
	}{
		{"nothing is known", build{}, nil, build{Version: "unknown"}},
		{"no checkout", build{}, note("(devel)"), build{Version: "devel"}},
		{"a module", build{}, note("v1.2.3"), build{Version: "v1.2.3"}},
		{"a checkout", build{}, checkout("(devel)", "false"), build{Version: "devel-0123456789ab", Commit: revision, Date: when, Modified: &no}},
		{"a changed checkout", build{}, checkout("v0.0.1-2026+dirty", "true"), build{Version: "v0.0.1-2026+dirty", Commit: revision, Date: when, Modified: &yes}},
		{"a short revision", build{}, note("", "vcs.revision", "0123"), build{Version: "devel", Commit: "0123", Modified: &no}},
		{"a version over a checkout", build{Version: "v2.0.0"}, checkout("(devel)", "false"), build{Version: "v2.0.0", Commit: revision, Date: when, Modified: &no}},
		{"a release", build{Version: "v2.0.0", Commit: "abcd", Date: "2026-01-01T00:00:00Z"}, checkout("v1.0.0", "true"),
			build{Version: "v2.0.0", Commit: "abcd", Date: "2026-01-01T00:00:00Z", Modified: &no}},
		{"a changed release", build{Version: "v2.0.0-1-gabcd-dirty", Commit: "abcd"}, nil, build{Version: "v2.0.0-1-gabcd-dirty", Commit: "abcd", Modified: &yes}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.GoVersion, tt.want.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
			if diff := cmp.Diff(tt.want, buildOf(tt.linked, tt.note)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestVersionOutput(t *testing.T) {
	yes := true
	const want = `podjoule v1
  commit    abcd
  date      unknown
  modified  yes
  go        go1.26
  platform  linux/arm64
`
	if diff := cmp.Diff(want, build{Version: "v1", Commit: "abcd", Modified: &yes, GoVersion: "go1.26", Platform: "linux/arm64"}.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := (build{Version: "v1"}).String(); !strings.Contains(got, "modified  unknown\n") {
		t.Errorf("of a build that tells nothing: %q", got)
	}
	text, err := json.Marshal(build{Version: "v1", GoVersion: "go1.26", Platform: "linux/arm64"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"version":"v1","goVersion":"go1.26","platform":"linux/arm64"}`, string(text)); diff != "" {
		t.Errorf("what is not known is not told: -want +got\n%s", diff)
	}
	if status, stdout, stderr := finish(t, program(t, "version", "--output", "xml")); status != exitUsage || stdout != "" || !strings.Contains(stderr, `"xml"`) {
		t.Errorf("--output xml: status %d, %q, %q", status, stdout, stderr)
	}
}

// The page tells the same build as the command, in both its forms.
func TestVersionIsThatOfThePage(t *testing.T) {
	status, stdout, stderr := finish(t, program(t, "version", "-o", "json"))
	var told build
	if err := json.Unmarshal([]byte(stdout), &told); err != nil || status != 0 || stderr != "" {
		t.Fatalf("version -o json: status %d, %q, %q, %v", status, stdout, stderr, err)
	}
	if _, stdout, _ := finish(t, program(t, "version")); stdout != told.String() {
		t.Errorf("version: %q, and in JSON %q", stdout, told)
	}
	r := startProgram(t, "run", "--config", newNode(t, "node-1", simnode.V2).config("[plugins.prometheus]\n"))
	_, page := get(t, "http://"+r.listening()+"/metrics")
	want := `podjoule_agent_build_info{go_version="` + told.GoVersion + `",version="` + told.Version + `"} 1`
	if !strings.Contains(page, want+"\n") {
		t.Errorf("the page has no line %s", want)
	}
	r.signal(syscall.SIGTERM)
	r.wait()
}
