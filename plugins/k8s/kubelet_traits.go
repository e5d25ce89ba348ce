package k8s

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// kubeletItems are the items of a PodList, of which what is used is kept while they
// are read.
type kubeletItems struct {
	node                string
	chosen              *choice
	labels, annotations []string // the keys that are read
	pods                []*pod
}

func newKubeletItems(node string, chosen *choice) kubeletItems {
	items := kubeletItems{node: node, chosen: chosen, annotations: []string{annotationHash}, pods: []*pod{}}
	for _, l := range chosen.labels {
		items.labels = append(items.labels, l.key)
	}
	for _, a := range chosen.annotations {
		items.annotations = append(items.annotations, a.key)
	}
	if chosen.workload {
		items.labels = append(items.labels, labelTemplateHash)
	}
	return items
}

// UnmarshalJSONFrom reads one pod after the other.
func (items *kubeletItems) UnmarshalJSONFrom(d *jsontext.Decoder) error {
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
		var p kubeletPod
		p.Metadata.Labels.keys, p.Metadata.Annotations.keys = items.labels, items.annotations
		p.Metadata.Owners.wanted, p.Metadata.Created.wanted = items.chosen.workload, items.chosen.workload
		p.Status.Phase.wanted = items.chosen.phase
		if err := json.UnmarshalDecode(d, &p); err != nil {
			return err
		}
		if known := p.pod(items.node, items.chosen); known != nil {
			items.pods = append(items.pods, known)
		}
	}
	end, err := d.ReadToken()
	if err == nil && end.Kind() != ']' {
		err = fmt.Errorf("an item is %v, want a pod", end.Kind())
	}
	return err
}

// kubeletTexts are the texts of an object that have one of the keys.
type kubeletTexts struct {
	keys   []string
	picked map[string]string
}

// UnmarshalJSONFrom passes over what is not wanted, and what is no text.
func (t *kubeletTexts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if len(t.keys) == 0 || d.PeekKind() != '{' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	var name []byte
	for d.PeekKind() == '"' {
		quoted, err := d.ReadValue()
		if err != nil {
			return err
		}
		name, _ = jsontext.AppendUnquote(name[:0], quoted) // it was read, so it is a text
		i := slices.IndexFunc(t.keys, func(key string) bool { return key == string(name) })
		if i < 0 || d.PeekKind() != '"' {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		text, err := d.ReadToken()
		if err != nil {
			return err
		}
		if t.picked == nil {
			t.picked = make(map[string]string, len(t.keys))
		}
		t.picked[t.keys[i]] = text.String()
	}
	_, err := d.ReadToken() // the end of the object, or what is wrong with it
	return err
}

// optional is a value that is read if it is wanted.
type optional[T any] struct {
	wanted bool
	value  T
}

// UnmarshalJSONFrom passes over what is not wanted.
func (o *optional[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if !o.wanted {
		return d.SkipValue()
	}
	return json.UnmarshalDecode(d, &o.value)
}

type kubeletOwner struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Controller bool   `json:"controller"`
}

// pod takes what is used of a pod, or returns nil for one of another node.
func (p *kubeletPod) pod(node string, chosen *choice) *pod {
	m := &p.Metadata
	if m.UID == "" || p.Spec.NodeName != node {
		return nil
	}
	known := &pod{
		uid: m.UID, hash: m.Annotations.picked[annotationHash],
		name: m.Name, namespace: m.Namespace, containers: make(map[string]string),
		attributes: chosen.of(p.traits()),
	}
	for _, statuses := range [][]kubeletContainer{p.Status.Init, p.Status.Main, p.Status.Ephemeral} {
		for i := range statuses {
			c := &statuses[i]
			known.nameContainer(c.Name, c.ID, c.State.Terminated.ID, c.Last.Terminated.ID)
		}
	}
	return known
}

// traits takes what a pod of the kubelet says about itself.
func (p *kubeletPod) traits() *traits {
	m := &p.Metadata
	t := &traits{
		node: p.Spec.NodeName, static: m.Annotations.picked[annotationHash] != "",
		labels: m.Labels.picked, annotations: m.Annotations.picked,
		phase: p.Status.Phase.value,
	}
	if created, err := time.Parse(time.RFC3339, m.Created.value); err == nil {
		t.created = created
	} // a static pod has none
	for _, o := range m.Owners.value {
		if o.Controller {
			t.controller = owner{o.APIVersion, o.Kind, o.Name}
			break
		}
	}
	return t
}
