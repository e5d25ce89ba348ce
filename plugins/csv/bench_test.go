package csv

import (
	"bytes"
	standard "encoding/csv"
	"testing"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// BenchmarkPoints is what a row of a full node costs, beside the standard library's writer,
// which is given the texts of the same rows.
func BenchmarkPoints(b *testing.B) {
	n := plugintest.NewNode()
	out := open(b, plugintest.NewHost(b, n.Metrics...), &Config{Path: stdout})
	batch := n.Tick()
	var rows []byte
	encode := func() {
		var err error
		if rows, err = out.rows.append(rows[:0], batch); err != nil {
			b.Fatal(err)
		}
	}
	encode()
	fields, err := standard.NewReader(bytes.NewReader(rows)).ReadAll()
	if err != nil || len(fields) != plugintest.NodePoints {
		b.Fatalf("%d rows, error %v", len(fields), err)
	}
	var other bytes.Buffer
	b.Run("csv", func(b *testing.B) {
		turns := cgrouptest.InTurns(b, encode, func() {
			other.Reset()
			if err := standard.NewWriter(&other).WriteAll(fields); err != nil {
				b.Fatal(err)
			}
		})
		if !bytes.Equal(rows, other.Bytes()) {
			b.Error("the standard library writes other rows")
		}
		b.ReportMetric(float64(turns.Ours)/plugintest.NodePoints, "ns/point")
		b.ReportMetric(float64(len(rows))/plugintest.NodePoints, "B/point")
		b.ReportMetric(1/turns.Ratio, "x-encoding/csv")
	})
}
