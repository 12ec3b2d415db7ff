package live

import (
	"os/exec"
	"regexp"
	"testing"
)

// TestDemo checks that the demonstration shows what it announces.
func TestDemo(t *testing.T) {
	needRoot(t)
	out, err := exec.Command(pidwire, "demo").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{` sys  connect\(`, ` sys  write\(\d+, "GET / `, ` pkt  > IP 127\.0\.0\.1`, ` sys  read\(\d+, "HTTP/1\.\d 200 OK`, ` msg  > HTTP GET /`, ` msg  < HTTP 200 .* # \d+(\.\d+)? ms: server`, ` msg    TCP closed`, `exited with 0`} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("nothing like %s in\n%s", want, out)
		}
	}
}
