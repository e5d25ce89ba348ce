package main

import (
	"compress/gzip"
	"context"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/snappy"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/protoadapt"
)

// arrival is a point of a scripted series as a receiver got it.
type arrival struct {
	uid     string
	counter bool
	value   uint64
	time    int64 // in ms
	end     bool  // it marks the end of its series
}

// refusal is an answer of a receiver that does not take a request, or not all of it.
type refusal struct {
	http     int        // status
	code     codes.Code // of gRPC
	after    string     // Retry-After
	details  []protoadapt.MessageV1
	rejected int // points of an accepted request
}

// receiver takes OTLP by gRPC and by HTTP, and remote write of both versions.
type receiver struct {
	pmetricotlp.UnimplementedGRPCServer
	t    testing.TB
	take func(arrival)
	// refuse, where set, answers the next request; nil takes it.
	refuse func() *refusal
	// torn counts requests by HTTP whose body did not come whole.
	torn atomic.Int64
}

func (r *receiver) refused() *refusal {
	if r.refuse == nil {
		return nil
	}
	return r.refuse()
}

// Export takes OTLP by gRPC.
func (r *receiver) Export(_ context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	reply := pmetricotlp.NewExportResponse()
	skip := 0
	if no := r.refused(); no != nil {
		if no.code != codes.OK {
			s, err := status.New(no.code, "not so").WithDetails(no.details...)
			if err != nil {
				r.t.Error(err)
			}
			return reply, s.Err()
		}
		skip = no.rejected
		reply.PartialSuccess().SetRejectedDataPoints(int64(skip))
		reply.PartialSuccess().SetErrorMessage("not so")
	}
	r.takeOTLP(request.Metrics(), skip)
	return reply, nil
}

// takeOTLP takes all points but the first ones.
func (r *receiver) takeOTLP(md pmetric.Metrics, skip int) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				points, counter := pmetric.NewNumberDataPointSlice(), m.Type() == pmetric.MetricTypeSum
				switch {
				case strings.HasPrefix(m.Name(), "podjoule."): // the agent's own
				case counter:
					points = m.Sum().DataPoints()
				case m.Type() == pmetric.MetricTypeGauge:
					points = m.Gauge().DataPoints()
				}
				for _, p := range points.All() {
					if skip--; skip >= 0 {
						continue
					}
					uid, _ := p.Attributes().Get("uid")
					r.take(arrival{uid: uid.Str(), counter: counter, value: uint64(p.IntValue()),
						time: p.Timestamp().AsTime().UnixMilli(), end: p.Flags().NoRecordedValue()})
				}
			}
		}
	}
}

// overHTTP takes OTLP by HTTP.
func (r *receiver) overHTTP(w http.ResponseWriter, req *http.Request) {
	text, err := unpacked(req)
	if err != nil {
		r.torn.Add(1)
	}
	request := pmetricotlp.NewExportRequest()
	if err == nil {
		err = request.UnmarshalProto(text)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	no := r.refused()
	if no != nil && no.http != http.StatusOK {
		r.answer(w, no)
		return
	}
	reply := pmetricotlp.NewExportResponse()
	skip := 0
	if no != nil {
		skip = no.rejected
		reply.PartialSuccess().SetRejectedDataPoints(int64(skip))
		reply.PartialSuccess().SetErrorMessage("not so")
	}
	r.takeOTLP(request.Metrics(), skip)
	text, err = reply.MarshalProto()
	if err != nil {
		r.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(text)
}

func unpacked(req *http.Request) ([]byte, error) {
	body, err := gzip.NewReader(req.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

func (r *receiver) answer(w http.ResponseWriter, no *refusal) {
	if no.after != "" {
		w.Header().Set("Retry-After", no.after)
	}
	http.Error(w, "not so", no.http)
}

// remoteWrite takes remote write of both versions.
func (r *receiver) remoteWrite(w http.ResponseWriter, req *http.Request) {
	packed, err := io.ReadAll(req.Body)
	if err != nil {
		r.torn.Add(1)
	}
	var body []byte
	if err == nil {
		body, err = snappy.Decode(nil, packed)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	old := req.Header.Get("Content-Type") == "application/x-protobuf"
	no := r.refused()
	switch {
	case no != nil && old && no.rejected > 0: // version 1.0 cannot say how many it took
		http.Error(w, "not so", http.StatusBadRequest)
		return
	case no != nil && no.http != http.StatusOK:
		r.answer(w, no)
		return
	}
	all := decodeWrite2
	if old {
		all = decodeWrite1
	}
	points := all(body)
	if no != nil {
		points = points[min(no.rejected, len(points)):]
	}
	for _, a := range points {
		r.take(a)
	}
	w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(len(points)))
	w.WriteHeader(http.StatusNoContent)
}

// eachField calls f for the fields of a message, up to the first that is none.
func eachField(b []byte, f func(n protowire.Number, content []byte, v uint64)) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		b = b[n:]
		var content []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		default:
			v, n = protowire.ConsumeVarint(b)
		}
		if n < 0 {
			return
		}
		b = b[n:]
		f(number, content, v)
	}
}

// sampled fills in what a sample says, which is the same in both versions.
func (a *arrival) sampled(b []byte) {
	eachField(b, func(n protowire.Number, _ []byte, v uint64) {
		switch n {
		case 1:
			const stale = 0x7ff0000000000002
			if a.end = v == stale; !a.end {
				a.value = uint64(math.Float64frombits(v))
			}
		case 2:
			a.time = int64(v)
		}
	})
}

// labelled fills in what a label says.
func (a *arrival) labelled(name, value string) {
	switch name {
	case "uid":
		a.uid = value
	case "__name__":
		a.counter = strings.HasSuffix(value, "_total")
	}
}

// decodeWrite1 reads a prometheus.WriteRequest.
func decodeWrite1(body []byte) (all []arrival) {
	eachField(body, func(n protowire.Number, series []byte, _ uint64) {
		if n != 1 {
			return
		}
		var a arrival
		eachField(series, func(n protowire.Number, part []byte, _ uint64) {
			if n == 2 {
				a.sampled(part)
				return
			}
			var label [3]string
			eachField(part, func(n protowire.Number, text []byte, _ uint64) { label[min(n, 2)] = string(text) })
			a.labelled(label[1], label[2])
		})
		all = append(all, a)
	})
	return all
}

// decodeWrite2 reads an io.prometheus.write.v2.Request.
func decodeWrite2(body []byte) (all []arrival) {
	var symbols []string
	eachField(body, func(n protowire.Number, content []byte, _ uint64) {
		switch n {
		case 4:
			symbols = append(symbols, string(content))
		case 5: // all symbols come before
			var a arrival
			eachField(content, func(n protowire.Number, part []byte, _ uint64) {
				switch n {
				case 1:
					var pair [2]string
					for i := 0; len(part) > 0; i++ {
						ref, size := protowire.ConsumeVarint(part)
						if size < 0 {
							return
						}
						pair[i%2], part = symbols[ref], part[size:]
						if i%2 == 1 {
							a.labelled(pair[0], pair[1])
						}
					}
				case 2:
					a.sampled(part)
				}
			})
			all = append(all, a)
		}
	})
	return all
}
