package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// family is a micro-architecture, and the names of its CPUs as words.
type family struct {
	name  string
	names [][]string
}

// source says which list of names belongs to which family. Of two that fit a CPU
// equally well the first one counts: the list of all Skylakes holds the small ones
// too, which are a family of their own.
type source struct{ file, family string }

func sources() []source {
	return []source{
		{"amd-epyc-gen1", "amd-epyc-gen1"},
		{"amd-epyc-gen2", "amd-epyc-gen2"},
		{"amd-epyc-gen3", "amd-epyc-gen3"},
		{"amd-epyc-gen4", "amd-epyc-gen4"},
		{"amd-epyc-gen5", "amd-epyc-gen5"},
		{"amd-neoverse-n1", "arm-neoverse-n1"}, // Ampere Altra
		{"intel-sandybridge", "intel-sandybridge"},
		{"intel-ivybridge", "intel-ivybridge"},
		{"intel-haswell", "intel-haswell"},
		{"intel-broadwell", "intel-broadwell"},
		{"intel-skylake-client", "intel-skylake-client"},
		{"intel-skylake-server", "intel-skylake-server"},
		{"intel-skylake", "intel-skylake-server"},
		{"intel-coffeelake", "intel-coffeelake"},
		{"intel-cascadelake", "intel-cascadelake"},
		{"intel-icelake", "intel-icelake"},
		{"intel-sapphirerapids", "intel-sapphirerapids"},
		{"intel-emeraldrapids", "intel-emeraldrapids"},
		{"intel-graniterapids", "intel-graniterapids"},
	}
}

// ourFamilies are micro-architectures for which the input has results and no list.
func ourFamilies() []family {
	return []family{
		newFamily("amd-epyc-gen4c", "EPYC 9734", "EPYC 9754", "EPYC 9754S"),
		newFamily("intel-cooperlake", "5318H", "5320H", "6328H", "6328HL", "6330H", "6348H", "8353H", "8354H", "8356H", "8360H",
			"8360HL", "8376H", "8376HL", "8380H", "8380HL"),
		newFamily("intel-sierraforest", "6710E", "6731E", "6740E", "6746E", "6756E", "6766E", "6780E"),
	}
}

func newFamily(name string, cpus ...string) family {
	f := family{name: name}
	for _, cpu := range cpus {
		// A list may end in blank lines. A name of no words would fit every CPU there is.
		if w := words(cpu); len(w) > 0 {
			f.names = append(f.names, w)
		}
	}
	return f
}

// readFamilies reads the lists in a folder. It wants to know every one of them.
func readFamilies(input fs.FS, folder string) ([]family, error) {
	files, err := fs.Glob(input, path.Join(folder, "*.csv"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		list := strings.TrimSuffix(path.Base(file), ".csv")
		if !slices.ContainsFunc(sources(), func(s source) bool { return s.file == list }) {
			return nil, fmt.Errorf("%s is a list that is not known: say in sources() which family it is", file)
		}
	}
	var all []family
	for _, s := range sources() {
		text, err := fs.ReadFile(input, path.Join(folder, s.file+".csv"))
		if err != nil {
			return nil, err
		}
		f := newFamily(s.family, strings.Split(string(text), "\n")...)
		if len(f.names) == 0 {
			return nil, errors.New(s.file + ".csv names no CPU")
		}
		all = append(all, f)
	}
	return append(all, ourFamilies()...), nil
}

// familyOf returns the family with the longest name that a CPU's description holds,
// and "" for none. Names are compared word by word: "654" is not in "EPYC 9654", and
// "8480+" is a name, no pattern.
func familyOf(cpu []string, families []family) string {
	best, longest := "", 0
	for _, f := range families {
		if strings.HasPrefix(f.name, "intel-") && slices.Contains(cpu, "amd") {
			continue
		}
		for _, name := range f.names {
			if len(name) > longest && holds(cpu, name) {
				best, longest = f.name, len(name)
			}
		}
	}
	return best
}

// holds tells whether a description holds a name. One that goes on with a version,
// as E3-1230 v6 after E3-1230, is another CPU.
func holds(cpu, name []string) bool {
	for i := 0; i+len(name) <= len(cpu); i++ {
		if !slices.Equal(cpu[i:i+len(name)], name) {
			continue
		}
		if rest := cpu[i+len(name):]; len(rest) == 0 || !isVersion(rest[0]) {
			return true
		}
	}
	return false
}

func isVersion(word string) bool {
	return len(word) == 2 && word[0] == 'v' && '2' <= word[1] && word[1] <= '9'
}

// words returns the words of a CPU's name in lower case. A version is a word of its
// own, also where it is written without a space: E3-1265LV2.
func words(name string) []string {
	name = strings.NewReplacer("(r)", " ", "®", " ").Replace(strings.ToLower(name))
	name = regexp.MustCompile(`\b(e[357]-[0-9]{4}[a-z]*?)(v[2-9])\b`).ReplaceAllString(name, "$1 $2")
	return regexp.MustCompile(`[a-z0-9+-]+`).FindAllString(name, -1)
}
