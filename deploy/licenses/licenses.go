// Package licenses gathers the texts under which the parts of a program may be passed on:
// packages, archives and images have them beside the program.
package licenses

import (
	"bytes"
	"cmp"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// licenseFile is what modules call the texts that go with every copy of them.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-._].*)?$`)

// Of returns the licenses of a program's parts, as the linker noted them in it: of Go and of
// each module, and those of modules of which something lies beside it. A text that several
// have stands there once. The go command is asked in a checkout of the source where the
// modules are; one without a license is an error.
func Of(ctx context.Context, source, program string, beside ...*debug.Module) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("read the modules in %s: %w", program, err)
	}
	folders, err := moduleFolders(ctx, source, slices.Concat(info.Deps, beside))
	if err != nil {
		return nil, err
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find Go's own license: %w", err)
	}
	folders = append(folders, moduleFolder{"Go", info.GoVersion, strings.TrimSpace(string(root))})
	owners := make(map[string][]string) // of a text
	for _, f := range folders {
		texts, err := licensesIn(f.Dir)
		if err != nil {
			return nil, fmt.Errorf("read the license of %s: %w", f.Path, err)
		}
		for _, text := range texts {
			owners[text] = append(owners[text], f.Path+" "+f.Version)
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "podjoule is made of what others have written. These are their licenses.\n")
	for _, text := range slices.SortedFunc(maps.Keys(owners), func(a, b string) int {
		return cmp.Or(slices.Compare(owners[a], owners[b]), strings.Compare(a, b))
	}) {
		fmt.Fprintf(&out, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 78), strings.Join(owners[text], "\n"), text)
	}
	return out.Bytes(), nil
}

// moduleFolder is where a module's files are; the fields are those of "go mod download -json".
type moduleFolder struct{ Path, Version, Dir string }

// moduleFolders asks the go command for the modules of a program.
func moduleFolders(ctx context.Context, source string, modules []*debug.Module) ([]moduleFolder, error) {
	if len(modules) == 0 { // without a name, all of the source's would be meant
		return nil, nil
	}
	args := []string{"-C", source, "mod", "download", "-json"}
	for _, m := range modules {
		if m.Replace != nil {
			m = m.Replace
		}
		args = append(args, m.Path+"@"+m.Version)
	}
	said, err := exec.CommandContext(ctx, "go", args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("find the modules of the program: %w: %s%s", err, said, exit.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("find the modules of the program: %w", err)
	}
	var all []moduleFolder
	for d := json.NewDecoder(bytes.NewReader(said)); ; {
		var f moduleFolder
		if err := d.Decode(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read where the modules of the program are: %w", err)
		}
		all = append(all, f)
	}
	if len(all) != len(modules) {
		return nil, fmt.Errorf("the program has %d modules, and go mod download tells of %d", len(modules), len(all))
	}
	return all, nil
}

// licensesIn reads the texts in a module's top folder.
func licensesIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, entry := range entries {
		if !licenseFile.MatchString(entry.Name()) || !entry.Type().IsRegular() || filepath.Ext(entry.Name()) == ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, strings.TrimSpace(string(text)))
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("no file in %s has the name of one", folder)
	}
	return texts, nil
}
