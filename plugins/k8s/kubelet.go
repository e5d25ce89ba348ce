package k8s

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/token"
)

// answerLimit is more than the pods of any node: one with 500 pods of two
// containers answers with 3 MB.
const answerLimit = 64 << 20

// kubelet is the node's kubelet, which lists the pods that it runs, the static ones
// under the UIDs of their files.
type kubelet struct {
	*access
	pods, node string // the URL of the pods
	chosen     *choice
}

func newKubelet(c *Config, node string, chosen *choice, tokens *token.Source, host *plugin.Host) (*kubelet, error) {
	access, err := newAccess(c, c.KubeletURL, tokens, host)
	if err != nil {
		return nil, err
	}
	whole, err := url.JoinPath(c.KubeletURL, "pods")
	if err != nil {
		return nil, fmt.Errorf("kubelet_url: %w", err)
	}
	return &kubelet{access: access, pods: whole, node: node, chosen: chosen}, nil
}

// list implements lister.
func (k *kubelet) list(ctx context.Context) ([]*pod, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.pods, nil)
	if err != nil {
		return nil, fmt.Errorf("list the pods of node %s: %w", k.node, err)
	}
	request.Header.Set("Accept", "application/json")
	answer, err := k.http.Do(request)
	if err != nil {
		return nil, k.explain(withoutURL(err), k.remedy(err, "kubelet_url has to be this node's, as seen from here"))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 200))      // without it the status says enough
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After")) // a date counts as none
		err = &busyError{fmt.Errorf("status %d: %s", answer.StatusCode, strings.TrimSpace(string(said))), seconds}
		return nil, k.explain(err, k.remedyOfAnswer(answer.StatusCode))
	}
	pods, err := decodePods(&io.LimitedReader{R: answer.Body, N: answerLimit}, k.node, k.chosen)
	if err != nil {
		return nil, k.explain(err, remedyUnreadable)
	}
	return pods, nil
}

func (k *kubelet) remedyOfAnswer(status int) string {
	switch status {
	case http.StatusForbidden:
		return "the service account needs the verb get on the resource nodes/pods, before Kubernetes 1.33 on nodes/proxy"
	case http.StatusNotFound:
		return "is kubelet_url that of a kubelet?"
	}
	return k.remedyOfStatus(status)
}

func (k *kubelet) explain(err error, remedy string) error {
	if remedy != "" {
		remedy = "; " + remedy
	}
	return fmt.Errorf("list the pods of node %s at %s: %w%s", k.node, k.place(), err, remedy)
}

// decodePods reads a PodList in JSON, and keeps of it what is used. A reader that
// has a limit is one whose answer is too long when the limit is reached.
func decodePods(r *io.LimitedReader, node string, chosen *choice) ([]*pod, error) {
	list, err := readJSONList(r, chosen)
	switch {
	case r.N <= 0:
		return nil, fmt.Errorf("an answer of more than %d MiB", answerLimit>>20)
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case list.Kind != "PodList":
		return nil, fmt.Errorf("the answer is of kind %.40q, want PodList", list.Kind)
	}
	return list.of(node), nil
}
