package otlp

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// environment finds variables, as os.LookupEnv does.
type environment func(name string) (string, bool)

// Names of variables, as the OpenTelemetry specification has them: most have a form
// for metrics alone, which is stronger.
const (
	envExporter    = "OTEL_EXPORTER_OTLP_"
	envMetrics     = "OTEL_EXPORTER_OTLP_METRICS_"
	envTemporality = envMetrics + "TEMPORALITY_PREFERENCE"
	envAttributes  = "OTEL_RESOURCE_ATTRIBUTES"
	envService     = "OTEL_SERVICE_NAME"
)

// origin is where a setting was found: in a key of the file or in a variable.
type origin struct{ key, variable string }

// fault makes an error about a setting, which names the place.
func (o origin) fault(err error) error {
	if err == nil {
		return nil
	}
	if o.variable != "" {
		return fmt.Errorf("environment variable %s: %w", o.variable, err)
	}
	return &plugin.KeyError{Key: o.key, Err: err}
}

// get returns the variable of metrics, or the one of all signals. A variable that is
// empty counts as unset.
func (env environment) get(suffix string) (variable, value string) {
	for _, prefix := range []string{envMetrics, envExporter} {
		if value, ok := env(prefix + suffix); ok && strings.TrimSpace(value) != "" {
			return prefix + suffix, strings.TrimSpace(value)
		}
	}
	return "", ""
}

// text returns a setting: of the file where it is there, else of the environment, else
// the usual one.
func (env environment) text(inFile, key, suffix, usual string) (string, origin) {
	if inFile != "" {
		return inFile, origin{key: key}
	}
	if variable, value := env.get(suffix); variable != "" {
		return value, origin{key, variable}
	}
	return usual, origin{key: key}
}

// truth reads a variable that is true or false; unset is false.
func (env environment) truth(suffix string) (bool, error) {
	variable, value := env.get(suffix)
	switch {
	case value == "", strings.EqualFold(value, "false"):
		return false, nil
	case strings.EqualFold(value, "true"):
		return true, nil
	}
	return false, origin{variable: variable}.fault(fmt.Errorf("want true or false, have %q", value))
}

// pairs reads a list such as "a=1,b=2", in which names and values are escaped as in a
// URL. Its errors tell no value, which may be secret.
func pairs(list string) ([]measure.Attribute, error) {
	var all []measure.Attribute
	for i, item := range strings.Split(list, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		name, value, ok := strings.Cut(item, "=")
		key, bad := url.PathUnescape(strings.TrimSpace(name))
		text, bad2 := url.PathUnescape(strings.TrimSpace(value))
		if !ok || key == "" || bad != nil || bad2 != nil {
			return nil, fmt.Errorf("want name=value pairs with commas between and %%XX for what is special, as in a=1,b=x%%2Cy: pair %d is none", i+1)
		}
		all = append(all, measure.Attribute{Key: key, Value: text})
	}
	return all, nil
}

// attributes returns the attributes that the environment has for resources.
func (env environment) attributes() ([]measure.Attribute, error) {
	list, _ := env(envAttributes)
	all, err := pairs(list)
	if err != nil {
		return nil, origin{variable: envAttributes}.fault(err)
	}
	if name, _ := env(envService); name != "" {
		all = append(all, measure.Attribute{Key: "service.name", Value: name})
	}
	// The last one of a key is the one that counts.
	var kept []measure.Attribute
	for _, a := range all {
		kept = slices.DeleteFunc(kept, func(b measure.Attribute) bool { return a.Key == b.Key })
		kept = append(kept, a)
	}
	return kept, nil
}

// temporality reads the preference for metrics. With lowmemory it is delta, which keeps
// no totals.
func (env environment) temporality() (string, error) {
	switch value, _ := env(envTemporality); strings.ToLower(strings.TrimSpace(value)) {
	case "":
		return Delta, nil
	case "delta", "lowmemory":
		return Delta, nil
	case "cumulative":
		return Cumulative, nil
	default:
		return "", origin{variable: envTemporality}.fault(fmt.Errorf(`want one of ["cumulative" "delta" "lowmemory"], have %q`, value))
	}
}

// endpoint reads the variable for a receiver. That of metrics is used as it is; to that
// of all signals the path of metrics is added. With gRPC, one without a scheme is
// encrypted unless the variable INSECURE says otherwise.
func (env environment) endpoint(protocol string) (endpoint, error) {
	variable, raw := env.get("ENDPOINT")
	insecure, err := env.truth("INSECURE")
	if err != nil {
		return endpoint{}, err
	}
	if raw == "" {
		return parseEndpoint(protocol, "")
	}
	if protocol == GRPC && !strings.Contains(raw, "://") {
		scheme := "https://"
		if insecure {
			scheme = "http://"
		}
		raw = scheme + raw
	}
	to, err := readEndpoint(protocol, raw, variable == envMetrics+"ENDPOINT")
	return to, origin{variable: variable}.fault(err)
}

// headers checks headers and gives them names in lower case.
func headers(protocol string, all []measure.Attribute) (map[string]string, error) {
	checked := make(map[string]string, len(all))
	for _, h := range all {
		name := strings.ToLower(h.Key)
		switch {
		case name == "", strings.ContainsFunc(name, notOfHeader(protocol)):
			return nil, fmt.Errorf("%q is no name of a header", h.Key)
		case slices.Contains(ownHeaders(), name), strings.HasPrefix(name, "grpc-"):
			return nil, fmt.Errorf("the header %q is set by the protocol itself", h.Key)
		case strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' || r > '~' }):
			return nil, fmt.Errorf("the value of the header %q has characters that headers cannot have", h.Key)
		}
		if _, twice := checked[name]; twice {
			return nil, fmt.Errorf("the header %q is there twice", h.Key)
		}
		checked[name] = h.Value
	}
	return checked, nil
}

func ownHeaders() []string {
	return []string{"connection", "content-encoding", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"}
}

func notOfHeader(protocol string) func(rune) bool {
	special := "-_."
	if protocol == HTTP {
		special += "!#$%&'*+^`|~"
	}
	return func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(special, r)
	}
}

var errHalf = errors.New("a certificate needs a key, and a key a certificate: set cert_file and key_file, or neither")
