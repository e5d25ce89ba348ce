package k8s

import (
	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
)

// What a pod requests, in protobuf and in JSON. None of it is read where nobody wants it.

// specResources reads a field of a spec.
func (r *podReader) specResources(number protowire.Number, value []byte) {
	switch number {
	case specContainers:
		r.resources.containers = append(r.resources.containers, r.specContainer(value))
	case specInitContainers:
		r.resources.inits = append(r.resources.inits, r.specContainer(value))
	case specOverhead:
		r.quantity(value, &r.resources.overhead)
	case specRequirements:
		r.requests(value, &r.resources.pod)
	}
}

func (r *podReader) specContainer(message []byte) (c containerResources) {
	for number, value := range r.fields(message) {
		switch number {
		case specContainerName:
			c.name = string(value)
		case specContainerResources:
			r.requests(value, &c.requests)
		case specRestart:
			c.sidecar = string(value) == string(corev1.ContainerRestartPolicyAlways)
		}
	}
	return c
}

// statusResources reads a field of a status.
func (r *podReader) statusResources(number protowire.Number, value []byte) {
	switch number {
	case statusConditions:
		var kind, reason string
		for number, value := range r.fields(value) {
			switch number {
			case conditionType:
				kind = string(value)
			case conditionReason:
				reason = string(value)
			}
		}
		r.resources.condition(kind, reason)
	case statusAllocated:
		r.quantity(value, &r.resources.allocated)
	case statusRequirements:
		r.resources.resized = true
		r.requests(value, &r.resources.actuated)
	}
}

// requests reads the requests among the requirements of resources.
func (r *podReader) requests(message []byte, into *quantities) {
	for number, value := range r.fields(message) {
		if number == requirementsRequests {
			r.quantity(value, into)
		}
	}
}

// quantity reads an entry of a list of resources. A quantity without a text is zero.
func (r *podReader) quantity(entry []byte, into *quantities) {
	name, value := r.entry(entry)
	said := "0"
	for number, text := range r.fields(value) {
		if number == quantityText {
			said = string(text)
		}
	}
	if r.err == nil {
		into.take(name, said)
	}
}

// specResources reads a member of a spec.
func (r *jsonPodReader) specResources(name []byte) {
	switch string(name) {
	case "containers":
		r.resources.containers = r.specContainers()
	case "initContainers":
		r.resources.inits = r.specContainers()
	case "overhead":
		r.quantities(&r.resources.overhead)
	case "resources":
		r.requests(&r.resources.pod)
	}
}

func (r *jsonPodReader) specContainers() (all []containerResources) {
	for range r.elements() {
		var c containerResources
		for name := range r.members() {
			switch string(name) {
			case "name":
				c.name = r.string()
			case "resources":
				r.requests(&c.requests)
			case "restartPolicy":
				c.sidecar = r.string() == string(corev1.ContainerRestartPolicyAlways)
			}
		}
		all = append(all, c)
	}
	return all
}

// statusResources reads a member of a status.
func (r *jsonPodReader) statusResources(name []byte) {
	switch string(name) {
	case "conditions":
		r.resources.pending, r.resources.infeasible = false, false
		for range r.elements() {
			var kind, reason string
			for name := range r.members() {
				switch string(name) {
				case "type":
					kind = r.string()
				case "reason":
					reason = r.string()
				}
			}
			r.resources.condition(kind, reason)
		}
	case "allocatedResources":
		r.quantities(&r.resources.allocated)
	case "resources":
		r.resources.resized = r.resources.resized || r.tokens.PeekKind() != 'n'
		r.requests(&r.resources.actuated)
	}
}

// requests reads the requests among the requirements of resources.
func (r *jsonPodReader) requests(into *quantities) {
	for name := range r.members() {
		if string(name) == "requests" {
			r.quantities(into)
		}
	}
}

// quantities reads a list of resources. What is neither a text nor a number is a quantity
// that cannot be read.
func (r *jsonPodReader) quantities(into *quantities) {
	into.set = into.set || r.tokens.PeekKind() == '{'
	for name := range r.members() {
		switch kind := r.tokens.PeekKind(); kind {
		case '"':
			into.take(name, r.string())
		case '0':
			into.take(name, r.token('0').String())
		case 'n':
			into.take(name, "0")
		default:
			into.take(name, "")
		}
	}
}
