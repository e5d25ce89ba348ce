package agent

import (
	"io"
	"log/slog"
)

// NewLogger makes the logger that the settings ask for. It is made for checked
// settings: an unknown level is info, an unknown format is text.
func NewLogger(w io.Writer, s Settings) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(s.LogLevel)) != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
