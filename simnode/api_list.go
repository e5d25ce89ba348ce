package simnode

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// selection is what a list or a watch asks for.
type selection struct {
	metav1.ListOptions
	namespace string // empty for all
	labels    labels.Selector
	fields    fields.Selector
	version   uint64 // ResourceVersion, 0 when there is none
}

// selectable are the fields of a pod by which it can be selected.
func selectable(pod *corev1.Pod) fields.Set {
	return fields.Set{
		"metadata.name":      pod.Name,
		"metadata.namespace": pod.Namespace,
		"spec.nodeName":      pod.Spec.NodeName,
		"status.phase":       string(pod.Status.Phase),
	}
}

// selection reads the query of a list or a watch. Its errors are a Status 400.
func (a *API) selection(r *http.Request) (*selection, error) {
	s := &selection{namespace: r.PathValue("namespace")}
	if err := a.media.parameters.DecodeParameters(r.URL.Query(), corev1.SchemeGroupVersion, &s.ListOptions); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	var err error
	if s.labels, err = labels.Parse(s.LabelSelector); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("unable to parse labelSelector: %v", err))
	}
	if s.fields, err = fields.ParseSelector(s.FieldSelector); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("unable to parse fieldSelector: %v", err))
	}
	known := selectable(&corev1.Pod{})
	for _, q := range s.fields.Requirements() {
		if !known.Has(q.Field) {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("field label not supported: %s", q.Field))
		}
	}
	if s.ResourceVersion != "" {
		if s.version, err = strconv.ParseUint(s.ResourceVersion, 10, 64); err != nil {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid resource version %q", s.ResourceVersion))
		}
	}
	return s, s.check()
}

// check refuses options that contradict each other.
func (s *selection) check() error {
	match := s.ResourceVersionMatch
	initial := s.SendInitialEvents != nil
	var problem string
	switch {
	case match != "" && match != metav1.ResourceVersionMatchExact && match != metav1.ResourceVersionMatchNotOlderThan:
		problem = fmt.Sprintf("resourceVersionMatch %q is not supported", match)
	case s.Limit < 0:
		problem = "limit is negative"
	case initial && !s.Watch:
		problem = "sendInitialEvents is forbidden for list"
	case initial && match != metav1.ResourceVersionMatchNotOlderThan:
		problem = "sendInitialEvents requires resourceVersionMatch=NotOlderThan"
	case s.Watch && match != "" && !initial:
		problem = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
	case !s.Watch && match != "" && s.ResourceVersion == "":
		problem = "resourceVersionMatch is forbidden unless resourceVersion is provided"
	case match == metav1.ResourceVersionMatchExact && s.ResourceVersion == "0":
		problem = `resourceVersionMatch "Exact" is forbidden for resourceVersion "0"`
	case s.Continue != "" && s.ResourceVersion != "":
		problem = "specifying resource version is not allowed when using continue"
	default:
		return nil
	}
	return apierrors.NewBadRequest(problem)
}

func (s *selection) matches(pod *corev1.Pod) bool {
	return pod != nil && (s.namespace == "" || pod.Namespace == s.namespace) &&
		s.labels.Matches(labels.Set(pod.Labels)) && s.fields.Matches(selectable(pod))
}

// servePods answers a list or a watch.
func (a *API) servePods(w http.ResponseWriter, r *http.Request) {
	s, err := a.selection(r)
	right := ListPods
	if err == nil && s.Watch {
		right = WatchPods
	}
	if denied := a.tokens.authorize(r, right, r.PathValue("namespace"), ""); denied != nil {
		err = denied
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if s.Watch {
		a.serveWatch(w, r, s)
		return
	}
	list, err := a.list(s)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.answer(w, r, http.StatusOK, list)
}

// list returns one page of pods.
func (a *API) list(s *selection) (*corev1.PodList, error) {
	pods, version, _ := a.store.current()
	var after string
	exact := s.ResourceVersionMatch == metav1.ResourceVersionMatchExact ||
		(s.ResourceVersionMatch == "" && s.Limit > 0 && s.version > 0)
	switch {
	case s.Continue != "":
		page, err := parseContinue(s.Continue)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		version, after = page.Version, page.After
	case s.version > version:
		return nil, tooLarge(s.version, version)
	case exact:
		version = s.version
	}
	if s.Continue != "" || exact {
		var ok bool
		if pods, ok = a.store.at(version); !ok {
			return nil, apierrors.NewResourceExpired(fmt.Sprintf("the requested version %d is too old or unknown; list again from the start", version))
		}
	}
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: formatVersion(version)}, Items: []corev1.Pod{}}
	for _, pod := range pods {
		if !s.matches(pod) || (after != "" && podKey(pod.Namespace, pod.Name) <= after) {
			continue
		}
		// A list at version 0 comes from a cache that knows no pages.
		if s.Limit > 0 && s.ResourceVersion != "0" && int64(len(list.Items)) == s.Limit {
			last := &list.Items[len(list.Items)-1]
			list.Continue = formatContinue(page{version, podKey(last.Namespace, last.Name)})
			break
		}
		list.Items = append(list.Items, *pod)
	}
	return list, nil
}

// tooLarge is the error of a client that asks for a version of the future.
func tooLarge(want, have uint64) error {
	err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", want, have), 1)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{
		Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version",
	}}
	return err
}

// page is where a list goes on: after the pod with the key After, as of a version.
type page struct {
	Version uint64 `json:"version"`
	After   string `json:"after"`
}

func formatContinue(p page) string {
	b, _ := json.Marshal(p) // a struct of a number and a string always marshals
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseContinue(token string) (page, error) {
	var p page
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err == nil && (p.Version == 0 || p.After == "") {
		err = errors.New("it names no page")
	}
	if err != nil {
		return page{}, fmt.Errorf("continue token is not valid: %w", err)
	}
	return p, nil
}
