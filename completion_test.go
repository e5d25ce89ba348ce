package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// completed asks as a shell's script does, and returns what is offered, without what is
// said about it, and the directive.
func completed(t *testing.T, typed ...string) (offered []string, directive string) {
	t.Helper()
	status, stdout, _ := finish(t, program(t, append([]string{"__complete"}, typed...)...))
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if status != 0 || !strings.HasPrefix(lines[len(lines)-1], ":") {
		t.Fatalf("complete %q: status %d, %q", typed, status, stdout)
	}
	for _, line := range lines[:len(lines)-1] {
		name, _, _ := strings.Cut(line, "\t")
		offered = append(offered, name)
	}
	return offered, lines[len(lines)-1]
}

func TestCompletion(t *testing.T) {
	const nothingElse, filesEnding = ":4", ":8" // cobra's ShellCompDirectiveNoFileComp and …FilterFileExt
	var plugins []string
	for _, p := range builtin() {
		plugins = append(plugins, p.Name)
	}
	without := func(name string) []string {
		return slices.DeleteFunc(slices.Clone(plugins), func(p string) bool { return p == name })
	}
	for _, tt := range []struct {
		typed     []string
		want      []string
		directive string
	}{
		{[]string{""}, []string{"completion", "config", "demo", "help", "plugins", "power", "run", "version"}, nothingElse},
		{[]string{"p"}, []string{"plugins", "power"}, nothingElse},
		{[]string{"config", ""}, []string{"check", "default"}, nothingElse},
		{[]string{"run", ""}, nil, nothingElse},
		{[]string{"run", "--"}, []string{"--config", "--help"}, nothingElse},
		{[]string{"demo", "--"}, []string{"--for", "--help", "--real", "--simulated"}, nothingElse},
		{[]string{"run", "--config", ""}, []string{"toml"}, filesEnding},
		{[]string{"run", "-c", "conf"}, []string{"toml"}, filesEnding},
		{[]string{"config", "check", "--config", ""}, []string{"toml"}, filesEnding},
		{[]string{"power", "--config", ""}, []string{"toml"}, filesEnding},
		{[]string{"power", "--for", ""}, nil, nothingElse},
		{[]string{"demo", "--for", ""}, nil, nothingElse},
		{[]string{"version", "--output", ""}, []string{"text", "json"}, nothingElse},
		{[]string{"plugins", ""}, plugins, nothingElse},
		{[]string{"plugins", "rapl", ""}, without("rapl"), nothingElse},
		{[]string{"plugins", "re"}, []string{"remotewrite"}, nothingElse},
		{[]string{"completion", ""}, []string{"bash", "fish", "zsh"}, nothingElse},
		{[]string{"completion", "bash", ""}, nil, nothingElse},
	} {
		t.Run(strings.Join(tt.typed, " "), func(t *testing.T) {
			offered, directive := completed(t, tt.typed...)
			// cobra leaves to us what begins as typed.
			offered = slices.DeleteFunc(offered, func(name string) bool {
				return directive == nothingElse && !strings.HasPrefix(name, tt.typed[len(tt.typed)-1])
			})
			if diff := cmp.Diff(tt.want, offered); diff != "" || directive != tt.directive {
				t.Errorf("directive %s, want %s; -want +offered\n%s", directive, tt.directive, diff)
			}
		})
	}
}

// Every script is one for its shell, where the shell is there to say so.
func TestCompletionScripts(t *testing.T) {
	for shell := range shells(newCommand()) {
		t.Run(shell, func(t *testing.T) {
			status, script, stderr := finish(t, program(t, "completion", shell))
			if status != 0 || stderr != "" || !strings.Contains(script, "__complete") || strings.Contains(script, simulatedPod) {
				t.Fatalf("status %d, %q, script %q", status, stderr, script)
			}
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("there is no %s", shell)
			}
			check := exec.CommandContext(t.Context(), shell, "-n")
			check.Stdin = strings.NewReader(script)
			var said bytes.Buffer
			check.Stdout, check.Stderr = &said, &said
			if err := check.Run(); err != nil || said.Len() > 0 {
				t.Errorf("%s -n: %v: %s", shell, err, said.String())
			}
		})
	}
}

// The script of bash offers what the program does, in a shell without bash-completion's
// help, whose one function that is called stands here.
func TestCompletionInBash(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	_, script, _ := finish(t, program(t, "completion", "bash"))
	self := program(t)
	const driver = `
podjoule() { "$self" "$@"; }
_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD; }
__ltrim_colon_completions() { :; }
compopt() { :; }
COMP_TYPE=9
COMP_WORDS=(podjoule config ch) COMP_CWORD=2
__start_podjoule
echo "${COMPREPLY[@]}"
`
	bash := exec.CommandContext(t.Context(), "bash", "--norc", "--noprofile", "-c", script+driver)
	bash.Dir, bash.Env = self.Dir, self.Env
	bash.Env = append(bash.Env, "self="+self.Path)
	out, err := bash.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "check" {
		t.Errorf("completing podjoule config ch: %v, %q, want check", err, out)
	}
}
