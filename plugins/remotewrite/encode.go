package remotewrite

import (
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/queue"
)

// maxPoints is how many points a request has at most, as those of Prometheus.
const maxPoints = 2000

// encoder makes the bodies of requests. They are written field by field: the
// generated types of the protocol are in Prometheus itself, which is too much to
// depend on, or know the start of a counter under a number that was given up.
type encoder struct {
	version string
	symbols symbols
	series  []byte // scratch, as is what follows
	sample  []byte
	list    []byte
	body    []byte
	packed  []byte
	// told is when a family's help was sent last, by version 1.0, where it is apart
	// from the series.
	told map[*family.Family]time.Time
}

func newEncoder(version string) *encoder {
	return &encoder{version: version, symbols: symbols{refs: make(map[string]uint64)}, told: make(map[*family.Family]time.Time)}
}

// Marks of the version before the body of a request in the queue, which may outlive a
// change of the configuration.
const (
	mark1 = '1'
	mark2 = '2'
)

// requests returns the requests for points, each with the mark of its version.
func (e *encoder) requests(points []point, now time.Time) []queue.Entry {
	var entries []queue.Entry
	for len(points) > 0 {
		part := points[:min(len(points), maxPoints)]
		points = points[len(part):]
		mark, body := byte(mark2), []byte(nil)
		if e.version == Version1 {
			mark, body = mark1, e.request1(part, now)
		} else {
			body = e.request2(part)
		}
		e.packed = snappy.Encode(e.packed[:cap(e.packed)], body)
		// What waits is kept small: the bound of a snappy block is above its size.
		kept := append(append(make([]byte, 0, 1+len(e.packed)), mark), e.packed...)
		entries = append(entries, queue.Entry{Body: kept, Points: len(part)})
	}
	return entries
}

// Fields of io.prometheus.write.v2.
const (
	requestSymbols = 4
	requestSeries  = 5
	seriesLabels   = 1
	seriesSamples  = 2
	seriesMetadata = 5
	sampleValue    = 1
	sampleTime     = 2
	sampleStart    = 3
	metadataType   = 1
	metadataHelp   = 3
	metadataUnit   = 4
)

// Types of metrics, the same in both versions.
const (
	typeCounter = 1
	typeGauge   = 2
)

func typeOf(f *family.Family) uint64 {
	if f.Counter {
		return typeCounter
	}
	return typeGauge
}

// request2 encodes an io.prometheus.write.v2.Request, which is good until the next one.
func (e *encoder) request2(points []point) []byte {
	e.symbols.reset()
	e.list, e.body = e.list[:0], e.body[:0]
	var refs, metadata []byte
	for i := range points {
		p := &points[i]
		f := p.line.family
		refs, metadata = refs[:0], metadata[:0]
		for _, text := range p.line.labels {
			refs = protowire.AppendVarint(refs, e.symbols.ref(text))
		}
		metadata = appendUint(metadata, metadataType, typeOf(f))
		metadata = appendUint(metadata, metadataHelp, e.symbols.ref(f.Help))
		metadata = appendUint(metadata, metadataUnit, e.symbols.ref(f.Unit))
		e.sample = appendSample(e.sample[:0], p)
		if start := p.line.created.UnixMilli(); f.Counter && p.bits != stale && start < p.time {
			e.sample = appendUint(e.sample, sampleStart, uint64(start))
		}
		e.series = appendBytes(e.series[:0], seriesLabels, refs)
		e.series = appendBytes(e.series, seriesSamples, e.sample)
		e.series = appendBytes(e.series, seriesMetadata, metadata)
		e.list = appendBytes(e.list, requestSeries, e.series)
	}
	for _, text := range e.symbols.list {
		e.body = appendText(e.body, requestSymbols, text)
	}
	e.body = append(e.body, e.list...)
	return e.body
}

func appendSample(b []byte, p *point) []byte {
	b = protowire.AppendTag(b, sampleValue, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, p.bits)
	return appendUint(b, sampleTime, uint64(p.time))
}

// Fields of prometheus.WriteRequest; those of samples are as above.
const (
	request1Series   = 1
	request1Metadata = 3
	series1Labels    = 1
	label1Name       = 1
	label1Value      = 2
	metadata1Type    = 1
	metadata1Name    = 2
	metadata1Help    = 4
	metadata1Unit    = 5
)

// tellAgain is how often version 1.0 repeats what metrics are, as Prometheus does.
const tellAgain = time.Minute

// request1 encodes a prometheus.WriteRequest, which is good until the next one.
func (e *encoder) request1(points []point, now time.Time) []byte {
	e.body = e.body[:0]
	var part, metadata []byte
	for i := range points {
		p := &points[i]
		e.series = e.series[:0]
		for j := 0; j < len(p.line.labels); j += 2 {
			part = appendText(part[:0], label1Name, p.line.labels[j])
			part = appendText(part, label1Value, p.line.labels[j+1])
			e.series = appendBytes(e.series, series1Labels, part)
		}
		e.sample = appendSample(e.sample[:0], p)
		e.series = appendBytes(e.series, seriesSamples, e.sample)
		e.body = appendBytes(e.body, request1Series, e.series)

		f := p.line.family
		if told, ok := e.told[f]; ok && now.Sub(told).Abs() < tellAgain {
			continue
		}
		e.told[f] = now
		part = appendUint(part[:0], metadata1Type, typeOf(f))
		part = appendText(part, metadata1Name, f.Name)
		part = appendText(part, metadata1Help, f.Help)
		part = appendText(part, metadata1Unit, f.Unit)
		metadata = appendBytes(metadata, request1Metadata, part)
	}
	e.body = append(e.body, metadata...)
	return e.body
}

func appendBytes(b []byte, field protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), content)
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

// symbols are the texts of a request, each of them once; the first is empty.
type symbols struct {
	list []string
	refs map[string]uint64
}

func (s *symbols) reset() {
	clear(s.refs)
	s.list = append(s.list[:0], "")
	s.refs[""] = 0
}

func (s *symbols) ref(text string) uint64 {
	ref, known := s.refs[text]
	if !known {
		ref = uint64(len(s.list))
		s.list = append(s.list, text)
		s.refs[text] = ref
	}
	return ref
}
