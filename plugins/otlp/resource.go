package otlp

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/podjoule/podjoule/agent/measure"
)

// conventional returns the name that the OpenTelemetry conventions have for an
// attribute of a series about a pod, on the resource. It reports false for one that
// they do not know there; such an attribute stands on the points alone. So does the
// pod's phase, though it has a name, since it changes and a resource should not.
//
// The names are those of the registry: model/k8s/registry.yaml.
func conventional(s *measure.Series, key string) (name string, ok bool) {
	switch key {
	case "uid":
		return "k8s.pod.uid", true
	case "name":
		return "k8s.pod.name", true
	case "namespace":
		return "k8s.namespace.name", true
	case "node":
		return "k8s.node.name", true
	case "workload":
		kind, _ := s.Attribute("workload_kind")
		return ofWorkload(kind)
	}
	if label, ok := strings.CutPrefix(key, "label:"); ok {
		return "k8s.pod.label." + label, true
	}
	if annotation, ok := strings.CutPrefix(key, "annotation:"); ok {
		return "k8s.pod.annotation." + annotation, true
	}
	return "", false
}

// ofWorkload returns the name of the attribute that has the name of a workload.
func ofWorkload(kind string) (name string, ok bool) {
	switch kind {
	case "CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet":
		return "k8s." + strings.ToLower(kind) + ".name", true
	}
	return "", false
}

// onResource tells whether the resource of a series tells an attribute.
func onResource(s *measure.Series, key string, ofPod bool) bool {
	if !ofPod {
		return key == "node"
	}
	if key == "workload_kind" { // told by the name of the attribute that has the workload's
		key = "workload"
	}
	_, ok := conventional(s, key)
	return ok
}

// podResource is the resource of a pod, as the attributes of one series tell it.
type podResource []measure.Attribute

// resourceOf returns what a series tells about its pod's resource.
func resourceOf(s *measure.Series) podResource {
	var r podResource
	for _, key := range [...]string{"uid", "name", "namespace", "node"} {
		if value, ok := s.Attribute(key); ok {
			name, _ := conventional(s, key)
			r = append(r, measure.Attribute{Key: name, Value: value})
		}
	}
	first := len(r)
	for _, a := range s.Attributes {
		name, ok := conventional(s, a.Key)
		if ok && !r[:first].has(name) {
			r = append(r, measure.Attribute{Key: name, Value: a.Value})
		}
	}
	return r
}

func (r podResource) has(key string) bool {
	for i := range r {
		if r[i].Key == key {
			return true
		}
	}
	return false
}

// identity returns a text that is another one for each resource.
func (r podResource) identity() string {
	var b strings.Builder
	for _, a := range r {
		b.WriteString(a.Key)
		b.WriteByte(0xff) // which no UTF-8 text has
		b.WriteString(validText(a.Value))
		b.WriteByte(0xff)
	}
	return b.String()
}

// put writes the attributes of the resource.
func (r podResource) put(to pcommon.Map) {
	for _, a := range r {
		to.PutStr(a.Key, validText(a.Value))
	}
}
