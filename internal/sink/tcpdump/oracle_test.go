package tcpdump_test

import (
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
)

// TestOracle has tcpdump read the golden packets cut at every length, and
// damaged at random, and compares all of it.
func TestOracle(t *testing.T) {
	needTcpdump(t)
	var all []capture
	for _, list := range cases() {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b capture) int { // the order of a map is random
		return strings.Compare(string(a.data), string(b.data))
	})
	compared, purpose := 0, 0
	run := func(name string, list []capture) {
		file := pcap(list)
		for _, s := range styles {
			if s.o.ASCII || s.o.Hex {
				continue // their lines could look like the number of a packet, and are plain
			}
			want := runTcpdump(t, file, len(list), s.flags)
			bad := 0
			for i, got := range ourTexts(list, &s.o) {
				switch {
				case got == want[i]:
					compared += 1 + strings.Count(got, "\n")
				case onPurpose(got, want[i]):
					purpose++
				default:
					if bad++; bad <= 3 {
						t.Errorf("%s %v, packet %d: %x of %d\n got %q\nwant %q", name, s.flags, i+1, list[i].data, list[i].wire, got, want[i])
					}
				}
			}
			if bad > 3 {
				t.Errorf("%s %v: %d of %d packets differ", name, s.flags, bad, len(list))
			}
		}
	}
	var cut []capture
	for _, c := range all {
		for n := 1; n < len(c.data); n++ {
			cut = append(cut, capture{c.data[:n], c.wire})
		}
	}
	run("cut", cut)
	seed, rounds := uint64(1), 4
	if s := os.Getenv("PIDWIRE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		var damaged []capture
		for len(damaged) < 5000 {
			if c := damage(r, all[r.IntN(len(all))]); !quotesAck(c) {
				damaged = append(damaged, c)
			}
		}
		run("damaged, seed "+strconv.FormatUint(seed, 10), damaged)
	}
	t.Logf("%d lines are equal; %d packets differ as the package says", compared, purpose)
}

// quotesAck says whether an ICMP error in the packet quotes a segment with an
// ACK: with -v tcpdump may count from its numbers afterwards.
func quotesAck(c capture) bool {
	var p event.Packet
	pkt.New().Packet(c.data, uint32(c.wire), &p)
	quoted := false
	for in := &p; in != nil; in = in.Inner {
		if quoted && in.TCP.Valid && in.TCP.Flags&event.TCPAck != 0 {
			return true
		}
		quoted = quoted || in.Proto == event.ProtoICMP
	}
	return false
}

// damage changes some bytes of a packet, and perhaps its length.
func damage(r *rand.Rand, c capture) capture {
	b := slices.Clone(c.data)
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			break
		}
		at := r.IntN(len(b))
		switch r.IntN(4) {
		case 0:
			b[at] = uint8(r.Uint32())
		case 1:
			b[at] ^= 1 << r.IntN(8)
		case 2:
			b[at] = [...]uint8{0, 1, 2, 4, 5, 0x7f, 0x80, 0xff, 0x45, 0x60, 0xc0}[r.IntN(11)]
		case 3:
			b[at]++
		}
	}
	wire := c.wire
	switch r.IntN(6) {
	case 0:
		b = b[:1+r.IntN(max(len(b), 1))]
		wire = max(wire, len(b))
	case 1:
		b = b[:1+r.IntN(max(len(b), 1))]
		wire = len(b)
	case 2:
		for range r.IntN(20) {
			b = append(b, uint8(r.Uint32()))
		}
		wire = max(wire, len(b))
	}
	// Most packets keep a right header checksum: -v reads on either way, but
	// a real network brings such ones only.
	if len(b) >= 20 && b[0] == 0x45 && r.IntN(4) != 0 {
		checked(b[:20], 10)
	}
	return capture{b, max(wire, 1)}
}

// onPurposeHere is what the package says it writes otherwise than tcpdump.
var onPurposeHere = []struct {
	text  *regexp.Regexp
	ports map[int]bool // one of which must be there; nil: any
	more  bool         // tcpdump writes the same and more
}{
	{regexp.MustCompile(`UDP, (length \d+|bad length \d+ > \d+)`), udpPorts, false},
	{regexp.MustCompile(`, length \d+`), tcpPorts, true},
	{regexp.MustCompile(` ip-proto-(8|9|33|46|55|88|89|103|112|113|143) \d+`), nil, false},
	{regexp.MustCompile(`[0-9a-f.:]+ > [0-9a-f.:]+:  ip-proto-33 \d+`), nil, false}, // DCCP has its own addresses
	{regexp.MustCompile(`ICMP6, (router renumbering|who-are-you re\w+|RPL).*`), nil, false},
	{regexp.MustCompile(`gre-proto-0x[0-9a-f]+`), nil, false},
	{regexp.MustCompile(`igmp (dvmrp|pimv1).*`), nil, false},
	{regexp.MustCompile(`\[PPID (M3UA|ForCES ..)\](.|\n)*|\[ForCES ..\](.|\n)*`), nil, false},
}

var portsOf = regexp.MustCompile(`(?:\.|^|[ \t!])(\d+) > (?:\S*\.)?(\d+): `)

// onPurpose says whether got differs from tcpdump's text by what the package
// documents, and by nothing else: before and behind that it must be equal.
func onPurpose(got, want string) bool {
	for _, p := range onPurposeHere {
		for _, m := range p.text.FindAllStringIndex(got, -1) {
			from, to := m[0], m[1]
			if p.more {
				from = to
			}
			if strings.HasPrefix(want, got[:from]) && strings.HasSuffix(want[from:], got[to:]) && (p.ports == nil || knownPort(got, p.ports)) {
				return true
			}
		}
	}
	return false
}

func knownPort(text string, ports map[int]bool) bool {
	for _, m := range portsOf.FindAllStringSubmatch(text, -1) {
		for _, s := range m[1:] {
			if n, err := strconv.Atoi(s); err == nil && ports[n] {
				return true
			}
		}
	}
	return false
}

func set(ports ...int) map[int]bool {
	m := map[int]bool{}
	for _, p := range ports {
		m[p] = true
	}
	return m
}

var (
	tcpPorts = set(23, 179, 1723, 6379, 10288, 6633, 6653, 639, 323, 646, 2049)
	udpPorts = set(2049, 525, 69, 67, 68, 520, 654, 500, 4500, 7500, 8500, 161, 162, 123, 88, 750, 1701, 3456, 2103, 2104,
		7000, 7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008, 7009, 521, 546, 547, 5359, 6696, 6697, 8231, 4567, 496, 1645, 1812,
		1646, 1813, 1700, 3799, 1985, 921, 646, 698, 3503, 49152, 3784, 3785, 4784, 6784, 701, 1589, 6343, 12222, 12223, 514, 8472,
		4789, 6081, 4342, 4790, 17754, 6635, 319, 320, 30490)
)

func init() { // AppleTalk in UDP
	for _, first := range [...]int{200, 768, 16512} {
		for p := first; p < first+128; p++ {
			udpPorts[p] = true
		}
	}
}
