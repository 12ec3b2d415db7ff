package tcpdump_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

// oracle counts the compared packets.
type oracle struct {
	t                 *testing.T
	compared, purpose int
}

// run compares frames in all styles that use accepts.
func (c *oracle) run(name string, link uint32, list []capture, use func(o *tcpdump.Options) bool) {
	c.t.Helper()
	for _, s := range styles {
		if s.o.ASCII || !use(&s.o) { // lines of -A could look like the number of a packet
			continue
		}
		want := theirTexts(c.t, link, list, &s.o, s.flags)
		bad := 0
		for i, got := range ourTexts(link, list, &s.o) {
			switch {
			case got == want[i]:
				c.compared += 1 + strings.Count(got, "\n")
			case onPurpose(got, want[i]), link != pkt.LinkRaw && frameOnPurpose(link, list[i].data, got, want[i], &s.o):
				c.purpose++
			default:
				if bad++; bad <= 3 {
					c.t.Errorf("%s %v, packet %d: %x of %d\n got %q\nwant %q", name, s.flags, i+1, list[i].data, list[i].wire, got, want[i])
				}
			}
		}
		if bad > 3 {
			c.t.Errorf("%s %v: %d of %d packets differ", name, s.flags, bad, len(list))
		}
	}
}

func anyStyle(*tcpdump.Options) bool { return true }

func (c *oracle) log() {
	c.t.Logf("%d lines are equal; %d packets differ as the package says", c.compared, c.purpose)
}

// seed returns the seed for damaged packets.
func seed(t *testing.T) uint64 {
	s := os.Getenv("PIDWIRE_SEED")
	if s == "" {
		return 1
	}
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOracle compares the text of the golden packets, truncated to every length and damaged at
// random, with that of tcpdump.
func TestOracle(t *testing.T) {
	needTcpdump(t)
	all := allPackets()
	c := oracle{t: t}
	c.run("cut", pkt.LinkRaw, cutAll(all), anyStyle)
	const rounds = 4
	seed := seed(t)
	r := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		list := damaged(r, all, 5000, func(c capture) bool { return !quotesAck(c.data, c.wire) })
		c.run("damaged, seed "+strconv.FormatUint(seed, 10), pkt.LinkRaw, list, anyStyle)
	}
	c.log()
}

// TestFrameOracle does the same with frames, and with packets after a link header. The dump of
// the latter must be the same as without a link header.
func TestFrameOracle(t *testing.T) {
	needTcpdump(t)
	c := oracle{t: t}
	byLink := map[uint32][]capture{pkt.LinkEthernet: otherFrames()}
	var linked []capture
	for name, f := range frameCases() {
		if name == "linked" {
			linked = f.list
			continue
		}
		for _, frame := range f.list {
			if !carriesIP(f.link, frame) {
				byLink[f.link] = append(byLink[f.link], frame)
			}
		}
	}
	for i, packet := range allPackets() {
		if v := packet.data[0] >> 4; v == 4 || v == 6 {
			frame := tagged(etherOf(packet.data), packet.data)
			if i%7 == 0 {
				frame = tagged(etherOf(packet.data), packet.data, 0x8100, uint16(i))
			}
			linked = append(linked, capture{frame, packet.wire + len(frame) - len(packet.data)})
		}
	}
	seed := seed(t)
	r := rand.New(rand.NewPCG(seed, 1))
	name := "damaged, seed " + strconv.FormatUint(seed, 10)
	for _, link := range slices.Sorted(maps.Keys(byLink)) {
		list := sorted(byLink[link])
		isNoIP := func(c capture) bool { return !carriesIP(link, c) }
		c.run("frames", link, list, anyStyle)
		c.run("cut", link, slices.DeleteFunc(cutAll(list), func(c capture) bool { return !isNoIP(c) }), anyStyle)
		c.run(name, link, damaged(r, list, 10000, isNoIP), anyStyle)
	}
	link := func(o *tcpdump.Options) bool { return o.Link && !o.Hex }
	asAnnounced := func(c capture) bool {
		ip, ether, ok := pkt.Strip(pkt.LinkEthernet, c.data)
		return ok && etherOf(ip) == ether && ip[0]>>4 == etherVersion(ether) && !quotesAck(ip, c.wire-len(c.data)+len(ip))
	}
	linked = sorted(linked)
	c.run("linked", pkt.LinkEthernet, linked, link)
	c.run(name, pkt.LinkEthernet, damaged(r, linked, 10000, asAnnounced), link)
	c.log()
}

func etherVersion(ether uint16) uint8 {
	if ether == event.EtherIPv6 {
		return 6
	}
	return 4
}

func carriesIP(link uint32, c capture) bool {
	_, _, ok := pkt.Strip(link, c.data)
	return ok
}

// allPackets returns the packets of the golden files in a fixed order.
func allPackets() []capture {
	var all []capture
	for _, list := range cases() {
		all = append(all, list...)
	}
	return sorted(all)
}

func sorted(list []capture) []capture {
	slices.SortStableFunc(list, func(a, b capture) int { return bytes.Compare(a.data, b.data) })
	return list
}

// cutAll returns each packet truncated to every length.
func cutAll(list []capture) []capture {
	var cut []capture
	for _, c := range list {
		for n := 1; n < len(c.data); n++ {
			cut = append(cut, capture{c.data[:n], c.wire})
		}
	}
	return cut
}

// damaged returns n damaged copies of packets in a list that keep accepts.
func damaged(r *rand.Rand, list []capture, n int, keep func(capture) bool) []capture {
	var out []capture
	for len(out) < n {
		if c := damage(r, list[r.IntN(len(list))]); keep(c) {
			out = append(out, c)
		}
	}
	return out
}

// quotesAck reports whether an ICMP error in the packet quotes a segment with an ACK. With -v
// tcpdump may take it as the base of later sequence numbers.
func quotesAck(packet []byte, wire int) bool {
	var p event.Packet
	pkt.New().Packet(packet, uint32(wire), &p)
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
	// Most packets get a correct header checksum, as on a real network. With -v both kinds are
	// decoded.
	if len(b) >= 20 && b[0] == 0x45 && r.IntN(4) != 0 {
		checked(b[:20], 10)
	}
	return capture{b, max(wire, 1)}
}

// onPurposeHere has the documented differences from tcpdump.
var onPurposeHere = []struct {
	text  *regexp.Regexp
	ports map[int]bool // one of which must be in the packet; nil: any
	more  bool         // tcpdump prints more after the same text
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

// onPurpose reports whether got differs from the text of tcpdump only by a documented
// difference. The text before and after it must be equal.
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

// otherTypes are the EtherTypes that tcpdump decodes and this package does not.
var otherTypes = set(0x88e5, 0x8847, 0x8848, 0x6003, 0x809b, 0x80f3, 0x8137, 0x880b, 0x8808, 0x8863, 0x8864, 0x3c12, 0x3c13,
	0x8899, 0x886f, 0x894f, 0xfefe, 0x8902, 0xabcd, 0x88ca, 0x8947, 0x0707, 0x1111, 0x88a2, 0x88f7, arista)

const arista = 0xd28b

var (
	// moreWords matches the common start of frames of which tcpdump -v prints more.
	moreWords = regexp.MustCompile(`(?:LLDP|LACPv1|MARKERv1|OAM|STP 802\.1.*), length \d+|EAP packet \(0\) v\d+, len \d+`)
	// The same for frames that this package does not decode, with LLC, SNAP and link types
	// other than Ethernet.
	otherSAP  = regexp.MustCompile(`LLC, dsap (?:IP|IPX|NetBeui|OSI) [^:]* ctrl 0x\w+: |IPX 802\.3`)
	otherSNAP = regexp.MustCompile(`(?:(?:ethertype|pid) .* \(0x\w{4}\)|802\.3), length \d+$`)
	otherLoop = regexp.MustCompile(`^(?:AF )?(?:ISO|Appletalk|IPX)(?: \(\d+\))?, length \d+$`)
	// Their text in this package without -e.
	otherLLC = regexp.MustCompile(`(?:^| )(?:IP|IPX|NetBeui|OSI) (?:Unnumbered, ui|Information), .*, length \d+$|IPX 802\.3, length \d+$`)
)

// frameOnPurpose reports whether the first line of a frame differs only by a documented
// difference. The text of the link header must be equal.
func frameOnPurpose(link uint32, data []byte, got, want string, o *tcpdump.Options) bool {
	line, _, _ := strings.Cut(got, "\n")
	equalUpTo := func(re *regexp.Regexp) bool {
		m := re.FindStringIndex(line)
		return m != nil && strings.HasPrefix(want, line[:m[1]])
	}
	_, ether, _ := pkt.Strip(link, data)
	isOther := otherTypes[int(ether)] || link != pkt.LinkEthernet && ether == 1
	switch {
	case o.Verbose > 0 && equalUpTo(moreWords):
		return true
	case ether == arista && strings.Contains(want, "[|arista]"):
		return true
	case isOther && o.Link:
		return strings.HasPrefix(want, line)
	case isOther:
		return o.Quick || otherSNAP.MatchString(line)
	case o.Link:
		return equalUpTo(otherSAP) || equalUpTo(otherSNAP) || equalUpTo(otherLoop)
	}
	return otherSNAP.MatchString(line) || otherLoop.MatchString(line) || otherLLC.MatchString(line)
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
