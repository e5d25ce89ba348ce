package k8s

import "time"

// podParts is what is read of a Pod, in whatever form it comes. It holds nothing of
// the answer.
type podParts struct {
	chosen *choice

	uid, name, namespace, version, hash, node, phase string

	labels, annotations map[string]string // that are wanted
	controlled          bool
	controller          owner
	created             time.Time // zero without one, as the kubelet's static pods are

	end       bool
	statuses  [3][]containerStatus // init, main, ephemeral
	resources *resourceParts       // nil where nobody wants them
}

// containerStatus is a container's name, its id, and those before its last restarts.
type containerStatus struct {
	name    string
	ids     [3]string         // as runtime://id: now, of a state and of the last state that are ends
	granted *grantedResources // nil where nobody wants it
}

func newPodParts(chosen *choice) podParts {
	p := podParts{chosen: chosen}
	if chosen.wantsRequests() {
		p.resources = new(resourceParts)
	}
	return p
}

// newStatus returns the status of a container, to be filled.
func (p *podParts) newStatus() containerStatus {
	if p.resources == nil {
		return containerStatus{}
	}
	return containerStatus{granted: new(grantedResources)}
}

func (p *podParts) label(key []byte, value string) { p.labels = keep(p.labels, key, value) }

func (p *podParts) annotation(key []byte, value string) {
	switch string(key) {
	case annotationHash:
		p.hash = value
	case annotationEnd:
		p.end = value == "true"
	}
	p.annotations = keep(p.annotations, key, value)
}

func keep(texts map[string]string, key []byte, text string) map[string]string {
	if texts == nil {
		texts = make(map[string]string)
	}
	texts[string(key)] = text
	return texts
}

// object returns what was read.
func (p *podParts) object() podObject {
	return podObject{chosen: p.chosen, pod: p.known(), node: p.node, version: p.version, end: p.end}
}

// known returns the pod, or nil of an object without a UID.
func (p *podParts) known() *pod {
	if p.uid == "" {
		return nil
	}
	known := &pod{
		uid: p.uid, hash: p.hash, name: p.name, namespace: p.namespace,
		containers: make(map[string]string), attributes: p.chosen.of(p.traits()),
		requests: p.resources.reserved(p.statuses[1], p.statuses[0]),
	}
	for _, statuses := range p.statuses {
		for i := range statuses {
			known.nameContainer(statuses[i].name, statuses[i].ids[:]...)
		}
	}
	return known
}

// traits takes what the pod says about itself.
func (p *podParts) traits() *traits {
	return &traits{
		node: p.node, static: p.hash != "", labels: p.labels, annotations: p.annotations,
		controller: p.controller, created: p.created, phase: p.phase,
	}
}
