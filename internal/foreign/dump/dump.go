// Package dump parses the text output of tcpdump(1) and builds IP packets with the contents of
// the text. It knows the output of tcpdump 4 (4.99.3) and of tcpdump 3.9, with -n or with names,
// and with any of the flags -e, -q, -v, -t to -ttttt and -#. For -S the caller should set
// Absolute; it is detected if a connection is seen from its start.
//
// A packet ends after the last byte that is known from the text: the rest, mostly the payload,
// counts as not captured, although its length is known. Unknown bytes before that are 0;
// Line.Unknown has their fields. Only these values are inferred:
//   - the checksum of an IPv4 header, which is correct;
//   - the sequence number of a segment without data, which tcpdump does not
//     print: the next one;
//   - addresses for host names: see Reader.Name;
//   - for a packet quoted by an ICMP error the source, which is the destination of
//     the error, and for IPv4 the length, which is the minimum that is quoted.
//
// Relative TCP sequence numbers are converted to absolute ones. If the first segment was an ACK
// without data its own number was not printed, and the numbers of that end are relative to a
// guess. They are relative to 0 if no earlier segment of the connection was seen. Printed again
// by tcpdump they are the same.
//
// Not supported are:
//   - payload, even if tcpdump decoded it, and the text of -A: these lines are
//     More, and so are the dumps of -x and -X, from which Hex takes the payload of
//     TCP and UDP;
//   - the length of protocols that tcpdump prints without one, such as SCTP and
//     SIP: Len is then the number of bytes in Data;
//   - the length of segments with -q, which may have had options: it is the length
//     without options;
//   - packets after IPv6 extension headers, AH and GRE: only the outer IP header
//     is there;
//   - the offset of fragments other than the first, without -v;
//   - ICMP router advertisements and timestamps, and most of ICMPv6: only the type
//     is there;
//   - data after a UDP datagram in its packet, without -v;
//   - Multipath TCP options that tcpdump reports as invalid, the data length of one
//     of 22 bytes, and the data after the number of an experiment (exp-e2d4);
//   - the number of bytes after the end of the TCP options: it is the minimum;
//   - IPv4 options, which are omitted;
//   - jumbograms, and packets longer than the maximum of IP because the kernel has
//     not segmented them yet: these lines are Bad;
//   - sequence numbers of connections other than the 4096 used last: they are
//     taken as if tcpdump had dropped the connection, too, which is not the case;
//   - the output of -A with payload that looks like lines of tcpdump: such a line
//     is accepted as a packet if its time has the same format.
//
// A line with a real address that is already the placeholder of a name is Bad.
//
// Memory is bounded: a line of more than 64 KiB is Bad, and so is a line with a new name after
// 65536 others.
package dump

import "net/netip"

// Kind is the kind of a line.
type Kind uint8

// The kinds. For kinds other than Packet all fields are zero unless noted here.
const (
	Unknown   Kind = iota // not a line of tcpdump
	Packet                // an IP packet
	Begun                 // first line of a packet: -v prints two lines, and the next one is the Packet
	More                  // lines of -v, -x, -X and -A below a packet
	Header                // message of tcpdump at the start; sets Iface if it has the interface
	Captured              // "85 packets captured", and so on; sets Count
	Received              // by the filter
	Dropped               // by the kernel
	DroppedIf             // by the interface
	Gap                   // "...": lines omitted by an editor
	Other                 // not an IP packet, or one without addresses in the text; sets the fields from Time to Dir
	Bad                   // an IP packet that cannot be built; sets Why and the fields from Time to Dir
)

var kindNames = [...]string{"unknown", "packet", "begun", "more", "header", "captured", "received", "dropped",
	"dropped by interface", "gap", "other", "bad"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// Dir is the direction printed with -i any.
type Dir uint8

// The directions.
const (
	DirUnknown Dir = iota
	Out
	In // includes broadcast and multicast
)

// Field is a set of fields of a packet.
type Field uint16

// The fields that may be unknown.
const (
	Fragment Field = 1 << iota // IPv4: identification, flags and offset
	TTL                        // IPv6: hop limit
	TOS                        // IPv6: traffic class and flow label
	Sum                        // of TCP, UDP and ICMP
	Seq                        // of TCP: it is the next one
	TCPRest                    // of TCP: all but the ports, including the presence of options
	Options                    // of TCP: some bytes; of IPv4: all
	Payload                    // of ICMP and other protocols: all after the first bytes, and some of those
	Proto                      // of IP: it is 255, a reserved number
	Length                     // Line.Len is the length of Line.Data
)

// Line is a parsed line.
type Line struct {
	Kind  Kind
	Why   string // static
	Count uint64
	Time  int64  // ns; Form has the epoch
	Form  Form   // format of the time
	Iface []byte // printable ASCII, at most 32 bytes; aliases the line or the Reader; empty: unknown
	Dir   Dir
	Old   bool   // in the format of tcpdump 3
	Data  []byte // from the IP header on; owned by the Reader and valid until its next Read; at most Len bytes
	Len   uint32 // bytes on the wire, from the IP header on; at most 65575
	// Unknown has the fields of Data and Len that are not in the text.
	Unknown Field
}

// maxLine is the maximum length of a line. Lines of tcpdump are much shorter.
const maxLine = 1 << 16

// Reader parses lines in order. The zero value is ready to use. It stores the names, and the base
// of the sequence numbers of each connection.
type Reader struct {
	// Absolute means that the text is from -S, with absolute sequence numbers.
	Absolute bool

	names    names
	services services
	flows    flows
	buf      [maxBytes]byte
	unknown  Field
	old      bool
	absolute bool // Absolute was detected from the sequence numbers

	begun bool // the previous line was the first half of a packet
	v6    bool
	h     head
	first Line // contents of that line
	iface [maxIface]byte

	below  bool // all lines since a packet can be below it
	direct bool // the previous line was the packet
	ascii  bool // they are of -A
	form   Form // time format of the packet
}

// maxIface is the maximum length of an interface name; Linux allows 15 bytes.
const maxIface = 32

// Names returns the host names in the text and their placeholder addresses: IPv4 before IPv6, in
// the order of their appearance.
func (r *Reader) Names() []Name { return r.NamesFrom(0, 0) }

// NamesFrom is like Names without the first v4 names for IPv4 and the first v6 for IPv6. It
// returns nil if there are none.
func (r *Reader) NamesFrom(v4, v6 int) []Name {
	var list []Name
	for v, from := range [...]int{v4, v6} {
		for i := from; i < len(r.names.list[v]); i++ {
			list = append(list, Name{r.names.list[v][i], netAddr(nth(i, v == 1), v == 1)})
		}
	}
	return list
}

// Name returns the name of a placeholder address, "" if a is not one.
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

// Read parses a line without newline into l, which it overwrites. It does not retain the line, but
// l.Iface may alias it.
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

// indent is the indentation of the second line of -v.
const indent = "    "

// isBelow reports whether a line is one of those below a packet. Lines of -A may have any text, but
// the first one starts like an IP packet.
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

// packet parses the first line of a packet. It returns false if t is something else.
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

// make builds the packet from the text t after the word IP or IP6, and from the first line of -v if
// there is one.
func (r *Reader) make(t text, v6 bool, h head, l *Line) {
	if says := t.trimLeft(); says.has("[|") || says.has("bad-") ||
		says.has("truncated-") && !says.has("truncated-ip - ") && !says.has("truncated-ip6 - ") {
		l.Kind = Other
		return
	}
	if !h.printed {
		if !h.read(&t) {
			l.Kind, l.Why = Bad, badHead
			return
		}
		if h.printed && len(t) == 0 {
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

// number skips the number of -#.
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

// about parses a message about the capture. It returns false if t is something else. After -A only
// messages at the end of the text are accepted, for others may be payload.
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

// interfaces skips the text of -i any before a packet: the interface name, in newer versions, and
// the direction.
func (t *text) interfaces(l *Line) {
	rest := *t
	rest.blanks()
	name := rest.word()
	if dir, ok := dirOf(name); ok && rest.has(" ") {
		after := rest
		after.blanks()
		if _, two := dirOf(after.word()); !two || !name.is("?") { // the interface name may be missing
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
	if out := arrow.skip("> "); out || arrow.skip("< ") { // on some Linux systems of the 1990s
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

// isIface reports whether t can be an interface name.
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

// network skips the text before an IP packet, and returns its IP version. A line without a time is
// accepted only if it has the word IP or IP6.
func (t *text) network(timed bool) (v6, ok bool) {
	if v6, ok = t.ipWord(); ok {
		return v6, true
	}
	if v6, ok = t.link(); ok {
		t.ipWord()
		return v6, true
	}
	// tcpdump before 3.7 has no word IP. -e with -q omits it after this text.
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

// namesAgain reports whether t is a packet of tcpdump before 3.7 with names. As names can be any
// text, the text after them must be known.
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

// link skips the link header of -e.
func (t *text) link() (v6, ok bool) {
	const most = 400 // enough for an Ethernet header with tags
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

// isMAC reports whether t looks like a hardware address.
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

// isOther reports whether t, which has no time, is a packet other than IP.
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
