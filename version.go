package main

import "runtime/debug"

// version is set when a release is linked: -ldflags "-X main.version=v1.2.3".
var version string

// currentVersion returns the version that was linked in, or what the Go tool
// noted about the build.
func currentVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
