package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// debianChangelog is the changelog of the package, not of the program: it has one entry, as a
// package is made anew for each release. Its form is that of deb-changelog(5).
func debianChangelog(b built) (string, error) {
	version, err := debianVersion(b.Version)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`podjoule (%s) unstable; urgency=medium

  * podjoule %s: see changelog.gz.

 -- podjoule maintainers <podjoule@users.noreply.github.com>  %s
`, version, b.Version, b.Date.UTC().Format(time.RFC1123Z)), nil
}

// debianVersion writes a version as the package has it: 1.2.3~rc.1-1 is older than 1.2.3-1.
func debianVersion(version string) (string, error) {
	// That files were changed since the commit is the program's to tell, not the package's.
	v, err := semver.NewVersion(strings.TrimSuffix(version, "-dirty"))
	if err != nil {
		return "", fmt.Errorf("the version %q: want one as v1.2.3: %w", version, err)
	}
	text := fmt.Sprintf("%d.%d.%d", v.Major(), v.Minor(), v.Patch())
	if v.Prerelease() != "" {
		text += "~" + v.Prerelease()
	}
	if v.Metadata() != "" {
		text += "+" + v.Metadata()
	}
	return text + "-1", nil
}

// notes returns the part of CHANGELOG.md that tells of a version; between releases, what
// is not released yet.
func notes(changelog, version string) string {
	for _, title := range []string{version, "Unreleased"} {
		_, part, found := strings.Cut(changelog, "\n## ["+title+"]")
		if !found {
			continue
		}
		_, part, _ = strings.Cut(part, "\n") // what stands beside the title, as the day
		part, _, _ = strings.Cut(part, "\n## ")
		return strings.TrimSpace(part) + "\n"
	}
	return ""
}
