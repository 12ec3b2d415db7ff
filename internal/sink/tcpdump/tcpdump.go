// Package tcpdump prints packets in the format of tcpdump 4.99.3 -nn, so that scripts for
// tcpdump still work. The tests compare it with the output of tcpdump byte by byte.
//
// It differs on purpose as follows:
//   - Protocols over UDP and TCP that tcpdump decodes and this package does not are printed
//     as "UDP, length N", or end at "length N": over UDP all but DNS, mDNS and SIP;
//     over TCP all but HTTP, DNS, FTP, SMTP, WHOIS, RTSP and SSH.
//   - IP protocols that tcpdump decodes and this package does not are printed as
//     " ip-proto-N len": DCCP, EGP, IGRP, EIGRP, OSPF, RSVP, Mobile IP, PIM, VRRP, PGM,
//     Ethernet; GRE of version 0 with a payload other than IPv4 and IPv6, and of version 1,
//     as "gre-proto-0xN"; IGMP messages of DVMRP and PIM version 1 have no details;
//     ForCES and M3UA payload of SCTP is not decoded.
//   - ICMPv6 node information, router renumbering and RPL have no details.
//   - A TCP segment quoted by an ICMP error never starts a connection, and so does not set
//     the base of relative sequence numbers.
//   - Frames without IP that tcpdump decodes and this package does not are printed like
//     unknown ones, but without their bytes: the addresses and, for example,
//     "ethertype PPPoE D (0x8863), length 60". These are AoE, AppleTalk and its
//     ARP, Arista's, CALM FAST, CFM, DECnet, GeoNetworking, IPX, MACsec, MPCP,
//     MPLS, Microsoft's load balancing, NSH, OSI, PPP, PPPoE, PTP, Realtek's, TIPC;
//     after LLC and SNAP also IP, IPX, NetBEUI, OSI, CDP, DTP, UDLD, VTP and
//     bridged frames; and the payload of a radiotap header.
//   - For LLDP, STP, EAP, LACP, its markers and OAM -v prints no more than the default.
//   - Link types other than Ethernet, raw IP, LINKTYPE_LOOP and cooked ones are printed like
//     those that tcpdump does not know: "UNSUPPORTED", and the bytes.
//   - For cooked frames tcpdump always prints the EtherType name of a VLAN tag, and for
//     LINKTYPE_LINUX_SLL2 also the interface and the direction. This package prints that
//     name before an IP packet, the direction and the interface only with -e, and the
//     interface as a number.
//   - -x, -X and -A of an IP packet start at its IP header, even if tcpdump starts at the
//     link header because the packet was truncated.
//   - The IP version is that of the first byte of the packet, not of the outer header.
//   - Nesting is limited to event.MaxInner packets, and a DNS message to 10,000 compression
//     pointers; the text says so if a limit is reached.
package tcpdump

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

// Options correspond to flags of tcpdump. Ports are always numbers, and so are addresses unless
// Name returns a name.
type Options struct {
	Verbose     int  // 1: -v, 2: -vv
	Quick       bool // -q
	AbsoluteSeq bool // -S
	ASCII       bool // -A: newlines of the packet are kept
	HexASCII    bool // -X; wins over -x, which wins over -A
	Hex         bool // -x
	Link        bool // -e; for an IP packet the link header is written by AppendLink
	// Name returns the name of an address in the IP header, "" if it has none. nil: numbers,
	// as with -n.
	Name func(netip.Addr) string
}

var defaults Options

// Append appends the text of a packet to dst, without time and final newline. Continuation lines
// start as in tcpdump. The text has no control characters but newline and tab, for any
// packet.
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

// appendNothing appends the text of a packet of which nothing was captured.
func appendNothing(b []byte, length uint32) []byte {
	b = append(b, "[Invalid header: caplen==0"...)
	if length == 0 {
		b = append(b, ", len==0"...)
	}
	return append(b, ']')
}

// appendDump appends the bytes of a packet in the format that o selects, if any.
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

// writer writes one packet. It reads bytes in the same order as tcpdump, because the text of a
// truncated packet ends at the first read of a missing byte: cut is then set, and nothing more
// is written.
type writer struct {
	b     []byte
	o     *Options
	p     *event.Packet // the current, innermost packet
	d     []byte        // its bytes
	end   int           // end of the captured bytes in d
	proto string        // current protocol, for [|proto]
	cut   bool
	jumps int // number of compression pointers followed
}

func (w *writer) enter(p *event.Packet) {
	w.p, w.d, w.end = p, p.Data[:p.End], int(p.End)
}

// str, byte, num and hex write nothing if cut is set.

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

// lost ends the text at a read of a byte that was not captured.
func (w *writer) lost() {
	w.trunc()
	w.cut = true
}

// trunc writes [|proto] like lost, but does not end the text. It is for places where tcpdump
// checks the length itself.
func (w *writer) trunc() {
	w.str(" [|")
	w.str(w.proto)
	w.byte(']')
}

func (w *writer) invalid() { w.str(" (invalid)") }

// has reports whether n bytes at off were captured. It is false for a length that has
// overflowed, which is large.
func (w *writer) has(off int, n uint32) bool { return off >= 0 && int64(off)+int64(n) <= int64(w.end) }

// need is like has, but ends the text if the bytes were not captured.
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

// u8 to u32 read big-endian integers. They end the text and return 0 if bytes are missing.

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

// addr4 and addr6 write the address at off. They end the text if it was not captured.

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

// addr writes an address of the current IP header.
func (w *writer) addr(a netip.AddrPort) {
	if w.o.Name != nil {
		if name := w.o.Name(a.Addr()); name != "" {
			w.b = clean.AppendText(w.b, name)
			return
		}
	}
	w.b = appendAddr(w.b, a.Addr())
}

// ends writes "src > dst" and s.
func (w *writer) ends(s string) {
	if w.cut {
		return
	}
	w.addr(w.p.Src)
	w.b = append(w.b, " > "...)
	w.addr(w.p.Dst)
	w.b = append(w.b, s...)
}

// ports writes "src.port > dst.port" and s. It omits the addresses if they have already been
// written, because the IP header has another protocol than proto.
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

// char writes a byte of text in the packet: M- for the eighth bit, ^ for control characters.
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

// chars writes the captured part of n bytes at off. It reports whether all were captured.
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

// word is a number and its name.
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

// named writes the name of v, or before, v and after if it has none.
func (w *writer) named(list []word, v uint32, before, after string) {
	if s := name(list, v); s != "" {
		w.str(s)
		return
	}
	w.say(before, v)
	w.str(after)
}

// bits writes the names of the bits of v separated by sep, or none if no bit is set.
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
