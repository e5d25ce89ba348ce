package k8s

import (
	"iter"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields that are used, from generated.proto of k8s.io/api/core/v1,
// k8s.io/apimachinery/pkg/apis/meta/v1 and k8s.io/apimachinery/pkg/runtime. A number
// never gets another meaning in one version of the API.
const (
	envelopeType, envelopeRaw           = 1, 2
	envelopeEncoding                    = 3
	typeVersion, typeKind               = 1, 2
	eventType, eventObject              = 1, 2
	extensionRaw                        = 1
	listMetadata, listItems             = 1, 2
	podMetadata, podSpec, podStatus     = 1, 2, 3
	metaName, metaNamespace, metaUID    = 1, 3, 5
	metaVersion, metaCreated            = 6, 8
	metaLabels, metaAnnotations         = 11, 12
	metaOwners                          = 13
	timeSeconds                         = 1
	ownerKind, ownerName                = 1, 3
	ownerVersion, ownerController       = 5, 6
	entryKey, entryValue                = 1, 2
	specNodeName                        = 10
	statusPhase                         = 1
	statusMain, statusInit              = 8, 10
	statusEphemeral                     = 13
	containerName, containerState       = 1, 2
	containerLastState, containerID     = 3, 8
	stateTerminated, terminatedIDNumber = 3, 7

	specContainers, specInitContainers       = 2, 20
	specOverhead, specRequirements           = 32, 40
	specContainerName                        = 1
	specContainerResources, specRestart      = 8, 24
	requirementsRequests                     = 2
	quantityText                             = 1
	statusConditions                         = 2
	conditionType, conditionReason           = 1, 5
	statusAllocated, statusRequirements      = 19, 20
	containerAllocated, containerRequirement = 10, 11
)

// fieldReader reads messages in protobuf. The first error stays.
type fieldReader struct{ err error }

// fields yields the fields of a message that have a length: texts, messages and the
// entries of maps. All others are skipped, as none of them is used. A value is a part
// of the message.
func (r *fieldReader) fields(message []byte) iter.Seq2[protowire.Number, []byte] {
	return func(yield func(protowire.Number, []byte) bool) {
		for len(message) > 0 && r.err == nil {
			number, kind, n := protowire.ConsumeTag(message)
			if n < 0 {
				r.err = protowire.ParseError(n)
				return
			}
			message = message[n:]
			var value []byte
			if kind == protowire.BytesType {
				value, n = protowire.ConsumeBytes(message)
			} else {
				n = protowire.ConsumeFieldValue(number, kind, message)
			}
			if n < 0 {
				r.err = protowire.ParseError(n)
				return
			}
			message = message[n:]
			if kind == protowire.BytesType && !yield(number, value) {
				return
			}
		}
	}
}

// number returns the last value of a field that is a number.
func (r *fieldReader) number(message []byte, wanted protowire.Number) (last uint64) {
	for len(message) > 0 && r.err == nil {
		number, kind, n := protowire.ConsumeTag(message)
		if n >= 0 {
			message = message[n:]
			if kind == protowire.VarintType && number == wanted {
				last, n = protowire.ConsumeVarint(message)
			} else {
				n = protowire.ConsumeFieldValue(number, kind, message)
			}
		}
		if n < 0 {
			r.err = protowire.ParseError(n)
			return 0
		}
		message = message[n:]
	}
	return last
}

// podReader reads a Pod. A field that comes twice counts as protobuf has it: the last
// text, and messages merged.
type podReader struct {
	fieldReader
	podParts
}

func (r *podReader) pod(message []byte) {
	for number, value := range r.fields(message) {
		switch number {
		case podMetadata:
			r.metadata(value)
		case podSpec:
			r.spec(value)
		case podStatus:
			r.status(value)
		}
	}
}

func (r *podReader) metadata(message []byte) {
	for number, value := range r.fields(message) {
		switch number {
		case metaName:
			r.name = string(value)
		case metaNamespace:
			r.namespace = string(value)
		case metaUID:
			r.uid = string(value)
		case metaVersion:
			r.version = string(value)
		case metaCreated:
			if r.chosen.wantsOwner() {
				r.created = r.time(value)
			}
		case metaLabels:
			if !r.chosen.wantsLabels() {
				continue
			}
			if key, text := r.entry(value); r.chosen.wantsLabel(key) {
				r.label(key, string(text))
			}
		case metaAnnotations:
			if key, text := r.entry(value); r.chosen.wantsAnnotation(key) {
				r.annotation(key, string(text))
			}
		case metaOwners:
			if r.chosen.wantsOwner() {
				r.owner(value)
			}
		}
	}
}

// time reads a time of a pod, which 1970 cannot be.
func (r *podReader) time(message []byte) time.Time {
	if seconds := int64(r.number(message, timeSeconds)); seconds != 0 {
		return time.Unix(seconds, 0)
	}
	return time.Time{}
}

// owner takes the first owner that is the controller.
func (r *podReader) owner(message []byte) {
	if r.controlled || r.number(message, ownerController) == 0 {
		return
	}
	r.controlled = true
	for number, value := range r.fields(message) {
		switch number {
		case ownerKind:
			r.controller.kind = string(value)
		case ownerName:
			r.controller.name = string(value)
		case ownerVersion:
			r.controller.apiVersion = string(value)
		}
	}
}

// entry reads an entry of a map from texts to texts.
func (r *podReader) entry(message []byte) (key, value []byte) {
	for number, text := range r.fields(message) {
		switch number {
		case entryKey:
			key = text
		case entryValue:
			value = text
		}
	}
	return key, value
}

func (r *podReader) spec(message []byte) {
	for number, value := range r.fields(message) {
		if number == specNodeName {
			r.node = string(value)
		} else if r.resources != nil {
			r.specResources(number, value)
		}
	}
}

func (r *podReader) status(message []byte) {
	for number, value := range r.fields(message) {
		switch number {
		case statusPhase:
			if r.chosen.wantsPhase() {
				r.phase = string(value)
			}
		case statusInit:
			r.statuses[0] = append(r.statuses[0], r.container(value))
		case statusMain:
			r.statuses[1] = append(r.statuses[1], r.container(value))
		case statusEphemeral:
			r.statuses[2] = append(r.statuses[2], r.container(value))
		default:
			if r.resources != nil {
				r.statusResources(number, value)
			}
		}
	}
}

func (r *podReader) container(message []byte) containerStatus {
	c := r.newStatus()
	for number, value := range r.fields(message) {
		switch number {
		case containerName:
			c.name = string(value)
		case containerID:
			c.ids[0] = string(value)
		case containerState:
			r.terminated(value, &c.ids[1])
		case containerLastState:
			r.terminated(value, &c.ids[2])
		case containerAllocated:
			if c.granted != nil {
				r.quantity(value, &c.granted.allocated)
			}
		case containerRequirement:
			if c.granted != nil {
				r.requests(value, &c.granted.actuated)
			}
		}
	}
	return c
}

// terminated finds the id in a state that is an end.
func (r *podReader) terminated(state []byte, id *string) {
	for number, value := range r.fields(state) {
		if number != stateTerminated {
			continue
		}
		for number, value := range r.fields(value) {
			if number == terminatedIDNumber {
				*id = string(value)
			}
		}
	}
}
