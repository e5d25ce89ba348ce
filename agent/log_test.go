package agent

import (
	"strings"
	"testing"
)

func TestNewLogger(t *testing.T) {
	f := func(level, format string, want ...string) {
		t.Helper()
		var b strings.Builder
		log := NewLogger(&b, Settings{LogLevel: level, LogFormat: format}, nil)
		log.Debug("d")
		log.Info("i")
		log.Warn("w")
		log.Error("e", "plugin", "p")
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%s: got %d lines, want %d:\n%s", level, len(lines), len(want), b.String())
		}
		for i := range want {
			if !strings.Contains(lines[i], want[i]) {
				t.Errorf("%s, %s: line %q has no %q", level, format, lines[i], want[i])
			}
		}
	}
	f("debug", "text", "msg=d", "msg=i", "msg=w", "msg=e plugin=p")
	f("info", "text", "msg=i", "msg=w", "msg=e")
	f("warn", "json", `"msg":"w"`, `"msg":"e","plugin":"p"`)
	f("error", "json", `"level":"ERROR"`)
}
