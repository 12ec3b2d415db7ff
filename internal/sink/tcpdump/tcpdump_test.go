package tcpdump_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

var update = flag.Bool("update", false, "write the captures, and their texts by running tcpdump")

// styles are the sets of flags that are compared, and ours for them; kept is
// of which captures the golden text is kept, nil of all.
var styles = []struct {
	name  string
	flags []string
	o     tcpdump.Options
	kept  []string
}{
	{"plain", nil, tcpdump.Options{}, nil},
	{"v", []string{"-v"}, tcpdump.Options{Verbose: 1}, nil},
	{"vv", []string{"-vv"}, tcpdump.Options{Verbose: 2}, nil},
	{"q", []string{"-q"}, tcpdump.Options{Quick: true}, nil},
	{"S", []string{"-S"}, tcpdump.Options{AbsoluteSeq: true}, []string{"tcp", "tunnels", "loopback"}},
	{"A", []string{"-A"}, tcpdump.Options{ASCII: true}, []string{"lines", "udp"}},
	{"X", []string{"-X"}, tcpdump.Options{HexASCII: true}, []string{"lines", "udp"}},
	{"x", []string{"-x"}, tcpdump.Options{Hex: true}, []string{"lines", "udp"}},
	{"vvX", []string{"-vv", "-X"}, tcpdump.Options{Verbose: 2, HexASCII: true}, []string{"sctp"}},
	{"qvS", []string{"-q", "-v", "-S"}, tcpdump.Options{Quick: true, Verbose: 1, AbsoluteSeq: true}, []string{"tcp", "udp", "igmp"}},
}

// runTcpdump returns what tcpdump writes about a capture, by packet.
func runTcpdump(t testing.TB, file []byte, n int, flags []string) []string {
	t.Helper()
	cmd := exec.Command("tcpdump", append([]string{"-nn", "-t", "-#", "-r", "-"}, flags...)...)
	cmd.Stdin = bytes.NewReader(file)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, errs.Bytes())
	}
	s := "\n" + string(out)
	texts := make([]string, n)
	for i := range n {
		s = s[len(number(i)):]
		end := strings.Index(s, number(i+1))
		if i == n-1 {
			end = len(s) - 1
		}
		if end < 0 {
			t.Fatalf("tcpdump wrote no packet %d", i+2)
		}
		texts[i], s = s[:end], s[end:]
	}
	return texts
}

// number is what begins the text of packet i with -#.
func number(i int) string { return fmt.Sprintf("\n%5d  ", i+1) }

func ourTexts(list []capture, o *tcpdump.Options) []string {
	d := pkt.New()
	var p event.Packet
	texts := make([]string, len(list))
	for i, c := range list {
		d.Packet(c.data, uint32(c.wire), &p)
		texts[i] = string(tcpdump.Append(nil, &p, o))
	}
	return texts
}

// needTcpdump skips where it is not installed, unless PIDWIRE_MUST is set.
func needTcpdump(t *testing.T) {
	t.Helper()
	out, err := exec.Command("tcpdump", "--version").CombinedOutput()
	switch {
	case err != nil && os.Getenv("PIDWIRE_MUST") != "":
		t.Fatalf("PIDWIRE_MUST is set, and there is no tcpdump: %v %s", err, out)
	case err != nil:
		t.Skip("tcpdump is not installed")
	case !bytes.Contains(out, []byte("tcpdump version 4.99.3")):
		// Its words change from version to version; the goldens hold on.
		t.Skipf("this is not tcpdump 4.99.3: %s", out)
	}
}

// TestGolden compares our text with tcpdump's, which is kept in testdata: one
// file a capture and style.
func TestGolden(t *testing.T) {
	const captures = "../../decode/pkt/testdata"
	if *update {
		needTcpdump(t)
		for name, list := range cases() {
			write(t, filepath.Join(captures, name+".pcap"), pcap(list))
		}
	}
	files, err := filepath.Glob(filepath.Join(captures, "*.pcap"))
	if err != nil || len(files) < len(cases()) {
		t.Fatalf("%d captures: %v", len(files), err)
	}
	lines := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list := parsePcap(t, b)
		name := strings.TrimSuffix(filepath.Base(file), ".pcap")
		for _, s := range styles {
			if s.kept != nil && !slices.Contains(s.kept, name) {
				continue
			}
			golden := filepath.Join("testdata", name+"."+s.name+".txt")
			if *update {
				write(t, golden, []byte(strings.Join(runTcpdump(t, b, len(list), s.flags), "\n")+"\n"))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(ourTexts(list, &s.o), "\n") + "\n"
			lines += compareLines(t, golden, got, string(want))
		}
	}
	t.Logf("%d lines are equal", lines)
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

func compareLines(t *testing.T, name, got, want string) int {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	bad := 0
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			if bad++; bad <= 5 {
				t.Errorf("%s:%d\n got %q\nwant %q", name, i+1, g[i], w[i])
			}
		}
	}
	if len(g) != len(w) {
		t.Errorf("%s: %d lines, want %d", name, len(g), len(w))
	}
	return len(w) - 1
}
