package hwmon

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestParseFile(t *testing.T) {
	f := func(name, class, channel, what string, want bool) {
		t.Helper()
		c, n, w, ok := parseFile(name)
		if ok != want || ok && (c != class || n != channel || w != what) {
			t.Errorf("%q: %q %q %q, %v", name, c, n, w, ok)
		}
	}
	f("power1_average", "power", "power1", "average", true)
	f("energy193_input", "energy", "energy193", "input", true)
	f("power1_average_interval", "power", "power1", "average_interval", true)
	f("in0_input", "in", "in0", "input", true)
	for _, other := range []string{"", "name", "power", "power1", "power1_", "power_input", "_input", "1_input", "power01_input", "power1x_input", "update_interval"} {
		f(other, "", "", "", false)
	}
}

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{"power1_average", "energy", "power99999999999_input", "_", "é1_input"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		class, channel, what, ok := parseFile(name)
		if ok && (channel+"_"+what != name || !strings.HasPrefix(channel, class) || class == "" || what == "") {
			t.Errorf("%q becomes %q %q %q", name, class, channel, what)
		}
	})
}

// The labels of NVIDIA's Grace, and what only looks like them.
func TestPlaceOfGrace(t *testing.T) {
	f := func(label, domain, socket string) {
		t.Helper()
		p, ok := placeOfGrace(label)
		if ok != (domain != "") || ok && (p.domain != domain || p.resource.Kind != kindPackage || p.resource.ID != socket) {
			t.Errorf("%q: %+v, %v; want %s of %s", label, p, ok, domain, socket)
		}
	}
	f("Module Power Socket 0", "module", "0")
	f("Grace Power Socket 1", "grace", "1")
	f("CPU Power Socket 2", "cpu", "2")
	f("SysIO Power Socket 13", "sysio", "13")
	for _, other := range []string{"", "GPU Power Socket 0", "CPU Power Socket", "CPU Power Socket ", "CPU Power Socket x", "CPU Power Socket 01", "CPU Power Socket -1", "cpu Power Socket 0", "CPU Power Socket 0 ", "Power Socket 0"} {
		f(other, "", "")
	}
}

func FuzzPlaceOf(f *testing.F) {
	for _, seed := range []string{"CPU Power Socket 0", "Esocket0", "Ecore000", "Esocket99999999999", " Power Socket "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, label string) {
		if p, ok := placeOfGrace(label); ok {
			names := map[string]string{domainModule: "Module", domainGrace: "Grace", domainCPU: "CPU", domainSysIO: "SysIO"}
			if names[p.domain]+" Power Socket "+p.resource.ID != label {
				t.Errorf("%q is taken for %+v", label, p)
			}
		}
		if p, ok := placeOfAMD(label, ""); ok && (p.domain != domainPackage || "Esocket"+p.resource.ID != label) {
			t.Errorf("%q is taken for %+v", label, p)
		}
	})
}

func TestFirstCPU(t *testing.T) {
	f := func(list string, want uint64, ok bool) {
		t.Helper()
		if got, is := firstCPU([]byte(list)); is != ok || ok && got != want {
			t.Errorf("%q: %d, %v", list, got, is)
		}
	}
	f("0-31,64-95\n", 0, true)
	f("32\n", 32, true)
	f("8,9\n", 8, true)
	f("\n", 0, false) // a node of memory alone
	f("x-1", 0, false)
}

func FuzzFirstCPU(f *testing.F) {
	for _, seed := range []string{"0-31,64-95\n", "", ",", "-1", "99999999999"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		if n, ok := firstCPU(list); ok && !strings.HasPrefix(strings.TrimSpace(string(list)), strconv.FormatUint(n, 10)) {
			t.Errorf("%q begins with %d", list, n)
		}
	})
}

func TestParseCurrent(t *testing.T) {
	f := func(text string, want uint64, ok bool) {
		t.Helper()
		if got, err := parseCurrent([]byte(text)); got != want && ok || (err == nil) != ok {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	f("1234\n", 1234, true)
	f("-8\n", 0, true)
	f("0\n", 0, true)
	for _, bad := range []string{"", "-", "--1", "-x", "1.5", "- 1"} {
		f(bad, 0, false)
	}
}

func FuzzParseCurrent(f *testing.F) {
	for _, seed := range []string{"1234\n", "-8\n", "-", "99999999999999999999"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parseCurrent(text)
		number, negative := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), "-")
		want, wantErr := strconv.ParseUint(number, 10, 64)
		if negative {
			want = 0
		}
		if (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Errorf("%q: %d, %v; want %d, %v", text, got, err, want, wantErr)
		}
	})
}

// Of one label that is told in several ways, the counter is used, then the mean; what nobody
// can tell apart stays two.
func TestSensorsOfAChip(t *testing.T) {
	f := func(files map[string]string, want ...string) {
		t.Helper()
		dir, names := t.TempDir(), make(map[string]bool)
		for name, text := range files {
			write(t, text, dir, name)
			names[name] = true
		}
		var got []string
		for _, s := range sensorsIn(dir, sensor{chip: "x"}, names) {
			got = append(got, s.channel+" "+s.kind.String()+" "+s.label)
			if (s.average != "") != (s.kind == powerAverage && names[s.channel+"_average_interval"]) {
				t.Errorf("%v: the interval of %s is in %q", files, s.channel, s.average)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: %q, want %q", files, got, want)
		}
	}
	f(map[string]string{"power1_input": "1", "temp1_input": "1", "in1_input": "1", "power1_cap": "1", "power_input": "1"}, "power1 input ")
	f(map[string]string{"power1_input": "1", "power1_average": "1"}, "power1 average ")
	f(map[string]string{"power1_input": "1", "power1_average": "1", "power1_average_interval": "1"}, "power1 average ")
	f(map[string]string{"power1_input": "1", "power1_average_interval": "1"}, "power1 input ")
	f(map[string]string{"power1_input": "1", "power1_label": "a\n", "energy1_input": "1", "energy1_label": "a\n"}, "energy1 energy a")
	f(map[string]string{"power1_input": "1", "energy1_input": "1"}, "power1 input ", "energy1 energy ")
	f(map[string]string{"power1_input": "1", "power1_label": "a", "power10_input": "1", "power10_label": "b", "power2_input": "1", "power2_label": "c"},
		"power1 input a", "power2 input c", "power10 input b")
	f(map[string]string{"power1_input": "1", "power1_label": "a", "power2_input": "1", "power2_label": "a"}, "power1 input a", "power2 input a")
	f(map[string]string{"in1_input": "1", "curr1_input": "1"})
}
