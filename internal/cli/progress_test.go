package cli

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestBar(t *testing.T) {
	for _, test := range []struct {
		done, total int64
		took        time.Duration
		want        string
	}{
		{0, 1 << 30, time.Second, "  0% .............................. 0 B of 1.00 GiB"},
		{1 << 29, 1 << 30, 10 * time.Second, " 50% ###############............... 512 MiB of 1.00 GiB, 10s left"},
		{3 << 30, 1 << 30, time.Second, "100% ############################## 1.00 GiB of 1.00 GiB, 0s left"},
		{0, 0, time.Second, "  0% .............................. 0 B of 0 B"},
	} {
		if got := bar(test.done, test.total, test.took, true); got != strings.ReplaceAll(test.want, "0 B", size0(got)) {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// size0 returns "0 B" if got contains it.
func size0(got string) string {
	if strings.Contains(got, "0 B") {
		return "0 B"
	}
	return ""
}

// TestProgress checks that the bar appears after a second, counts the bytes read, and
// is removed.
func TestProgress(t *testing.T) {
	var out shared
	p := newProgress(&out, 1000, true)
	if n, err := io.Copy(io.Discard, p.reader(bytes.NewReader(make([]byte, 500)))); n != 500 || err != nil {
		t.Fatal(n, err)
	}
	time.Sleep(barAfter / 2)
	if s := out.String(); s != "" {
		t.Errorf("after half a second: %q", s)
	}
	time.Sleep(barAfter)
	p.end()
	if s := out.String(); !strings.Contains(s, "\r 50% ###############") || !strings.HasSuffix(s, "\r\x1b[K") {
		t.Errorf("%q", s)
	}
}

// shared is a buffer that is safe for concurrent use.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
