package agent

import (
	"io"
	"log/slog"
)

// NewLogger makes the logger that the settings ask for. It is made for checked
// settings: an unknown level is info, an unknown format is text. The level is set to
// what the settings say, and may be changed at any time; nil is a fixed one.
func NewLogger(w io.Writer, s Settings, level *slog.LevelVar) *slog.Logger {
	if level == nil {
		level = new(slog.LevelVar)
	}
	level.Set(s.level())
	opts := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func (s *Settings) level() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(s.LogLevel)) != nil {
		return slog.LevelInfo
	}
	return level
}
