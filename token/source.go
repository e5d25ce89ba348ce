package token

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// fileAge is how long a token from a file is used before the file is read
	// again. The kubelet swaps tokens minutes before they end, so any time up
	// to a minute would do; 10 s costs next to nothing, and a file that was
	// put right by hand takes effect before one has looked twice.
	fileAge = 10 * time.Second
	// A retrieval that failed is not tried again for a while, so that a loop
	// of requests does not become a loop of retrievals.
	retryFile    = time.Second
	retryKubectl = 10 * time.Second
	// With kubectl the pause doubles each time that it fails, or that what it
	// brings is refused, up to this.
	longestRetry = time.Minute
)

// Source hands out the token, and gets a new one when it is due. It is safe for
// concurrent use; one retrieval runs at a time, on the goroutine of a caller
// that needs it.
type Source struct {
	config Config
	limit  time.Duration // for kubectl
	turn   chan struct{} // holds one element while a retrieval runs

	// Who has the turn may touch these: why kubectl failed last, and until when
	// that is not tried again.
	kubectlErr error
	rest       time.Time

	mu          sync.Mutex
	token       string    // "" = none
	fromKubectl bool      // where it came from
	since       time.Time // when it was retrieved
	replaced    bool      // it took the place of one that was refused
	refused     bool      // the last token was refused, and there is no new one yet
	vain        int       // how often in a row kubectl was of no use
	err         error     // of the last retrieval
	due         time.Time // when the next retrieval may start
	stats       Stats
}

// Stats counts what a Source did since it was made.
type Stats struct {
	// Retrievals counts how often a token was fetched, and Failures how often
	// in vain. A call that its own context ended counts as neither.
	Retrievals, Failures uint64
	// Renewals counts the tokens that took the place of one that was refused.
	Renewals uint64
}

// New makes a Source. Nothing is retrieved before the first call of Token.
func New(config Config) *Source {
	return &Source{
		config: Config{
			Strategy:       config.Strategy,
			File:           cmp.Or(config.File, DefaultFile),
			ServiceAccount: cmp.Or(config.ServiceAccount, DefaultServiceAccount),
			Namespace:      cmp.Or(config.Namespace, DefaultNamespace),
		},
		limit: kubectlLimit,
		turn:  make(chan struct{}, 1),
	}
}

// Token returns the token. A file is read anew after 10 s; kubectl is asked
// anew after 80 % of the token's life, or after 10 minutes where the token does
// not tell its life. While that fails, the old token is used on until it is
// refused: the server knows best when it ends. With no token at hand, the error
// names the file or the command, and is repeated before the next try: for a second,
// or for 10 s to a minute where kubectl was in vain. The error wraps ctx.Err() if the context ended the call.
func (s *Source) Token(ctx context.Context) (string, error) {
	token, due, err := s.kept()
	switch {
	case !due:
		return token, err
	case token != "":
		select {
		case s.turn <- struct{}{}:
		default: // another call is renewing it
			return token, nil
		}
	default:
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return "", fmt.Errorf("wait for a token: %w", ctx.Err())
		}
	}
	defer func() { <-s.turn }()
	if token, due, err := s.kept(); !due { // another call was faster
		return token, err
	}
	token, fromKubectl, err := s.retrieve(ctx)
	if err != nil && ctx.Err() != nil {
		return "", err // says nothing about the file or kubectl, so others may try
	}
	return s.keep(token, fromKubectl, err)
}

// Refuse tells that the server answered 401 to a token. If it is the one that
// Token hands out, the next call of Token retrieves a new one. A kubectl token
// that has just taken the place of a refused one stays for 10 s more, and for
// twice as long each time, up to a minute, so that kubectl does not run for each
// request to a server that refuses all.
func (s *Source) Refuse(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token == "" || token != s.token {
		return // refused before, and replaced since
	}
	if s.fromKubectl {
		age := time.Since(s.since)
		switch {
		case !s.replaced || age > 2*longestRetry:
			s.vain = 0 // it was good for a while
		case age < s.pause():
			return
		default:
			s.vain++
		}
	}
	s.token, s.due = "", time.Time{}
	s.refused = true
}

// pause is how long kubectl is left alone.
func (s *Source) pause() time.Duration { return min(retryKubectl<<min(s.vain, 8), longestRetry) }

// backOff returns the pause after a failure, and makes the next one longer.
func (s *Source) backOff() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	pause := s.pause()
	s.vain++
	return pause
}

// Err returns why the last retrieval failed, and nil if it did not. It tells
// what is wrong even while an old token is still in use.
func (s *Source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Stats returns the counts so far.
func (s *Source) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// kept returns the answer that is at hand, and whether a retrieval is due.
func (s *Source) kept() (token string, due bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due = !time.Now().Before(s.due)
	if s.token != "" {
		return s.token, due, nil
	}
	return "", due, s.without()
}

// without is why there is no token. The caller has s.mu.
func (s *Source) without() error {
	if s.err == nil || !s.refused {
		return s.err
	}
	return fmt.Errorf("the token was refused (401), and there is no other: %w", s.err)
}

// retrieve gets a token from where the configuration says.
func (s *Source) retrieve(ctx context.Context) (token string, fromKubectl bool, err error) {
	var fileErr error
	if s.config.Strategy != Kubectl {
		token, fileErr = readFile(s.config.File)
		if fileErr == nil || s.config.Strategy == File {
			return token, false, fileErr
		}
	}
	if time.Now().Before(s.rest) {
		err = s.kubectlErr
	} else {
		token, err = createToken(ctx, s.config.ServiceAccount, s.config.Namespace, s.limit)
		if err != nil && ctx.Err() == nil {
			s.kubectlErr, s.rest = err, time.Now().Add(s.backOff())
		}
	}
	if err != nil && fileErr != nil {
		err = fmt.Errorf("%w; and %w", fileErr, err)
	}
	return token, true, err
}

// keep stores the outcome of a retrieval and returns the answer to its caller.
func (s *Source) keep(token string, fromKubectl bool, err error) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Retrievals++
	s.err = err
	pause := retryFile
	switch {
	case err != nil && fromKubectl:
		pause = retryKubectl // of the file that may be there then; kubectl rests longer
	case err == nil && fromKubectl:
		pause = renewAfter(token)
	case err == nil:
		pause = fileAge
	}
	now := time.Now()
	s.due = now.Add(pause)
	if s.config.Strategy == Kubectl && s.due.Before(s.rest) {
		s.due = s.rest
	}
	if err != nil {
		s.stats.Failures++
		if s.token != "" {
			return s.token, nil
		}
		return "", s.without()
	}
	if s.refused {
		s.stats.Renewals++
	}
	if !s.refused {
		s.vain = 0
	}
	s.token, s.fromKubectl, s.since = token, fromKubectl, now
	s.replaced, s.refused = s.refused, false
	return token, nil
}
