package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
)

// The list of a program alone has its modules, and not what lies beside it in the image.
func TestListOfAProgram(t *testing.T) {
	folder := t.TempDir()
	program, list := filepath.Join(folder, "small"), filepath.Join(folder, "list.json")
	copySelf(t, program)
	var out, errs strings.Builder
	if err := run(t.Context(), append(order1(), "-binary", program, "-list", list, "-o", filepath.Join(folder, "image.tar")), &out, &errs); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(read(t, list)), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range *bom.Components {
		names = append(names, c.Name+" "+c.Version)
	}
	want(t, "modules", []string{"std " + strings.TrimPrefix(runtime.Version(), "go")}, names)
	want(t, "program", []string{"small", "v1.2.3", "2026-07-01T10:00:00Z"}, []string{bom.Metadata.Component.Name, bom.Metadata.Component.Version, bom.Metadata.Timestamp})
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("there is %v, %v, want the program and the list", left, err)
	}
}

// So have the licenses; both may be asked for at once.
func TestLicensesOfAProgram(t *testing.T) {
	folder := t.TempDir()
	program, texts, list := filepath.Join(folder, "small"), filepath.Join(folder, "licenses.txt"), filepath.Join(folder, "list.json")
	copySelf(t, program)
	var out, errs strings.Builder
	if err := run(t.Context(), append(order1(), "-binary", program, "-licenses", texts, "-list", list), &out, &errs); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	got := string(read(t, texts))
	if !strings.Contains(got, "\nGo "+runtime.Version()) || strings.Contains(got, rootsModule) {
		t.Errorf("the licenses are\n%s", got)
	}
	if _, err := os.Stat(list); err != nil {
		t.Error(err)
	}
}
