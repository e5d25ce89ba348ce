package k8s

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// jsonPods is a PodList in JSON, as far as it is used.
type jsonPods struct {
	Kind  string    `json:"kind"`
	Items jsonItems `json:"items"`
}

// jsonItems are the items of a PodList, of which what is used is kept while they are
// read.
type jsonItems struct {
	chosen  *choice
	objects []podObject
}

// UnmarshalJSONFrom reads one pod after the other.
func (items *jsonItems) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch kind := d.PeekKind(); kind {
	case 'n':
		return d.SkipValue()
	case '[':
	default:
		return fmt.Errorf("the items begin with %v, want a list", kind)
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '{' {
		p := newJSONPod(items.chosen)
		if err := json.UnmarshalDecode(d, p); err != nil {
			return err
		}
		items.objects = append(items.objects, p.object(items.chosen))
	}
	end, err := d.ReadToken()
	if err == nil && end.Kind() != ']' {
		err = fmt.Errorf("an item is %v, want a pod", end.Kind())
	}
	return err
}

// jsonPod is a Pod in JSON, as far as it is used.
type jsonPod struct {
	Metadata struct {
		UID         string                `json:"uid"`
		Name        string                `json:"name"`
		Namespace   string                `json:"namespace"`
		Version     string                `json:"resourceVersion"`
		Created     optional[string]      `json:"creationTimestamp"`
		Labels      jsonTexts             `json:"labels"`
		Annotations jsonTexts             `json:"annotations"`
		Owners      optional[[]jsonOwner] `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		Phase     optional[string] `json:"phase"`
		Init      []jsonContainer  `json:"initContainerStatuses"`
		Main      []jsonContainer  `json:"containerStatuses"`
		Ephemeral []jsonContainer  `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

type jsonContainer struct {
	Name  string    `json:"name"`
	ID    string    `json:"containerID"`
	State jsonState `json:"state"`
	Last  jsonState `json:"lastState"`
}

type jsonState struct {
	Terminated struct {
		ID string `json:"containerID"`
	} `json:"terminated"`
}

type jsonOwner struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Controller bool   `json:"controller"`
}

// newJSONPod returns a pod into which is read what the choice needs.
func newJSONPod(chosen *choice) *jsonPod {
	p := new(jsonPod)
	m := &p.Metadata
	m.Labels.wanted, m.Annotations.wanted = chosen.wantsLabel, chosen.wantsAnnotation
	m.Owners.wanted, m.Created.wanted = chosen.wantsOwner(), chosen.wantsOwner()
	p.Status.Phase.wanted = chosen.wantsPhase()
	return p
}

// object takes what is used of a pod.
func (p *jsonPod) object(chosen *choice) podObject {
	m := &p.Metadata
	o := podObject{chosen: chosen, node: p.Spec.NodeName, version: m.Version, end: m.Annotations.picked[annotationEnd] == "true"}
	if m.UID == "" {
		return o
	}
	o.pod = &pod{
		uid: m.UID, hash: m.Annotations.picked[annotationHash],
		name: m.Name, namespace: m.Namespace, containers: make(map[string]string),
		attributes: chosen.of(p.traits()),
	}
	for _, statuses := range [][]jsonContainer{p.Status.Init, p.Status.Main, p.Status.Ephemeral} {
		for i := range statuses {
			c := &statuses[i]
			o.pod.nameContainer(c.Name, c.ID, c.State.Terminated.ID, c.Last.Terminated.ID)
		}
	}
	return o
}

// traits takes what a pod says about itself.
func (p *jsonPod) traits() *traits {
	m := &p.Metadata
	t := &traits{
		node: p.Spec.NodeName, static: m.Annotations.picked[annotationHash] != "",
		labels: m.Labels.picked, annotations: m.Annotations.picked,
		phase: p.Status.Phase.value,
	}
	if created, err := time.Parse(time.RFC3339, m.Created.value); err == nil {
		t.created = created
	} // the kubelet's static pods have none
	for _, o := range m.Owners.value {
		if o.Controller {
			t.controller = owner{o.APIVersion, o.Kind, o.Name}
			break
		}
	}
	return t
}
