// Package dump reads the text that tcpdump(1) printed and makes packets of it
// again: IP packets whose bytes say what the text said. It knows the notation
// of tcpdump 4, by 4.99.3, and that of tcpdump 3.9; either with -n or with
// names, with any of the flags -e, -q, -v, -t to -ttttt and -#. With -S the
// caller should say so; where a connection is seen from its start it is noticed.
//
// A packet is made up to where the text tells the bytes: the rest, mostly the
// payload, counts as not captured, though its length is known. A byte within
// that the text does not tell is 0; Line.Unknown says which those are. Only
// these are made up from what is known otherwise:
//   - the checksum of an IPv4 header, which is right;
//   - the sequence number of a segment without data, which tcpdump does not
//     write: the one that comes next;
//   - addresses for the names of hosts: see Reader.Name;
//   - of a packet that an ICMP error quotes the source, which is where the error
//     went, and of IPv4 the length, the least that is quoted.
//
// TCP numbers that tcpdump counted from the first ones of their connection are
// counted back. Where the first segment was a lone acknowledgement its own
// number was not told, and the numbers of that end count from the guess; so
// they count from 0 where nothing of the connection was seen before. Written
// again in tcpdump's way they are the same.
//
// What cannot be made from text:
//   - payload, also where tcpdump had words for it, and what -x, -X and -A
//     wrote: these lines are More;
//   - the length of what tcpdump has words for without one, as SCTP and SIP;
//     there Len counts the bytes that were made;
//   - the length of segments with -q, which may have had options: it is that
//     without;
//   - packets behind IPv6 extension headers, AH and GRE: of them there is the
//     outer IP header;
//   - of fragments but the first, without -v: which they are;
//   - ICMP router advertisements and times, and most of ICMPv6: there is the
//     type;
//   - what follows a UDP datagram in its packet, without -v;
//   - Multipath TCP options that tcpdump found wrong, the data length of one of
//     22 bytes, and what followed the number of an experiment (exp-e2d4);
//   - how many bytes followed the end of the TCP options: as few as can be;
//   - IPv4 options, which are left out;
//   - jumbograms, and what is longer than an IP packet can be because the kernel
//     had not cut it yet: these lines are Bad;
//   - numbers of connections beyond the 4096 that were used last: they count as
//     if tcpdump had forgotten them too, and it has not;
//   - a text made with -A whose payload has lines that tcpdump might have
//     written: such a line is believed if its time has the same form.
//
// A real address that was made up for a name before makes its line Bad.
//
// Everything is bounded: a line of more than 64 KiB is Bad, and so is one with a
// new name after 65536 others.
package dump

import "net/netip"

// Kind says what a line is.
type Kind uint8

// The kinds. Of all but Packet, the fields that do not say otherwise are zero.
const (
	Unknown   Kind = iota // nothing that tcpdump wrote
	Packet                // an IP packet
	Begun                 // the first half of one: -v writes two lines, and the next one is the Packet
	More                  // what -v, -x, -X and -A write below a packet
	Header                // what tcpdump says of itself at the start; Iface where it says it
	Captured              // "85 packets captured", and so on: the number is Count
	Received              // by the filter
	Dropped               // by the kernel
	DroppedIf             // by the interface
	Gap                   // "...": someone left lines out
	Other                 // a packet that is no IP, or of which the text tells no addresses; with Time to Dir
	Bad                   // an IP packet that cannot be made; Why says why; with Time to Dir
)

var kindNames = [...]string{"unknown", "packet", "begun", "more", "header", "captured", "received", "dropped",
	"dropped by interface", "gap", "other", "bad"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// Dir is the direction that -i any writes.
type Dir uint8

// The directions.
const (
	DirUnknown Dir = iota
	Out
	In // also of broadcast and multicast
)

// Field is a set of fields of a packet.
type Field uint16

// The fields that a text may not tell.
const (
	Fragment Field = 1 << iota // IPv4: identification, flags and offset
	TTL                        // IPv6: hop limit
	TOS                        // IPv6: traffic class and flow label
	Sum                        // of TCP, UDP and ICMP
	Seq                        // of TCP: it is the one that comes next
	TCPRest                    // of TCP: all but the ports, and whether there are options
	Options                    // of TCP: some bytes, or all of IPv4's
	Payload                    // of ICMP and other protocols: what is behind the first bytes, and some of those
	Proto                      // of IP: it is 255, which is reserved
	Length                     // Line.Len is that of what was made
)

// Line is what one line says.
type Line struct {
	Kind  Kind
	Why   string // static
	Count uint64
	Time  int64  // ns; by Form what it counts
	Form  Form   // how the time was told
	Iface []byte // printable ASCII, at most 32 bytes; aliases the line or the Reader; empty where not told
	Dir   Dir
	Old   bool   // in the notation of tcpdump 3
	Data  []byte // from the IP header on, of the Reader until it reads again; never longer than Len
	Len   uint32 // bytes on the wire, from the IP header on; at most 65575
	// Unknown are the fields of Data and Len that the text did not tell.
	Unknown Field
}

// maxLine is how long a line may be: what tcpdump writes of a packet is far
// shorter.
const maxLine = 1 << 16

// Reader reads lines in the order in which they were printed. Its zero value is
// ready; it keeps what its connections count from, and the names it met.
type Reader struct {
	// Absolute says that the text was made with -S, so that no numbers count
	// from the first ones of their connection.
	Absolute bool

	names    names
	services services
	flows    flows
	buf      [maxBytes]byte
	unknown  Field
	old      bool
	absolute bool // as Absolute, by what the numbers are

	begun bool // the line before was the first half of a packet
	v6    bool
	h     head
	first Line // what that half said
	iface [maxIface]byte

	below  bool // since a packet, all lines were such as stand below one
	direct bool // the line before was the packet
	ascii  bool // they are those of -A
	form   Form // of the packet
}

// maxIface is how long the name of an interface may be; Linux allows 15 bytes.
const maxIface = 32

// Names returns the names that stood for addresses, and the addresses that were
// made up for them: IPv4 before IPv6, in the order in which they appeared.
func (r *Reader) Names() []Name { return r.NamesFrom(0, 0) }

// NamesFrom returns those of Names behind the first v4 of IPv4 and the first v6
// of IPv6; nil where there are none.
func (r *Reader) NamesFrom(v4, v6 int) []Name {
	var list []Name
	for v, from := range [...]int{v4, v6} {
		for i := from; i < len(r.names.list[v]); i++ {
			list = append(list, Name{r.names.list[v][i], netAddr(nth(i, v == 1), v == 1)})
		}
	}
	return list
}

// Name returns the name that an address was made up for; empty if it is none
// of those.
func (r *Reader) Name(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	b := a.As16()
	if a.Is4() {
		v4 := a.As4()
		b = [16]byte{}
		copy(b[:], v4[:])
	}
	return r.names.name(b, !a.Is4())
}

// Read reads a line, which has no newline, into l, whatever that held. It keeps
// nothing of the line; l.Iface may alias it.
func (r *Reader) Read(line []byte, l *Line) {
	*l = Line{}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	begun := r.begun
	r.begun = false
	if len(line) > maxLine {
		l.Kind, l.Why = Bad, badLine
		return
	}
	t := text(line)
	switch {
	case begun && t.has(indent) && len(t) > len(indent) && t[len(indent)] != ' ':
		*l = r.first
		l.Iface = r.iface[:len(r.first.Iface)]
		if r.make(t[len(indent):], r.v6, r.h, l); l.Kind == Unknown {
			l.Kind = Other
		}
	case about(t, l, r.ascii):
		r.below, r.ascii = false, false
		return
	case !r.packet(t, l):
		*l = Line{}
		if r.isBelow(t) {
			l.Kind = More
		}
		return
	}
	r.below, r.ascii, r.direct = true, false, true
	r.form = l.Form
}

// indent is what the second line of -v begins with.
const indent = "    "

// isBelow says whether a line is one of those that stand below a packet. Those
// of -A may be anything; what tells them is that the first one begins as an IP
// packet does.
func (r *Reader) isBelow(t text) bool {
	direct := r.direct
	r.direct = false
	switch {
	case !r.below:
		return false
	case t.has("\t"), t.has(indent):
		return true
	case direct && (t.has("E") || t.has("`")):
		r.ascii = true
	}
	return r.ascii
}

// packet reads a line that begins a packet, and says no where t is none.
func (r *Reader) packet(t text, l *Line) bool {
	t.number()
	l.Time, l.Form = t.stamp()
	if r.ascii && l.Form != r.form {
		return false
	}
	t.interfaces(l)
	v6, isIP := t.network(l.Form != NoTime)
	switch {
	case isIP:
		r.make(t, v6, head{}, l)
		return l.Kind != Unknown
	case l.Form != NoTime, t.isOther():
		l.Kind = Other
		return true
	}
	return false
}

// make makes the packet that t describes behind the word IP or IP6, and behind
// the first line of -v if there was one.
func (r *Reader) make(t text, v6 bool, h head, l *Line) {
	if says := t.trimLeft(); says.has("[|") || says.has("bad-") ||
		says.has("truncated-") && !says.has("truncated-ip - ") && !says.has("truncated-ip6 - ") {
		l.Kind = Other
		return
	}
	if !h.told {
		if !h.read(&t) {
			l.Kind, l.Why = Bad, badHead
			return
		}
		if h.told && len(t) == 0 {
			r.begun, r.v6, r.h, r.first = true, v6, h, *l
			l.Kind = Begun
			r.first.Iface = r.iface[:copy(r.iface[:], l.Iface)]
			return
		}
	}
	if t.index(" > ") < 0 {
		if l.Form != NoTime {
			l.Kind = Other
		}
		return
	}
	r.unknown, r.old = Fragment|TTL|TOS, false
	made, wire, why := r.ip(t, v6, h, 0, 0)
	if why != "" {
		l.Kind, l.Why = Bad, why
		return
	}
	if v6 {
		r.unknown &^= Fragment
	}
	l.Kind, l.Old, l.Unknown = Packet, r.old, r.unknown
	l.Data, l.Len = r.buf[:made], uint32(wire)
}

func (t text) trimLeft() text {
	t.blanks()
	return t
}

// number passes what -# writes.
func (t *text) number() {
	rest := *t
	rest.blanks()
	n := rest.digits()
	if n == 0 {
		return
	}
	if rest = rest[n:]; rest.skip("  ") {
		*t = rest
	}
}

// about reads a line that is about the capture, and says no where t is none.
// Below -A all but what ends the text may be payload.
func about(t text, l *Line, ascii bool) bool {
	switch {
	case ascii && !t.digit(0):
		return false
	case t.is("..."):
		l.Kind = Gap
		return true
	case t.has("tcpdump: "), t.has("reading from file "), t.has("listening on "), t.has("dropped privs to "),
		t.has("Warning: "):
		l.Kind = Header
		t.skip("tcpdump: ")
		if t.skip("listening on ") {
			if at := t.index(", "); at >= 0 && t[:at].isIface() {
				l.Iface = t[:at]
			}
		}
		return true
	}
	n, ok := t.num(most64)
	if !ok || !t.skip(" packet") {
		return false
	}
	t.skip("s")
	switch {
	case t.has(" captured"):
		l.Kind = Captured
	case t.has(" received by filter"):
		l.Kind = Received
	case t.has(" dropped by kernel"):
		l.Kind = Dropped
	case t.has(" dropped by interface"):
		l.Kind = DroppedIf
	default:
		return false
	}
	l.Count = n
	return true
}

// interfaces passes what -i any writes before a packet: the name of the
// interface, in newer versions, and the direction.
func (t *text) interfaces(l *Line) {
	rest := *t
	rest.blanks()
	name := rest.word()
	if dir, ok := dirOf(name); ok && rest.has(" ") {
		after := rest
		after.blanks()
		if _, two := dirOf(after.word()); !two || !name.is("?") { // an interface may have no name
			l.Dir = dir
			rest.blanks()
			*t = rest
			return
		}
	}
	if !name.isIface() || rest.blanks() == 0 {
		return
	}
	arrow := rest
	if out := arrow.skip("> "); out || arrow.skip("< ") { // in some Linux systems of the 1990s
		if arrow.packetAgain() || arrow.namesAgain() {
			l.Iface = name
			if l.Dir = In; out {
				l.Dir = Out
			}
			*t = arrow
		}
		return
	}
	if dir, ok := dirOf(rest.word()); ok && rest.has(" ") {
		l.Dir = dir
		if !name.is("?") {
			l.Iface = name
		}
		rest.blanks()
		*t = rest
	}
}

// isIface says whether t can be the name of an interface.
func (t text) isIface() bool {
	for _, c := range t {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(t) > 0 && len(t) <= maxIface
}

func dirOf(t text) (Dir, bool) {
	switch string(t) {
	case "In", "B", "M":
		return In, true
	case "Out":
		return Out, true
	case "P", "?": // to another host
		return DirUnknown, true
	}
	return DirUnknown, false
}

// network passes what stands before an IP packet, and says of which version it
// is. Without a time only a line that says so is one.
func (t *text) network(timed bool) (v6, ok bool) {
	if v6, ok = t.ipWord(); ok {
		return v6, true
	}
	if v6, ok = t.link(); ok {
		t.ipWord()
		return v6, true
	}
	// Before 3.7 the word IP was missing; -e with -q leaves it out behind what
	// stands here.
	rest := *t
	bare := rest
	if _, ok := bare.after("ifindex ", most32); ok && bare.skip(" ") {
		rest = bare
	}
	if bare = rest; isMAC(bare.word()) && bare.skip(" ") {
		rest = bare
	}
	for rest.has("vlan ") {
		at := rest.index(", p ")
		if at < 0 {
			return false, false
		}
		rest = rest[at+len(", p "):]
		if _, ok = rest.num(7); !ok || !rest.skip(", ") {
			return false, false
		}
		rest.skip("DEI, ")
	}
	if !timed || !rest.packetAgain() && !rest.namesAgain() {
		return false, false
	}
	*t = rest
	return rest.looks6(), true
}

// namesAgain says whether t is a packet of tcpdump before 3.7 with names: as
// names can be anything, what follows them has to be known.
func (t text) namesAgain() bool {
	if !isName(t.word()) || !t.skip(" > ") {
		return false
	}
	colon := t.index(": ")
	if colon < 0 || !isName(t[:colon]) {
		return false
	}
	t = t[colon+2:]
	t.blanks()
	return oldTCP(t) || t.has("icmp: ") || t.has("udp ") && t.digit(len("udp "))
}

func (t *text) ipWord() (v6, ok bool) {
	switch {
	case t.skip("IP "):
		return false, true
	case t.skip("IP6 "):
		return true, true
	}
	return false, false
}

// link passes the link header that -e writes.
func (t *text) link() (v6, ok bool) {
	const most = 400 // what an Ethernet header with tags has room in
	rest := *t
	first := rest.word()
	switch {
	case rest.has(" > "), first.is("ifindex"), first.is("ethertype"), first.is("AF"), isMAC(first):
	case t.skip("ip: "):
		return t.looks6(), true
	case first.is("IPv4,"), first.is("IPv6,"):
	default:
		return false, false
	}
	within := (*t)[:min(len(*t), most)]
	at := -1
	for i, s := range [...]string{"ethertype IPv4", "ethertype IPv6", "AF IPv4", "AF IPv6", ", IPv4", ", IPv6"} {
		if n := within.index(s); n >= 0 && (at < 0 || n < at) {
			at = n
			v6 = i%2 == 1
			rest = (*t)[n+len(s):]
		}
	}
	if first.is("IPv4,") || first.is("IPv6,") {
		at, v6, rest = 0, first.is("IPv6,"), (*t)[len("IPv4"):]
	}
	if at < 0 {
		return false, false
	}
	rest.blanks()
	if rest.parens() {
		rest.blanks()
	}
	if _, is := rest.after(", length ", most32); is && rest.skip(": ") || rest.skipAny(", ", ": ") {
		*t = rest
		return v6, true
	}
	return false, false
}

// isMAC says whether t looks as a hardware address.
func isMAC(t text) bool {
	if len(t) != 17 {
		return false
	}
	for i, c := range t {
		_, hex := nibble(c)
		if (i%3 == 2) != (c == ':') || i%3 != 2 && !hex {
			return false
		}
	}
	return true
}

// isOther says whether t, which has no time, is a packet but no IP.
func (t text) isOther() bool {
	if blank := t.trimLeft(); blank.has("[|") {
		return true
	}
	for _, s := range [...]string{"ARP, ", "arp ", "RARP, ", "STP ", "LLDP, ", "EAPOL ", "EAP packet ", "LACPv1, ", "IP6, ", "PPPoE ", "LLC, ", "ethertype ", "ifindex ", "AF "} {
		if t.has(s) {
			return true
		}
	}
	return isMAC(t.word()) && (t.has(" > ") || t.has(" ethertype "))
}
