package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

const protobufType = "application/x-protobuf"

// httpClient delivers requests over HTTP.
type httpClient struct {
	link
	http *http.Client
	zip  zipper
}

// transport returns the way to a real receiver.
func transport(l link) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = l.config()
	if l.dial != nil {
		t.DialContext = l.dial
	}
	t.MaxResponseHeaderBytes = maxReply
	// Notices a receiver whose node vanished; without HTTP/2, a timeout does.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 10 * time.Second}
	return t
}

func newHTTP(l link, through http.RoundTripper) *httpClient {
	return &httpClient{
		link: l, zip: newZipper(),
		http: &http.Client{
			Transport: through,
			// A redirect would turn the POST into a GET, or carry data to a
			// place that nobody configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *httpClient) export(ctx context.Context, request []byte) (answer, error) {
	// The transport may read the body even after it answered, so each attempt
	// has its own.
	body := new(bytes.Buffer)
	if c.plain {
		body.Write(request)
	} else if err := c.zip.Do(body, request); err != nil {
		return answer{code: noAnswer}, fmt.Errorf("compress a request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.to.String(), body)
	if err != nil {
		return answer{code: noAnswer}, fmt.Errorf("prepare a request to %s: %w", c.to, err)
	}
	for name, value := range c.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", protobufType)
	if !c.plain {
		req.Header.Set("Content-Encoding", c.zip.Type())
	}
	req.Header.Set("User-Agent", serviceName+"/"+c.version)

	resp, err := c.http.Do(req)
	if err != nil {
		remedy := unreachable(err.Error(), wrongPort)
		if ctx.Err() != nil {
			remedy = tooSlow
		}
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err // the rest repeats method and URL
		}
		return answer{code: noAnswer, retry: true}, fmt.Errorf("export to %s: %s: %s", c.to, clip(err.Error()), remedy)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	a, err := judgeReply(resp.StatusCode, resp.Header, reply, err)
	if err != nil {
		return a, fmt.Errorf("export to %s: %w", c.to, err)
	}
	return a, nil
}

func (c *httpClient) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// judgeReply tells what an answer means for the request, by the rules of the
// OTLP specification. The error bad is what went wrong while reading it.
func judgeReply(code int, header http.Header, reply []byte, bad error) (answer, error) {
	a := answer{code: strconv.Itoa(code)}
	if code >= 200 && code < 300 {
		if bad == nil && len(reply) > maxReply {
			bad = fmt.Errorf("it is longer than %d bytes", maxReply)
		}
		if bad == nil {
			bad = a.read(header, reply)
		}
		if bad != nil {
			// It may well have been taken: sent again, it could count twice.
			return a, fmt.Errorf("answered %d, but the answer is not OTLP (%s), so the data may be lost: %s",
				code, clip(bad.Error()), notOTLP)
		}
		return a, nil
	}
	said := http.StatusText(code)
	if text := refusal(header, reply); bad == nil && text != "" {
		said += ": " + text
	}
	var remedy string
	a.retry, remedy = judgeCode(code)
	if a.retry {
		a.after = retryAfter(header.Get("Retry-After"))
	}
	return a, fmt.Errorf("answered %d %s: %s", code, said, remedy)
}

// judgeCode tells whether the same request may be taken later, and what can be
// done about it.
func judgeCode(code int) (retry bool, remedy string) {
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return true, busy
	case code == http.StatusBadGateway, code == http.StatusGatewayTimeout:
		return true, "the proxy before the receiver does not reach it"
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return false, noAccess
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed, code == http.StatusUnsupportedMediaType:
		return false, notOTLP
	case code == http.StatusRequestEntityTooLarge:
		return false, tooBig
	case code >= 300 && code < 400:
		return false, "redirects are not followed: set endpoint to where it leads"
	}
	return false, seeLog
}

// read reads the answer to an accepted request. Receivers that answer with
// nothing, or with a word of their own, accept all; a page does not come from
// a receiver.
func (a *answer) read(header http.Header, reply []byte) error {
	response := pmetricotlp.NewExportResponse()
	var err error
	switch kind := mediaType(header); {
	case len(reply) == 0:
	case kind == protobufType:
		err = response.UnmarshalProto(reply)
	case kind == "application/json":
		err = response.UnmarshalJSON(reply)
	case kind == "text/html":
		err = errors.New("it is a web page")
	}
	if err != nil {
		return err
	}
	a.accept(response)
	return nil
}

// refusal returns the text with which a request was refused.
func refusal(header http.Header, reply []byte) string {
	switch mediaType(header) {
	case protobufType:
		var s rpcstatus.Status
		if proto.Unmarshal(reply, &s) != nil {
			return ""
		}
		return clip(s.GetMessage())
	case "application/json", "text/plain":
		return clip(string(reply))
	}
	return ""
}

func mediaType(header http.Header) string {
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return kind
}

// retryAfter reads seconds or a date; anything else asks for nothing.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}
