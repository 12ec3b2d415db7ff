package truss

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestErrors compares the tables with those of Go's package syscall for the three systems.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		flavor Flavor
		file   string
		size   int
		more   string // names that Go lacks
		other  string // names in Go that are aliases of an error, or misspelled
	}{
		{Solaris, "zerrors_solaris_amd64.go", len(solarisErrors), "", "EWOULDBLOCK"},
		{AIX, "zerrors_aix_ppc64.go", len(aixErrors), "", "EWOULDBLOCK ENOTEMPTY ECLONEME EDESTADDREQ"},
		{FreeBSD, "zerrors_freebsd_amd64.go", len(freebsdErrors), " EINTEGRITY ", "EWOULDBLOCK ENOTSUP ELAST"},
	} {
		src, err := os.ReadFile(filepath.Join(goroot(t), "src", "syscall", c.file))
		if err != nil {
			if os.Getenv("PIDWIRE_MUST") != "" {
				t.Fatalf("PIDWIRE_MUST is set: %v", err)
			}
			t.Skip(err)
		}
		theirs := map[string]string{} // by name
		for _, m := range regexp.MustCompile(`(?m)^\t(E[0-9A-Z]+) +(?:Errno)? *= Errno\((0x[0-9a-f]+|[0-9]+)\)`).FindAllStringSubmatch(string(src), -1) {
			theirs[m[1]] = m[2]
		}
		if len(theirs) < 80 {
			t.Fatalf("%s: only %d errors", c.file, len(theirs))
		}
		numbers := map[int64]bool{}
		for name, text := range theirs {
			n, ok := Int([]byte(text))
			if !ok {
				t.Fatalf("%s: %s", name, text)
			}
			numbers[n] = true
			if got := ErrnoName(c.flavor, n); got != name && !strings.Contains(c.other, name) {
				t.Errorf("%v: %d is %s, ours %q", c.flavor, n, name, got)
			}
		}
		for n := range int64(c.size) {
			if name := ErrnoName(c.flavor, n); name != "" && !numbers[n] && !strings.Contains(c.more, " "+name+" ") {
				t.Errorf("%v: only we have %d %s", c.flavor, n, name)
			}
		}
		if c.flavor != FreeBSD {
			continue
		}
		_, table, _ := strings.Cut(string(src), "var errors = ")
		table, _, _ = strings.Cut(table, "\n}")
		texts := regexp.MustCompile(`(?m)^\t([0-9]+): +"(.*)",`).FindAllStringSubmatch(table, -1)
		if len(texts) < 90 {
			t.Fatalf("%d texts", len(texts))
		}
		for _, m := range texts {
			n, _ := Int([]byte(m[1]))
			if n >= int64(len(freebsdErrors)) {
				continue
			}
			if got := freebsdErrors[n].text; !strings.EqualFold(got, m[2]) {
				t.Errorf("%d is %q, ours %q", n, m[2], got)
			}
		}
	}
}

func TestErrnoName(t *testing.T) {
	for _, c := range []struct {
		flavor Flavor
		num    int64
		want   string
	}{
		{Solaris, 150, "EINPROGRESS"}, {AIX, 55, "EINPROGRESS"}, {FreeBSD, 36, "EINPROGRESS"}, {Any, 36, ""}, {Any, 1, ""},
		{Solaris, 0, ""}, {Solaris, -1, ""}, {Solaris, 75, ""}, {Solaris, 152, ""}, {AIX, 128, ""}, {FreeBSD, 98, ""}, {FreeBSD, 1 << 62, ""}, {Flavor(9), 1, ""},
	} {
		if got := ErrnoName(c.flavor, c.num); got != c.want {
			t.Errorf("%v %d: %q", c.flavor, c.num, got)
		}
	}
	// The name of each error of FreeBSD is found by its text, even if the number is of another
	// system.
	for n, e := range freebsdErrors {
		if n == 0 {
			continue
		}
		for _, num := range []int{n, -n, 1000 + n} {
			l := mustParse(t, fmt.Sprintf("close(3)\t ERR#%d '%s'", num, e.text))
			if string(l.Errno) != e.name || l.ErrNum != int64(num) || string(l.ErrText) != e.text || l.Ret != -1 || !l.HasValue {
				t.Errorf("%d %s: %s", num, e.name, show(l))
			}
		}
	}
	if l := mustParse(t, "close(3)\t ERR#9"); string(l.Errno) != "EBADF" || l.ErrText != nil {
		t.Error(show(l))
	}
	if l := mustParse(t, "close(3)\t ERR#1234 'Unknown error: 1234'"); l.Errno != nil || l.ErrNum != 1234 {
		t.Error(show(l))
	}
}

// goroot returns the root of the Go sources, which have the errors of all systems.
func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
