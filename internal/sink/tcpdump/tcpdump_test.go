package tcpdump_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

var update = flag.Bool("update", false, "write the captures, and their texts by running tcpdump")

// styles are the tested flags of tcpdump and the Options for them. kept lists the captures with
// golden files, nil: all but those in less, of which this package prints less.
var styles = []struct {
	name  string
	flags []string
	o     tcpdump.Options
	kept  []string
	less  []string
}{
	{"plain", nil, tcpdump.Options{}, nil, nil},
	{"v", []string{"-v"}, tcpdump.Options{Verbose: 1}, nil, lessWords},
	{"vv", []string{"-vv"}, tcpdump.Options{Verbose: 2}, nil, lessWords},
	{"q", []string{"-q"}, tcpdump.Options{Quick: true}, nil, nil},
	{"x", []string{"-x"}, tcpdump.Options{Hex: true}, nil, nil},
	{"S", []string{"-S"}, tcpdump.Options{AbsoluteSeq: true}, []string{"tcp", "tunnels", "loopback"}, nil},
	{"A", []string{"-A"}, tcpdump.Options{ASCII: true}, []string{"lines", "udp", "linked", "ether"}, nil},
	{"X", []string{"-X"}, tcpdump.Options{HexASCII: true}, []string{"lines", "udp", "linked", "ether", "cooked"}, nil},
	{"xX", []string{"-x", "-X", "-A"}, tcpdump.Options{Hex: true, HexASCII: true, ASCII: true}, []string{"udp"}, nil},
	{"xA", []string{"-x", "-A"}, tcpdump.Options{Hex: true, ASCII: true}, []string{"udp"}, nil},
	{"vvX", []string{"-vv", "-X"}, tcpdump.Options{Verbose: 2, HexASCII: true}, []string{"sctp"}, nil},
	{"qvS", []string{"-q", "-v", "-S"}, tcpdump.Options{Quick: true, Verbose: 1, AbsoluteSeq: true}, []string{"tcp", "udp", "igmp"}, nil},
	{"e", []string{"-e"}, tcpdump.Options{Link: true}, withLink, nil},
	{"ev", []string{"-e", "-v"}, tcpdump.Options{Link: true, Verbose: 1}, withLink, lessWords},
	{"eqx", []string{"-e", "-q", "-x"}, tcpdump.Options{Link: true, Quick: true, Hex: true}, withLink, nil},
}

var (
	withLink  = []string{"tcp", "udp", "icmp", "ip6", "tunnels", "loopback", "linked", "arp", "ether", "words", "cooked", "cooked2", "loop", "userlink"}
	lessWords = []string{"words"}
)

// runTcpdump returns the text of tcpdump for each packet of a capture.
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

// number returns the start of the text of packet i with -#.
func number(i int) string { return fmt.Sprintf("\n%5d  ", i+1) }

// theirTexts returns the text of tcpdump for frames, without the parts of cooked frames that
// this package omits.
func theirTexts(t testing.TB, link uint32, list []capture, o *tcpdump.Options, flags []string) []string {
	t.Helper()
	texts := runTcpdump(t, pcap(link, list), len(list), flags)
	for i, c := range list {
		if link == pkt.LinkLinuxSLL2 && len(c.data) >= 20 {
			iface, _, _ := strings.Cut(texts[i], " ")
			texts[i] = texts[i][max(len(iface), 5)+1:]
			if !o.Link {
				texts[i] = texts[i][4:] // the direction
			}
		}
		if _, _, ok := pkt.Strip(link, c.data); ok && !o.Link && (link == pkt.LinkLinuxSLL || link == pkt.LinkLinuxSLL2) {
			texts[i] = cookedTags.ReplaceAllString(texts[i], "")
		}
	}
	return texts
}

// cookedTags matches the text between VLAN tags and a packet.
var cookedTags = regexp.MustCompile(`^(?:ethertype [^,:]*, )+`)

// ourTexts returns our text for frames. All frames of raw IP are packets.
func ourTexts(link uint32, list []capture, o *tcpdump.Options) []string {
	d := pkt.New()
	var p event.Packet
	texts := make([]string, len(list))
	for i, c := range list {
		wire := uint32(c.wire)
		ip, ether, ok := c.data, uint16(0), true
		if link != pkt.LinkRaw {
			ip, ether, ok = pkt.Strip(link, c.data)
		}
		if !ok {
			texts[i] = string(tcpdump.AppendFrame(nil, uint16(link), nil, ether, c.data, wire, o))
			continue
		}
		header := c.data[:len(c.data)-len(ip)]
		b := tcpdump.AppendLink(nil, uint16(link), header, ether, wire, o)
		d.Packet(ip, wire-uint32(len(header)), &p)
		texts[i] = string(tcpdump.Append(b, &p, o))
	}
	return texts
}

// needTcpdump skips the test if tcpdump is not installed, unless PIDWIRE_MUST is set.
func needTcpdump(t *testing.T) {
	t.Helper()
	out, err := exec.Command("tcpdump", "--version").CombinedOutput()
	switch {
	case err != nil && os.Getenv("PIDWIRE_MUST") != "":
		t.Fatalf("PIDWIRE_MUST is set, and there is no tcpdump: %v %s", err, out)
	case err != nil:
		t.Skip("tcpdump is not installed")
	case !bytes.Contains(out, []byte("tcpdump version 4.99.3")):
		// The text differs between versions; the golden files are still checked.
		t.Skipf("this is not tcpdump 4.99.3: %s", out)
	}
}

// TestGolden compares our text with that of tcpdump in testdata: one file per capture and style.
// The captures of IP packets are also used by the tests of the decoder.
func TestGolden(t *testing.T) {
	const packets, others = "../../decode/pkt/testdata", "testdata"
	if *update {
		needTcpdump(t)
		for name, list := range cases() {
			write(t, filepath.Join(packets, name+".pcap"), pcap(pkt.LinkRaw, list))
		}
		for name, f := range frameCases() {
			write(t, filepath.Join(others, name+".pcap"), pcap(f.link, f.list))
		}
	}
	var files []string
	for _, dir := range []string{packets, others} {
		list, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, list...)
	}
	if len(files) < len(cases())+len(frameCases()) {
		t.Fatalf("only %d captures", len(files))
	}
	lines := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		link, list := parsePcap(b)
		name := strings.TrimSuffix(filepath.Base(file), ".pcap")
		for _, s := range styles {
			if s.kept != nil && !slices.Contains(s.kept, name) || slices.Contains(s.less, name) {
				continue
			}
			golden := filepath.Join("testdata", name+"."+s.name+".txt")
			if *update {
				write(t, golden, []byte(strings.Join(theirTexts(t, link, list, &s.o, s.flags), "\n")+"\n"))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(ourTexts(link, list, &s.o), "\n") + "\n"
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
