package agent

import "testing"

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "x", "_b1": "y", "E": "", "R": "${A}$${"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	f := func(in, want string) {
		t.Helper()
		if got, err := expand(in, lookup); err != nil || got != want {
			t.Errorf("expand(%q): got %q, %v; want %q", in, got, err, want)
		}
	}
	f("", "")
	f("plain $A $(A) {A}", "plain $A $(A) {A}")
	f("${A}", "x")
	f("<${A}${_b1}>", "<xy>")
	f("${E}", "")
	f("$${A}", "${A}")
	f("$$${A}", "$${A}")
	f("$${", "${")
	f("$$", "$$")
	f("${R}", "${A}$${")
	bad := func(in, want string) {
		t.Helper()
		if got, err := expand(in, lookup); err == nil || err.Error() != want {
			t.Errorf("expand(%q): got %q, %v; want error %q", in, got, err, want)
		}
	}
	const name = `want the name of an environment variable between "${" and "}": write "$${" where "${" itself is meant`
	const open = `"${" without "}": write "$${" where "${" itself is meant`
	bad("${NO}", "the environment variable NO is not set")
	bad("${}", name)
	bad("${1A}", name)
	bad("${A-x}", name)
	bad("${ A}", name)
	bad("${${A}}", name)
	bad("${A", open)
	bad("${A} ${", open)
}

func TestSuggest(t *testing.T) {
	known := []string{"csv", "k8s", "otlp", "poll_interval", "prometheus", "rapl"}
	f := func(name, want string) {
		t.Helper()
		if got := suggest(name, known); got != want {
			t.Errorf("suggest(%q): got %q, want %q", name, got, want)
		}
	}
	f("cvs", `; did you mean "csv"?`)
	f("k9s", `; did you mean "k8s"?`)
	f("K8S", `; did you mean "k8s"?`)
	f("kubernetes", `; known are csv, k8s, otlp, poll_interval, prometheus, rapl`)
	f("promtheus", `; did you mean "prometheus"?`)
	f("interval", `; did you mean "poll_interval"?`)
	f("pollinterval", `; did you mean "poll_interval"?`)
	f("", `; known are csv, k8s, otlp, poll_interval, prometheus, rapl`)
	known = nil
	f("x", "")
}

func TestEditDistance(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got := editDistance(a, b); got != want {
			t.Errorf("%q to %q: got %d, want %d", a, b, got, want)
		}
		if got := editDistance(b, a); got != want {
			t.Errorf("%q to %q: got %d, want %d", b, a, got, want)
		}
	}
	f("", "", 0)
	f("", "abc", 3)
	f("abc", "abc", 0)
	f("csv", "cvs", 1)
	f("kitten", "sitting", 3)
	f("pth", "path", 1)
}
