package token_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/token"
)

// Each retrieval decides anew: the file if it can be read, else kubectl.
func TestAuto(t *testing.T) {
	dir := kubectl(t, counting)
	path := filepath.Join(t.TempDir(), "token")
	synctest.Test(t, func(t *testing.T) {
		source := token.New(token.Config{Strategy: token.Auto, File: path})
		wantToken(t, source, "token-1") // no file

		write(t, path, "from-file\n")
		source.Refuse("token-1")
		wantToken(t, source, "from-file")

		write(t, path, "\n") // cannot be used
		time.Sleep(10 * time.Second)
		wantToken(t, source, "token-2")

		write(t, path, "from-file-2")
		time.Sleep(10 * time.Minute)
		wantToken(t, source, "from-file-2")

		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		rewrite(t, dir, "echo down >&2\nexit 1")
		time.Sleep(10 * time.Second)
		wantToken(t, source, "from-file-2") // better than none
		source.Refuse("from-file-2")
		_, err := source.Token(t.Context())
		wantError(t, err, "read token file", path, "no such file", "kubectl create token", "down")

		write(t, path, "from-file-3")
		time.Sleep(10 * time.Second)
		wantToken(t, source, "from-file-3")
	})
}

// While kubectl fails, and rests for longer and longer, the file is looked at all the same.
func TestAutoLooksAtTheFileMeanwhile(t *testing.T) {
	dir := kubectl(t, "echo down >&2\nexit 1")
	path := filepath.Join(t.TempDir(), "token")
	synctest.Test(t, func(t *testing.T) {
		source := token.New(token.Config{Strategy: token.Auto, File: path})
		for range 720 {
			_, err := source.Token(t.Context())
			wantError(t, err, path, "down")
			time.Sleep(5 * time.Second)
		}
		if n := len(runs(t, dir)); n < 50 || n > 64 {
			t.Errorf("kubectl ran %d times in an hour, want about 60", n)
		}
		write(t, path, "from-file")
		time.Sleep(10 * time.Second)
		wantToken(t, source, "from-file")
	})
}
