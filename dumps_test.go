package pidwire_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/cli"
)

// TestDumps checks that a capture and the texts that tcpdump prints of it with -X, -xx and -XX have the same messages.
// testdata/dump/make creates them.
func TestDumps(t *testing.T) {
	messages := func(file string) string {
		var out, stderr bytes.Buffer
		args := []string{"pidwire", "open", "-q", "-l", "msg", "-tt", "--utc", file}
		if code := cli.MainAlone(args, nil, &out, &stderr); code != 0 {
			t.Fatalf("%s: exit code %d: %s", file, code, stderr.String())
		}
		return out.String()
	}
	want := messages("testdata/dump/sample.pcap")
	for _, what := range []string{"HTTP GET /one", "HTTP 404", "DNS A? www.example.com", "syslog daemon.info"} {
		if n := strings.Count(want, what); n != 2 {
			t.Errorf("%d times %q, want IPv4 and IPv6:\n%s", n, what, want)
		}
	}
	texts, err := filepath.Glob("testdata/dump/*.txt")
	if err != nil || len(texts) < 3 {
		t.Fatalf("%d texts: %v", len(texts), err)
	}
	for _, file := range texts {
		if got := messages(file); got != want {
			t.Errorf("%s: got\n%swant\n%s", file, got, want)
		}
	}
}
