// Package tcpdump writes packets as tcpdump 4.99.3 -nn does, so that whoever
// reads tcpdump can read pidwire, and whatever greps it still works. The tests
// hold it to the tool's own output, byte by byte.
//
// It differs on purpose here:
//   - Protocols above UDP and TCP that have words in tcpdump and none here read
//     "UDP, length N", or end at "length N": over UDP all but DNS, mDNS and SIP;
//     over TCP all but HTTP, DNS, FTP, SMTP, WHOIS, RTSP and SSH.
//   - IP protocols with words in tcpdump and none here read " ip-proto-N len":
//     DCCP, EGP, IGRP, EIGRP, OSPF, RSVP, Mobile IP, PIM, VRRP, PGM, Ethernet;
//     GRE of version 0 with anything but IPv4 and IPv6 in it, and of version 1,
//     "gre-proto-0xN"; IGMP messages of DVMRP and PIM version 1 have no details;
//     SCTP has no words for ForCES and M3UA payload.
//   - ICMPv6 node information, router renumbering and RPL have no details.
//   - A TCP segment that an ICMP error quotes never begins a connection, and so
//     never sets what later sequence numbers count from.
//   - Frames without IP that have words in tcpdump and none here read as those
//     that nobody has words for, without their bytes: their addresses and, say,
//     "ethertype PPPoE D (0x8863), length 60". These are AoE, AppleTalk and its
//     ARP, Arista's, CALM FAST, CFM, DECnet, GeoNetworking, IPX, MACsec, MPCP,
//     MPLS, Microsoft's load balancing, NSH, OSI, PPP, PPPoE, PTP, Realtek's, TIPC;
//     behind LLC and SNAP also IP, IPX, NetBEUI, OSI, CDP, DTP, UDLD, VTP and
//     bridged frames; and what is behind a radiotap header.
//   - Of LLDP, STP, EAP, LACP, its markers and OAM -v says no more than without.
//   - Link types but Ethernet, raw IP, LINKTYPE_LOOP and cooked ones read as
//     those that tcpdump does not know: "UNSUPPORTED", and the bytes.
//   - Of cooked frames tcpdump always writes the name of a tag's type, and of
//     LINKTYPE_LINUX_SLL2 also the interface and the direction. Here the first does
//     not stand before an IP packet without -e, the direction before nothing
//     without -e, and of the interface only -e writes anything: its number.
//   - -x, -X and -A of an IP packet begin at its IP header, also where tcpdump
//     begins at the link header, because the text ended where the capture did.
//   - Which IP a packet is says its first byte, whatever announced it.
//   - After event.MaxInner packets inside each other it says so and stops;
//     so it does after 10,000 compression pointers in one DNS message.
package tcpdump

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

// Options says how packets are written, with the names of tcpdump's flags.
// Ports are always numbers, and addresses where Name has no name.
type Options struct {
	Verbose     int  // 1: -v, 2: -vv
	Quick       bool // -q
	AbsoluteSeq bool // -S
	ASCII       bool // -A: lines of the packet stand as lines
	HexASCII    bool // -X; wins over -x, which wins over -A
	Hex         bool // -x
	Link        bool // -e; of an IP packet, AppendLink writes what is to stand before it
	// Name gives the name of an address in the IP header, empty if it has none;
	// nil: numbers, as with -n.
	Name func(netip.Addr) string
}

var defaults Options

// Append appends a packet to dst, without its time and the last newline.
// Further lines of it begin as tcpdump begins them. Whatever bytes the packet
// holds, the text has no control bytes but newline and tab.
func Append(dst []byte, p *event.Packet, o *Options) []byte {
	if o == nil {
		o = &defaults
	}
	w := writer{b: dst, o: o}
	if p.Len == 0 || len(p.Data) == 0 {
		return appendNothing(dst, p.Len)
	}
	w.enter(p)
	switch p.Version {
	case 4:
		w.ip4()
	case 6:
		w.ip6()
	default:
		w.str("unknown ip ")
		w.num(uint32(p.Version))
	}
	return appendDump(w.b, p.Data, o)
}

// appendNothing appends what is said of a packet of which nothing was captured.
func appendNothing(b []byte, length uint32) []byte {
	b = append(b, "[Invalid header: caplen==0"...)
	if length == 0 {
		b = append(b, ", len==0"...)
	}
	return append(b, ']')
}

// appendDump appends the bytes of a packet, as far as options ask for them.
func appendDump(b, data []byte, o *Options) []byte {
	switch {
	case len(data) == 0:
		return b
	case o.HexASCII:
		return appendHexASCII(b, "\n\t", data)
	case o.Hex:
		return appendHex(b, "\n\t", data)
	case o.ASCII:
		return appendASCII(b, data)
	}
	return b
}

// writer writes one packet. It looks at bytes in tcpdump's order, because a
// packet whose captured part ends is described up to the first byte that is
// missing: from then on (cut) nothing more is written.
type writer struct {
	b     []byte
	o     *Options
	p     *event.Packet // the innermost one at hand
	d     []byte        // its bytes up to end
	end   int           // of what of it was captured
	proto string        // who is reading, for [|proto]
	cut   bool
	jumps int // compression pointers followed
}

func (w *writer) enter(p *event.Packet) {
	w.p, w.d, w.end = p, p.Data[:p.End], int(p.End)
}

// str, byte, num and hex write nothing once the packet is cut.

func (w *writer) str(s string) {
	if !w.cut {
		w.b = append(w.b, s...)
	}
}

func (w *writer) byte(c byte) {
	if !w.cut {
		w.b = append(w.b, c)
	}
}

func (w *writer) num(v uint32) {
	if !w.cut {
		w.b = appendUint(w.b, v)
	}
}

func (w *writer) num64(v uint64) {
	if !w.cut {
		w.b = strconv.AppendUint(w.b, v, 10)
	}
}

// hex writes v in at least width digits.
func (w *writer) hex(v uint64, width int) {
	if !w.cut {
		w.b = appendDigits(w.b, v, width)
	}
}

// say writes s and then v.
func (w *writer) say(s string, v uint32) {
	w.str(s)
	w.num(v)
}

// lost says that a byte that was needed was not captured, and ends the text.
func (w *writer) lost() {
	w.trunc()
	w.cut = true
}

// trunc says the same where tcpdump's reader notices and returns by itself.
func (w *writer) trunc() {
	w.str(" [|")
	w.str(w.proto)
	w.byte(']')
}

func (w *writer) invalid() { w.str(" (invalid)") }

// has says whether n bytes at off were captured. Lengths that wrapped are
// large, and so not there.
func (w *writer) has(off int, n uint32) bool { return off >= 0 && int64(off)+int64(n) <= int64(w.end) }

// need is has, and ends the text if they were not.
func (w *writer) need(off int, n uint32) bool {
	if w.cut {
		return false
	}
	if !w.has(off, n) {
		w.lost()
		return false
	}
	return true
}

// u8 to u32 read big-endian numbers; 0 where they are not there.

func (w *writer) u8(off int) uint8 {
	if !w.need(off, 1) {
		return 0
	}
	return w.d[off]
}

func (w *writer) u16(off int) uint16 {
	if !w.need(off, 2) {
		return 0
	}
	return binary.BigEndian.Uint16(w.d[off:])
}

func (w *writer) u32(off int) uint32 {
	if !w.need(off, 4) {
		return 0
	}
	return binary.BigEndian.Uint32(w.d[off:])
}

// addr4 and addr6 write the address at off.

func (w *writer) addr4(off int) {
	if w.need(off, 4) {
		w.b = append4(w.b, w.d[off:])
	}
}

func (w *writer) addr6(off int) {
	if w.need(off, 16) {
		w.b = append16(w.b, [16]byte(w.d[off:]))
	}
}

// addr writes an address of the header at hand, which is known to be there.
func (w *writer) addr(a netip.AddrPort) {
	if w.o.Name != nil {
		if name := w.o.Name(a.Addr()); name != "" {
			w.b = clean.AppendText(w.b, name)
			return
		}
	}
	w.b = appendAddr(w.b, a.Addr())
}

// ends writes "src > dst" followed by s.
func (w *writer) ends(s string) {
	if w.cut {
		return
	}
	w.addr(w.p.Src)
	w.b = append(w.b, " > "...)
	w.addr(w.p.Dst)
	w.b = append(w.b, s...)
}

// ports writes "src.port > dst.port" and s: without the addresses where they
// were written before, because the IP header itself names another protocol.
func (w *writer) ports(proto uint8, s string) {
	if w.cut {
		return
	}
	with := w.p.IP.Proto == proto
	if with {
		w.addr(w.p.Src)
		w.b = append(w.b, '.')
	}
	w.b = appendUint(w.b, uint32(w.p.Src.Port()))
	w.b = append(w.b, " > "...)
	if with {
		w.addr(w.p.Dst)
		w.b = append(w.b, '.')
	}
	w.b = appendUint(w.b, uint32(w.p.Dst.Port()))
	w.b = append(w.b, s...)
}

// char writes a byte of the packet's own text: M- for the eighth bit, ^ for
// control characters.
func (w *writer) char(c byte) {
	if w.cut {
		return
	}
	if c >= 0x80 {
		w.b = append(w.b, "M-"...)
		c &= 0x7f
	}
	if c < ' ' || c == 0x7f {
		w.b = append(w.b, '^')
		c ^= 0x40
	}
	w.b = append(w.b, c)
}

// chars writes n bytes at off, or as many as were captured; it says whether
// all were.
func (w *writer) chars(off int, n uint32) bool {
	whole := w.has(off, n)
	stop := w.end
	if whole {
		stop = off + int(n)
	}
	for ; off < stop; off++ {
		w.char(w.d[off])
	}
	return whole
}

// word is a number that has a name.
type word struct {
	v uint32
	s string
}

func name(list []word, v uint32) string {
	for i := range list {
		if list[i].v == v {
			return list[i].s
		}
	}
	return ""
}

// named writes the name of v, or else before, v and after.
func (w *writer) named(list []word, v uint32, before, after string) {
	if s := name(list, v); s != "" {
		w.str(s)
		return
	}
	w.say(before, v)
	w.str(after)
}

// bits writes the names of the bits of v with sep between them, or none.
func (w *writer) bits(list []word, v uint32, sep, none string) {
	any := false
	for i := range list {
		if v&list[i].v != 0 && v&list[i].v == list[i].v {
			if any {
				w.str(sep)
			}
			w.str(list[i].s)
			any = true
		}
	}
	if !any {
		w.str(none)
	}
}
