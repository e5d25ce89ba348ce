package token

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode"
)

const (
	// kubectlLimit is the longest time that kubectl gets for an answer.
	kubectlLimit = 30 * time.Second
	// pipeLimit is how long its output may stay open once it has ended: a
	// login helper that goes on in the background may have inherited it.
	pipeLimit = time.Second
	// maxStderr is how much of its complaints is kept: the end says most.
	maxStderr = 1 << 10
)

// createToken runs kubectl. When the time is up or the context ends, kubectl
// and all that it started are killed.
func createToken(ctx context.Context, serviceAccount, namespace string, limit time.Duration) (string, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	name := fmt.Sprintf("kubectl create token %s -n %s", serviceAccount, namespace)
	stdout, stderr := head{max: maxSize + 1}, tail{max: maxStderr}
	cmd := exec.CommandContext(limited, "kubectl", "create", "token", serviceAccount, "-n", namespace)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a group to kill as one
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pipeLimit
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // kubectl itself ended well, so its output is whole
	}
	var token string
	switch {
	case err == nil:
		if token, err = check(stdout.text); err == nil {
			return token, nil
		}
		err = fmt.Errorf("bad answer: %w", err)
	case ctx.Err() != nil:
		err = ctx.Err()
	case limited.Err() != nil:
		err = fmt.Errorf("no answer within %v, killed", limit)
	case errors.Is(err, exec.ErrNotFound):
		err = errors.New("kubectl is not in PATH: install it, or set token_retrieval.file")
	}
	return "", fmt.Errorf("%s: %w%s", name, err, complaint(&stderr, stdout.text))
}

// complaint returns what kubectl wrote to standard error, on one line and after
// a colon. Words that look like a token, or share a piece with standard output,
// are hidden.
func complaint(stderr *tail, stdout []byte) string {
	secrets, words := wordsOf(stdout), wordsOf(stderr.text)
	if len(words) == 0 {
		return ""
	}
	if stderr.cut {
		words[0] = "…" // it may be the end of a token
	}
	for i, word := range words {
		hide := strings.Contains(word, "eyJ") // how each JWT begins: {" in base64
		for _, secret := range secrets {
			hide = hide || len(secret) >= 4 && strings.Contains(word, secret) ||
				len(word) >= 8 && strings.Contains(secret, word)
		}
		if hide {
			words[i] = "<hidden>"
		}
	}
	return ": " + strings.Join(words, " ")
}

func wordsOf(text []byte) []string {
	return strings.FieldsFunc(string(text), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// head keeps the first max bytes that are written to it, tail the last.
type head struct {
	max  int
	text []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(len(p), h.max-len(h.text))]...)
	return len(p), nil
}

type tail struct {
	max  int
	text []byte
	cut  bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - t.max; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
		t.cut = true
	}
	return len(p), nil
}
