package csv

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// A label and an annotation are columns like others, whatever their values are; a
// pod without them has empty cells.
func TestLabelsAreColumns(t *testing.T) {
	m := &measure.Metric{Name: "m", Attributes: []string{"annotation:example.org/note", "label:app.kubernetes.io/name", "name"}}
	h := plugintest.NewHost(t, m)
	out := open(t, h, &Config{Path: "-"})
	note := "a,\"b\"\nc;\t'=1+1\x00ü"
	var b measure.Batch
	b.Reset(0, tick, tick)
	b.Uint(&measure.Series{Metric: m, Attributes: []measure.Attribute{
		{Key: "annotation:example.org/note", Value: note}, {Key: "label:app.kubernetes.io/name", Value: "web"}, {Key: "name", Value: "web-0"},
	}}, 1)
	b.Uint(&measure.Series{Metric: m, Attributes: []measure.Attribute{{Key: "name", Value: "bare"}}}, 2)
	write(t, out, &b)
	rows, err := csv.NewReader(strings.NewReader(h.Stdout.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, row := range rows {
		got = append(got, row[8:])
	}
	want := [][]string{
		{"annotation:example.org/note", "label:app.kubernetes.io/name", "name"},
		{note, "web", "web-0"},
		{"", "", "bare"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}
