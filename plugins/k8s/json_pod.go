package k8s

import (
	"fmt"
	"io"
	"time"
)

// jsonPodReader reads Pods, and lists of them, in JSON. Of a member that comes twice
// the last one counts, or both if it is an object.
type jsonPodReader struct {
	jsonReader
	podParts
}

// readJSONPod reads a Pod.
func readJSONPod(from io.Reader, chosen *choice) (podObject, error) {
	r := jsonPodReader{jsonReader: newJSONReader(from)}
	object := r.pod(chosen)
	return object, r.close()
}

// readJSONList reads a PodList one pod after the other.
func readJSONList(from io.Reader, chosen *choice) (*podObjectList, error) {
	r := jsonPodReader{jsonReader: newJSONReader(from)}
	list := &podObjectList{chosen: chosen}
	for name := range r.members() {
		switch string(name) {
		case "kind":
			list.Kind = r.string()
		case "metadata":
			r.listMetadata(list)
		case "items":
			for range r.elements() {
				if kind := r.tokens.PeekKind(); kind != '{' && kind != 0 {
					r.err = fmt.Errorf("an item is %s, want a pod", kindName(kind))
					break
				}
				list.Items = append(list.Items, r.pod(chosen))
			}
		}
	}
	return list, r.close()
}

func (r *jsonPodReader) listMetadata(list *podObjectList) {
	for name := range r.members() {
		switch string(name) {
		case "resourceVersion":
			list.ResourceVersion = r.string()
		case "continue":
			list.Continue = r.string()
		}
	}
}

func (r *jsonPodReader) pod(chosen *choice) podObject {
	r.podParts = newPodParts(chosen)
	for name := range r.members() {
		switch string(name) {
		case "metadata":
			r.metadata()
		case "spec":
			r.spec()
		case "status":
			r.status()
		}
	}
	return r.object()
}

func (r *jsonPodReader) metadata() {
	for name := range r.members() {
		switch string(name) {
		case "name":
			r.name = r.string()
		case "namespace":
			r.namespace = r.string()
		case "uid":
			r.uid = r.string()
		case "resourceVersion":
			r.version = r.string()
		case "creationTimestamp":
			if r.chosen.wantsOwner() {
				r.created, _ = time.Parse(time.RFC3339, r.string()) // the kubelet's static pods have none
			}
		case "labels":
			if r.chosen.wantsLabels() {
				r.texts(r.chosen.wantsLabel, r.label)
			}
		case "annotations":
			r.texts(r.chosen.wantsAnnotation, r.annotation)
		case "ownerReferences":
			if r.chosen.wantsOwner() {
				for range r.elements() {
					r.owner()
				}
			}
		}
	}
}

// texts takes the texts of an object that are wanted. What is no object, and what is
// no text, is passed over.
func (r *jsonPodReader) texts(wanted func(key []byte) bool, take func(key []byte, text string)) {
	if r.tokens.PeekKind() != '{' {
		return
	}
	for key := range r.members() {
		if wanted(key) && r.tokens.PeekKind() == '"' {
			take(key, r.string())
		}
	}
}

// owner takes the first owner that is the controller.
func (r *jsonPodReader) owner() {
	var o owner
	controls := false
	for name := range r.members() {
		switch string(name) {
		case "apiVersion":
			o.apiVersion = r.string()
		case "kind":
			o.kind = r.string()
		case "name":
			o.name = r.string()
		case "controller":
			controls = r.isTrue()
		}
	}
	if controls && !r.controlled {
		r.controlled, r.controller = true, o
	}
}

func (r *jsonPodReader) spec() {
	for name := range r.members() {
		if string(name) == "nodeName" {
			r.node = r.string()
		} else if r.resources != nil {
			r.specResources(name)
		}
	}
}

func (r *jsonPodReader) status() {
	for name := range r.members() {
		switch string(name) {
		case "phase":
			if r.chosen.wantsPhase() {
				r.phase = r.string()
			}
		case "initContainerStatuses":
			r.statuses[0] = r.containers()
		case "containerStatuses":
			r.statuses[1] = r.containers()
		case "ephemeralContainerStatuses":
			r.statuses[2] = r.containers()
		default:
			if r.resources != nil {
				r.statusResources(name)
			}
		}
	}
}

func (r *jsonPodReader) containers() (all []containerStatus) {
	for range r.elements() {
		c := r.newStatus()
		for name := range r.members() {
			switch string(name) {
			case "name":
				c.name = r.string()
			case "containerID":
				c.ids[0] = r.string()
			case "state":
				r.terminated(&c.ids[1])
			case "lastState":
				r.terminated(&c.ids[2])
			case "allocatedResources":
				if c.granted != nil {
					r.quantities(&c.granted.allocated)
				}
			case "resources":
				if c.granted != nil {
					r.requests(&c.granted.actuated)
				}
			}
		}
		all = append(all, c)
	}
	return all
}

// terminated finds the id in a state that is an end.
func (r *jsonPodReader) terminated(id *string) {
	for name := range r.members() {
		if string(name) != "terminated" {
			continue
		}
		for name := range r.members() {
			if string(name) == "containerID" {
				*id = r.string()
			}
		}
	}
}
