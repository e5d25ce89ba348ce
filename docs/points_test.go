package docs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pointsTitles are the heads of the tables of what points cost, and the names of their rows.
func pointsTitles() []string {
	titles := []string{
		"| output | ns a point | bytes a point | ns, compressed too | bytes, compressed |\n",
		"| a scrape | ms of CPU time | client_golang takes, times | uncompressed | on the wire |\n",
	}
	for _, row := range append(pointsRows(), scrapeRows()...) {
		titles = append(titles, "\n| "+row[1]+" |")
	}
	return titles
}

// pointsRows are the benchmarks of points and how they are called.
func pointsRows() [][2]string {
	return [][2]string{
		{"otlp=delta", "`otlp`, delta, over gRPC and over HTTP"}, {"otlp=cumulative", "`otlp`, cumulative, over gRPC and over HTTP"},
		{"prometheus=openmetrics", "`prometheus`, OpenMetrics"}, {"prometheus=text", "`prometheus`, text"},
		{"remotewrite=2.0", "`remotewrite` 2.0"}, {"remotewrite=1.0", "`remotewrite` 1.0"}, {"csv", "`csv`"},
	}
}

// scrapeRows are the benchmarks of scrapes.
func scrapeRows() [][2]string {
	return [][2]string{{"openmetrics", "OpenMetrics, which a Prometheus server asks for"}, {"text", "text"}}
}

func pointsSection(r *reader) string {
	var b strings.Builder
	line := func(format string, values ...any) { fmt.Fprintf(&b, format+"\n", values...) }
	titles := pointsTitles()
	line("")
	line("%d pods of 11 points each, on this machine: %s.", nodePods, machineText(r))
	line("")
	fmt.Fprint(&b, titles[0])
	line("| --- | --- | --- | --- | --- |")
	for _, row := range pointsRows() {
		name, packed := "BenchmarkPoints/"+row[0], "- | -"
		if row[0] != "csv" {
			packed = threeDigits(r.median(name, "ns/point-packed")) + " | " + threeDigits(r.median(name, "B/point-packed"))
		}
		line("| %s | %s | %s | %s |", row[1], threeDigits(r.median(name, "ns/point")), threeDigits(r.median(name, "B/point")), packed)
	}
	line("")
	line("Where a pod has just come or gone, `otlp` takes %s ns a point. To encode what is made already takes pdata %s times as long as `otlp` takes for all",
		threeDigits(r.median("BenchmarkPoints/new=delta", "ns/point")), threeDigits(r.median("BenchmarkPoints/known=delta", "x-pdata")))
	line("of it. With frames and headers a point is %s bytes over gRPC, and %s over HTTP. The standard library's writer takes %s times as long as `csv` for the same rows.",
		threeDigits(r.median("BenchmarkSent/grpc", "B/point-sent")), threeDigits(r.median("BenchmarkSent/http-protobuf", "B/point-sent")), threeDigits(r.median("BenchmarkPoints/csv", "x-encoding/csv")))
	line("")
	fmt.Fprint(&b, titles[1])
	line("| --- | --- | --- | --- | --- |")
	for _, row := range scrapeRows() {
		name := "BenchmarkScrape/" + row[0]
		line("| %s | %s | %s | %s | %s |", row[1], threeDigits(r.median(name, "cpu-ms/scrape")), threeDigits(r.median("BenchmarkScrape/client_golang="+row[0], "x-client_golang")),
			bytesText(r.median(name, "B/page")), bytesText(r.median(name, "B/scrape")))
	}
	line("")
	return b.String()
}

// pointsResults are those of one run.
func pointsResults() string {
	var b strings.Builder
	for i, row := range pointsRows() {
		name := "BenchmarkPoints/" + row[0] + "-2  9000"
		if row[0] == "csv" {
			fmt.Fprintf(&b, "%s  250.2 B/point  61.2 ns/point  3.256 x-encoding/csv\n", name)
			continue
		}
		fmt.Fprintf(&b, "%s  %d.25 B/point  21.26 B/point-packed  31.17 ns/point  %d ns/point-packed\n", name, 101+i, 400+i)
	}
	b.WriteString("BenchmarkPoints/known=delta-2  9000  30 ns/point  8.125 x-pdata\nBenchmarkPoints/new=delta-2  9000  712.3 ns/point  0.35 x-pdata\n")
	b.WriteString("BenchmarkSent/grpc-2  9  21.36 B/point-sent\nBenchmarkSent/http-protobuf-2  9  21.46 B/point-sent\n")
	for i, row := range scrapeRows() {
		fmt.Fprintf(&b, "BenchmarkScrape/%s-2  9000  300000 ns/op  %d B/page  40123 B/scrape  0.2%d cpu-ms/scrape\n", row[0], 281234-i*50000, 5-i)
		fmt.Fprintf(&b, "BenchmarkScrape/client_golang=%s-2  90  2%d.26 x-client_golang\n", row[0], i)
	}
	return b.String()
}

func TestPointsSection(t *testing.T) {
	const want = `
110 pods of 11 points each, on this machine: 2 processors, AMD EPYC, Linux 6.1.0-30, Go 1.26.8.

| output | ns a point | bytes a point | ns, compressed too | bytes, compressed |
| --- | --- | --- | --- | --- |
| ` + "`otlp`" + `, delta, over gRPC and over HTTP | 31.2 | 101 | 400 | 21.3 |
| ` + "`otlp`" + `, cumulative, over gRPC and over HTTP | 31.2 | 102 | 401 | 21.3 |
| ` + "`prometheus`" + `, OpenMetrics | 31.2 | 103 | 402 | 21.3 |
| ` + "`prometheus`" + `, text | 31.2 | 104 | 403 | 21.3 |
| ` + "`remotewrite`" + ` 2.0 | 31.2 | 105 | 404 | 21.3 |
| ` + "`remotewrite`" + ` 1.0 | 31.2 | 106 | 405 | 21.3 |
| ` + "`csv`" + ` | 61.2 | 250 | - | - |

Where a pod has just come or gone, ` + "`otlp`" + ` takes 712 ns a point. To encode what is made already takes pdata 8.12 times as long as ` + "`otlp`" + ` takes for all
of it. With frames and headers a point is 21.4 bytes over gRPC, and 21.5 over HTTP. The standard library's writer takes 3.26 times as long as ` + "`csv`" + ` for the same rows.

| a scrape | ms of CPU time | client_golang takes, times | uncompressed | on the wire |
| --- | --- | --- | --- | --- |
| OpenMetrics, which a Prometheus server asks for | 0.25 | 20.3 | 281 kB | 40.1 kB |
| text | 0.24 | 21.3 | 231 kB | 40.1 kB |

`
	got, err := benchSections(sweepResults("v1") + pointsResults())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got["points"]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, err := benchSections(sweepResults("v1") + strings.ReplaceAll(pointsResults(), "otlp=delta-", "otlp=other-")); err == nil || !strings.Contains(err.Error(), "lack: BenchmarkPoints/otlp=delta ns/point") {
		t.Errorf("without one output: error %v", err)
	}
}
