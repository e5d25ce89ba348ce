package k8s

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// execLimit bounds a request whose credentials come from a command, as it may sign
// in somewhere first.
const execLimit = time.Minute

// execTransport guards requests whose credentials come from the command of a
// kubeconfig. client-go waits for that without end, so a request is given up when its
// time is over or its context ends; at most two are left waiting. And its errors may
// hold what the command printed.
type execTransport struct {
	next    http.RoundTripper
	command string
	limit   time.Duration
	waiting chan struct{}
}

func newExecTransport(next http.RoundTripper, command string) *execTransport {
	return &execTransport{next: next, command: command, limit: execLimit, waiting: make(chan struct{}, 2)}
}

type answer struct {
	resp *http.Response
	err  error
}

// RoundTrip implements http.RoundTripper.
func (t *execTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	limit := time.NewTimer(t.limit)
	defer limit.Stop()
	late := fmt.Errorf("the command %s of the kubeconfig does not end", t.command)
	select {
	case t.waiting <- struct{}{}:
	case <-limit.C:
		return nil, &credentialError{late}
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	answers := make(chan answer)
	givenUp := make(chan struct{})
	defer close(givenUp)
	go func() {
		defer func() { <-t.waiting }()
		resp, err := t.next.RoundTrip(r)
		select {
		case answers <- answer{resp, err}:
		case <-givenUp:
			if err == nil {
				resp.Body.Close()
			}
		}
	}()
	select {
	case a := <-answers:
		return a.resp, t.plain(a.err)
	case <-limit.C:
		return nil, &credentialError{late}
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// plain tells errors of the command from others, and leaves out of them what the
// command printed, of which client-go quotes the whole where it does not understand.
func (t *execTransport) plain(err error) error {
	if err == nil {
		return nil
	}
	_, said, ours := strings.Cut(err.Error(), "getting credentials: ")
	if _, _, printed := strings.Cut(err.Error(), "decoding stdout"); printed {
		return &credentialError{fmt.Errorf("the command %s of the kubeconfig printed no ExecCredential", t.command)}
	}
	if !ours {
		return err
	}
	said, _, _ = strings.Cut(said, "\n") // what follows is advice on kubectl
	return &credentialError{fmt.Errorf("the command of the kubeconfig: %w", errors.New(said))}
}
