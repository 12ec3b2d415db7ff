//go:build linux

package live

import (
	"regexp"
	"strings"
	"testing"
)

// said returns the messages in the lines of a run, without the columns before them and their times.
func said(lines string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m) msg  (.*?)(?:  # [0-9.]+ [nmu]?s.*)?$`).FindAllStringSubmatch(lines, -1) {
		list = append(list, m[1])
	}
	return list
}

// TestMessages checks that messages are found whatever calls move them, also behind a large body, on both
// ends, and that the recording has them.
func TestMessages(t *testing.T) {
	needRoot(t)
	for _, bits := range []string{"64", "32"} {
		t.Run(bits, func(t *testing.T) {
			if ok, err := runs32(); bits == "32" && !ok {
				if err != nil {
					t.Fatal(err)
				}
				t.Skip("this machine runs no 32-bit programs")
			}
			prog, file := build(t, "beyond_said", bits), t.TempDir()+"/said.pidwire"
			want := []string{
				"> HTTP GET /a/path/that/is/longer/than/what/is/shown?of=a&string=by&default=x  host=pidwire.test:8080",
				"< HTTP GET /a/path/that/is/longer/than/what/is/shown?of=a&string=by&default=x  host=pidwire.test:8080",
				"> HTTP 200  application/x-pidwire-test; with=a-long-header 97.7 KiB",
				"< HTTP 200  application/x-pidwire-test; with=a-long-header 97.7 KiB",
				"> HTTP GET /again  host=pidwire.test", "< HTTP GET /again  host=pidwire.test",
				"> HTTP 503 Service Unavailable  2 B", "< HTTP 503 Service Unavailable  2 B",
				"> DNS A? www.pidwire.test", "> DNS AAAA? www.pidwire.test", "< DNS A? www.pidwire.test", "> DNS A www.pidwire.test  NXDOMAIN",
				"< DNS AAAA? www.pidwire.test", "> DNS AAAA www.pidwire.test  NXDOMAIN",
			}
			check := func(what string, got []string) {
				t.Helper()
				for _, w := range want {
					n := 0
					for _, g := range got {
						if g == w || strings.HasPrefix(g, w+" server=") {
							n++
						}
					}
					if n != 1 {
						t.Errorf("%s: %d times %q in\n%s", what, n, w, strings.Join(got, "\n"))
					}
				}
			}
			// Both ends of a connection are watched: the child serves.
			live := run(t, "trace", "-q", "-l", "sys,msg", "-w", file, "--print", "-o", "-", "--", prog)
			check("live", said(live))
			check("recorded", said(run(t, "open", "-q", "-l", "sys,msg", file)))
			if got := said(run(t, "trace", "-q", "-l", "sys,msg", "--payload", "none", "-o", "-", "--", prog)); strings.Contains(strings.Join(got, "\n"), "pidwire.test") {
				t.Errorf("without payload:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}
