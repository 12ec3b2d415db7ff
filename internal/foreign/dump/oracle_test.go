package dump_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/dump"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

// needTcpdump skips the test if tcpdump is not installed, unless PIDWIRE_MUST is set.
func needTcpdump(t testing.TB) {
	t.Helper()
	out, err := exec.Command("tcpdump", "--version").CombinedOutput()
	switch {
	case err != nil && os.Getenv("PIDWIRE_MUST") != "":
		t.Fatalf("PIDWIRE_MUST is set, and there is no tcpdump: %v %s", err, out)
	case err != nil:
		t.Skip("tcpdump is not installed")
	case !bytes.Contains(out, []byte("tcpdump version 4.99.3")):
		t.Skipf("this is not tcpdump 4.99.3: %s", out)
	}
}

// theirLines returns the output of tcpdump for a capture.
func theirLines(t testing.TB, file string, flags ...string) []string {
	t.Helper()
	cmd := exec.Command("tcpdump", append([]string{"-r", file}, flags...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, errs.Bytes())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func captures(t testing.TB) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{"../../sink/tcpdump/testdata", "../../decode/pkt/testdata"} {
		list, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, list...)
	}
	if len(files) < 20 {
		t.Fatalf("only %d captures", len(files))
	}
	return files
}

// originals returns the decoded packets of a capture. Version is 0 for frames without IP.
func originals(t testing.TB, file string) []event.Packet {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	link := le.Uint32(b[20:])
	d := pkt.New()
	var list []event.Packet
	for b = b[24:]; len(b) > 0; {
		n, wire := le.Uint32(b[8:]), le.Uint32(b[12:])
		data := b[16 : 16+n]
		b = b[16+n:]
		var p event.Packet
		if ip, _, ok := pkt.Strip(link, data); ok {
			d.Packet(ip, wire-uint32(len(data)-len(ip)), &p)
		}
		list = append(list, p)
	}
	return list
}

// total returns the length of a packet by its IP header.
func total(p *event.Packet) uint32 {
	n := uint32(p.IP.Total)
	if p.Version == 6 {
		n += 40
	}
	return n - p.IP.Missing
}

var (
	// ofIP matches an IP packet in a line.
	ofIP = regexp.MustCompile(`\bIP6? .*`)
	// upToLength matches the part of a TCP line that does not depend on the payload.
	upToLength = regexp.MustCompile(`^IP6? \S+ > \S+: Flags \[.*?\], .*?\blength \d+`)
	udpLine    = regexp.MustCompile(`^IP6? (?:\S+ > \S+: IP6? )?\S+ > \S+: UDP, length \d+$`)
	tcpLine    = regexp.MustCompile(`^IP6? \S+ > \S+: Flags \[`)
	behindExt  = regexp.MustCompile(`: (?:HBH|DSTOPT|RT6|frag|AH\(|GREv|mobility)`)
)

// style is a tested set of flags.
type style struct {
	name  string
	flags []string
	o     tcpdump.Options
	text  bool // compare the whole line, not only the decoded fields
}

var styles = []style{
	{"plain", []string{"-nn"}, tcpdump.Options{}, true},
	{"t", []string{"-nn", "-t"}, tcpdump.Options{}, true},
	{"tt", []string{"-nn", "-tt"}, tcpdump.Options{}, true},
	{"ttt", []string{"-nn", "-ttt"}, tcpdump.Options{}, true},
	{"tttt", []string{"-nn", "-tttt", "--number", "--time-stamp-precision=nano"}, tcpdump.Options{}, true},
	{"ttttt", []string{"-nn", "-ttttt"}, tcpdump.Options{}, true},
	{"S", []string{"-nn", "-S"}, tcpdump.Options{AbsoluteSeq: true}, true},
	{"e", []string{"-nn", "-e"}, tcpdump.Options{}, false},
	{"eq", []string{"-nn", "-e", "-q"}, tcpdump.Options{}, false},
	{"q", []string{"-nn", "-q"}, tcpdump.Options{}, false},
	{"v", []string{"-nn", "-v"}, tcpdump.Options{}, false},
	{"vv", []string{"-nn", "-vv", "-e", "-X"}, tcpdump.Options{}, false},
	{"services", []string{"-n"}, tcpdump.Options{}, false},
}

// TestOracle parses the output of tcpdump for captures and compares the packets and their text.
func TestOracle(t *testing.T) {
	needTcpdump(t)
	files := captures(t)
	for _, s := range styles {
		t.Run(s.name, func(t *testing.T) {
			c := counts{t: t, s: s, why: map[string]int{}}
			for _, file := range files {
				c.file(file)
			}
			c.log()
		})
	}
}

// counts has the number of lines by result.
type counts struct {
	t *testing.T
	s style

	lines, packets, text, fields int
	kinds                        [16]int
	why                          map[string]int
	bad                          int
}

func (c *counts) log() {
	var why []string
	for _, k := range slices.Sorted(maps.Keys(c.why)) {
		why = append(why, fmt.Sprintf("%s: %d", k, c.why[k]))
	}
	c.t.Logf("%d lines, %d more, %d of no IP; %d packets: %d equal as text, %d equal in addresses, ports and length; not compared: %s",
		c.lines, c.kinds[dump.More], c.kinds[dump.Other], c.packets, c.text, c.fields, strings.Join(why, ", "))
	if c.packets == 0 || c.text+c.fields == 0 {
		c.t.Error("nothing was compared")
	}
}

func (c *counts) errorf(line, format string, args ...any) {
	if c.bad++; c.bad <= 10 {
		c.t.Errorf("%q: %s", line, fmt.Sprintf(format, args...))
	}
}

func (c *counts) file(file string) {
	orig := originals(c.t, file)
	r := dump.Reader{Absolute: c.s.o.AbsoluteSeq}
	d := pkt.New()
	n := -1 // index of the packet
	var p event.Packet
	lost := map[string]bool{} // connections with a segment that could not be built
	for _, line := range theirLines(c.t, file, c.s.flags...) {
		c.lines++
		var l dump.Line
		r.Read([]byte(line), &l)
		c.kinds[l.Kind]++
		second := c.s.name[0] == 'v' && strings.HasPrefix(line, "    ")
		if !second && !strings.HasPrefix(line, "\t") {
			n++
		}
		if n >= len(orig) {
			c.t.Fatalf("%s: there is no packet %d: %q", file, n+1, line)
		}
		o := &orig[n]
		switch l.Kind {
		case dump.Packet:
			c.packets++
			if l.Len == 0 || len(l.Data) > int(l.Len) {
				c.errorf(line, "%d bytes of %d", len(l.Data), l.Len)
			}
			d.Packet(l.Data, l.Len, &p)
			c.compare(line, &l, &p, o, lost)
		case dump.Bad:
			c.why["bad, "+l.Why]++
			if o.Damage == event.Whole && !behindExt.MatchString(line) {
				c.errorf(line, "bad: %s", l.Why)
			}
		case dump.Unknown:
			if c.why["unknown"]++; o.Version != 0 {
				c.errorf(line, "unknown")
			}
		case dump.Other:
			if o.Version != 0 && o.Damage == event.Whole && !strings.Contains(line, "[|") && !strings.Contains(line, "truncated-sctp") { // has no addresses
				c.errorf(line, "other")
			}
		}
	}
	if n != len(orig)-1 {
		c.t.Errorf("%s: %d packets, want %d", file, n+1, len(orig))
	}
}

func (c *counts) compare(line string, l *dump.Line, p, o *event.Packet, lost map[string]bool) {
	conn := fmt.Sprint(min(o.Src.String(), o.Dst.String()), max(o.Src.String(), o.Dst.String()))
	if want := ofIP.FindString(line); c.s.text && want != "" {
		so := c.s.o
		got := string(tcpdump.Append(nil, p, &so))
		w, g := upToLength.FindString(want), upToLength.FindString(got)
		switch {
		case w != "" && w == g, udpLine.MatchString(want) && want == got:
			c.text++
			return
		case w != "" && lost[conn]:
			c.why["after a segment that was not made"]++
			return
		case tcpLine.MatchString(want) && (strings.Contains(want, "[bad opt]") || strings.Contains(want, "[|tcp]")):
			c.why["damaged TCP options"]++
			return
		case l.Unknown&dump.Options != 0:
			c.why["TCP options not told"]++
		case w != "" || udpLine.MatchString(want):
			c.errorf(line, "written again it is %q", got)
			return
		}
	}
	if behindExt.MatchString(line) {
		lost[conn] = true
		c.why["behind an extension header, AH or GRE"]++
		return
	}
	if o.Damage != event.Whole {
		c.why["damaged IP header"]++
		return
	}
	if c.s.name[0] == 'v' {
		got, want := p.IP, o.IP
		got.Sum, got.Options, got.Header, got.Missing = want.Sum, want.Options, want.Header, want.Missing
		if o.IP.Header > 20 {
			got.Total = want.Total
		}
		if !reflect.DeepEqual(got, want) {
			c.errorf(line, "the IP header is %+v, want %+v", p.IP, o.IP)
		}
	}
	if p.Src != o.Src || p.Dst != o.Dst {
		if o.Off != 0 && !strings.Contains(line, "truncated") && !strings.Contains(line, "[|") {
			c.errorf(line, "ends are %v and %v, want %v and %v", p.Src, p.Dst, o.Src, o.Dst)
			return
		}
	}
	switch {
	case l.Unknown&dump.Length != 0:
		c.why["length not told"]++
	case l.Unknown&dump.TCPRest != 0 && l.Len != total(o):
		c.why["-q does not tell the TCP options"]++
	case l.Unknown&dump.Options != 0 && l.Len != total(o):
		c.why["TCP options not told"]++
	case o.IP.Proto == event.ProtoUDP && uint32(o.UDP.Length) < o.Length && l.Len+o.Length-uint32(o.UDP.Length) == total(o):
		c.why["the datagram is shorter than its packet"]++
	case o.IP.Header > 20 && o.Version == 4:
		c.why["IPv4 options"]++
	case l.Len != total(o):
		c.errorf(line, "length is %d, want %d", l.Len, total(o))
	default:
		c.fields++
	}
}

var (
	modernTCP = regexp.MustCompile(`^(IP6? \S+ > \S+: )Flags \[([A-Z.]+)\](?:, seq (\d+)(?::(\d+))?)?(?:, ack (\d+))?, win (\d+)(?:, urg (\d+))?(?:, options \[([^\]]*)\])?, length (\d+)`)
	stampOpt  = regexp.MustCompile(`TS val (\d+) ecr (\d+)`)
	sackOpt   = regexp.MustCompile(`sack (\d)`)
)

// older converts a line to the format of tcpdump 3.9. It returns "" if that has no text for it.
func older(line string) string {
	m := modernTCP.FindStringSubmatch(line)
	if m == nil || strings.Contains(m[8], "mptcp") || strings.Contains(m[8], "unknown") {
		return ""
	}
	flags := strings.Map(func(c rune) rune {
		if c == '.' || c == 'U' {
			return -1
		}
		return c
	}, m[2])
	if flags == "" {
		flags = "."
	}
	old := m[1] + flags
	if m[3] != "" {
		last := m[4]
		if last == "" {
			last = m[3]
		}
		old += " " + m[3] + ":" + last + "(" + m[9] + ")"
	}
	if m[5] != "" {
		old += " ack " + m[5]
	}
	old += " win " + m[6]
	if m[7] != "" {
		old += " urg " + m[7]
	}
	if m[8] != "" {
		opt := stampOpt.ReplaceAllString(m[8], "timestamp $1 $2")
		old += " <" + sackOpt.ReplaceAllString(opt, "sack sack $1 ") + ">"
	}
	return old
}

// TestOlder checks that lines of tcpdump 4 in the format of tcpdump 3 give the same packets.
func TestOlder(t *testing.T) {
	needTcpdump(t)
	n := 0
	for _, file := range captures(t) {
		var r1, r2 dump.Reader
		var l1, l2 dump.Line
		for _, line := range theirLines(t, file, "-nn", "-t") {
			old := older(line)
			if old == "" {
				continue
			}
			r1.Read([]byte(modernTCP.FindString(line)), &l1)
			r2.Read([]byte(old), &l2)
			if n++; l1.Kind != dump.Packet || l2.Kind != dump.Packet || !l2.Old || l1.Len != l2.Len || !bytes.Equal(l1.Data, l2.Data) || l1.Unknown != l2.Unknown {
				t.Errorf("%q is %v %x of %d\n%q is %v %x of %d", line, l1.Kind, l1.Data, l1.Len, old, l2.Kind, l2.Data, l2.Len)
			}
		}
	}
	if t.Logf("%d segments are equal", n); n < 100 {
		t.Errorf("only %d segments", n)
	}
}

// TestBelow checks that dumps below packets do not matter.
func TestBelow(t *testing.T) {
	needTcpdump(t)
	for _, flag := range []string{"-x", "-X", "-A"} {
		below := 0
		for _, file := range captures(t) {
			read := func(flags ...string) (packets, others []string) {
				var r dump.Reader
				var l dump.Line
				for _, line := range theirLines(t, file, flags...) {
					switch r.Read([]byte(line), &l); l.Kind {
					case dump.Packet:
						packets = append(packets, fmt.Sprintf("%x %d", l.Data, l.Len))
					case dump.Other, dump.Bad, dump.Begun:
						others = append(others, line)
					case dump.More:
						below++
					}
				}
				return packets, others
			}
			packets, others := read("-nn")
			p, o := read("-nn", flag)
			if !slices.Equal(p, packets) || !slices.Equal(o, others) {
				t.Errorf("%s %s: %d packets and %d others, want %d and %d", flag, file, len(p), len(o), len(packets), len(others))
			}
		}
		t.Logf("%s: %d lines below packets", flag, below)
	}
}
