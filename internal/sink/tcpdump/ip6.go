package tcpdump

import "github.com/pidwire/pidwire/internal/event"

const (
	hopByHop    = event.ProtoHopByHop
	routing     = event.ProtoRouting
	fragment    = event.ProtoFragment
	destOpts    = event.ProtoDestOpts
	mobilityOld = event.ProtoMobilOld
	mobility    = event.ProtoMobility
)

// ip6 writes an IPv6 packet.
func (w *writer) ip6() {
	p := w.p
	h := &p.IP
	w.proto = "ip6"
	switch {
	case p.Damage == event.TooDeep:
		w.tooDeep()
		return
	case len(p.Data) < 40:
		w.trunc()
		return
	case p.Len < 40:
		w.say("truncated-ip6 ", p.Len)
		return
	}
	if !w.o.Link {
		w.str("IP6 ")
	}
	if p.Version != 6 {
		w.say("version error: ", uint32(p.Version))
		w.str(" != 6")
		return
	}
	if h.Total != 0 && h.Missing != 0 {
		w.missing6(h.Missing)
	}
	if w.o.Verbose > 0 {
		w.byte('(')
		if h.TOS != 0 {
			w.str("class 0x")
			w.hex(uint64(h.TOS), 2)
			w.str(", ")
		}
		if h.Flow != 0 {
			w.str("flowlabel 0x")
			w.hex(uint64(h.Flow), 5)
			w.str(", ")
		}
		w.say("hlim ", uint32(h.TTL))
		w.str(", next-header ")
		w.str(protoName(h.Proto))
		w.say(" (", uint32(h.Proto))
		w.say(") payload length: ", uint32(h.Total))
		w.str(") ")
	}
	switch h.Proto {
	case event.ProtoTCP, event.ProtoUDP, event.ProtoSCTP:
	default:
		w.ends(": ")
	}
	w.chain()
}

func (w *writer) missing6(n uint32) {
	w.say("truncated-ip6 - ", n)
	w.str(" bytes missing!")
}

// chain writes the extension headers and the upper layer.
func (w *writer) chain() {
	p := w.p
	payload := uint32(p.IP.Total)
	length := payload
	if payload == 0 {
		length = p.Len
	}
	proto, at := p.IP.Proto, 40
	jumbo, fragmented := false, false
	for n := 0; ; {
		if length < uint32(n) {
			w.trunc()
			return
		}
		at += n
		length -= uint32(n)
		switch proto {
		case hopByHop:
			if at > 40 {
				w.misplaced(w.d[6] == hopByHop)
				return
			}
			if n = w.hopByHop(at, &jumbo, &payload); w.cut {
				return
			}
			if payload == 0 && !jumbo {
				w.str("[No valid Jumbo Payload Hop-by-Hop option found]")
				w.invalid()
				return
			}
		case destOpts:
			n = w.destOptions(at)
		case fragment:
			if n = w.fragment(at); w.end <= at+n {
				return
			}
			fragmented = true
		case mobility, mobilityOld:
			w.mobility(at)
			return
		case routing:
			if !w.has(at, 1) {
				w.trunc()
				return
			}
			n = w.routing(at)
		default:
			switch {
			case jumbo:
				if length = payload + 40; length < uint32(at) {
					w.trunc()
					return
				}
				if p.Len < length {
					w.missing6(length - p.Len)
				}
				length -= uint32(at)
			case payload == 0 && p.Len > 65535+40: // BIG TCP without a jumbo option
				length = p.Len - uint32(at)
			case payload == 0 && at > 40:
				w.trunc()
				return
			case payload == 0:
				length, w.end = 0, 40
			}
			w.demux(proto, at, length, fragmented)
			return
		}
		if n <= 0 || w.cut {
			return
		}
		proto = w.d[at]
		w.proto = "ip6"
	}
}

func (w *writer) misplaced(again bool) {
	if again {
		w.str("[The Hop-by-Hop Options header was already found]")
	} else {
		w.str("[The Hop-by-Hop Options header don't follow the IPv6 header]")
	}
	w.invalid()
}

// hopByHop, destOptions, fragment and routing write a header and return its length, or 0 or
// less if the text ends with it.

func (w *writer) hopByHop(at int, jumbo *bool, payload *uint32) int {
	w.proto = "hbhopt"
	n := (int(w.u8(at+1)) + 1) * 8
	if w.cut {
		return -1
	}
	if !w.has(at, uint32(n)) {
		w.trunc()
		return -1
	}
	w.str("HBH ")
	if !w.options6(at+2, n-2, jumbo, payload) {
		w.trunc()
		return -1
	}
	return n
}

func (w *writer) destOptions(at int) int {
	w.proto = "dstopt"
	n := (int(w.u8(at+1)) + 1) * 8
	if w.cut {
		return -1
	}
	if !w.has(at, uint32(n)) {
		w.trunc()
		return -1
	}
	w.str("DSTOPT ")
	if w.o.Verbose > 0 && !w.options6(at+2, n-2, nil, nil) {
		w.trunc()
		return -1
	}
	return n
}

// options6 writes n bytes of options at offset at, all of which were captured. It returns
// false if one is invalid. jumbo and payload are nil if a jumbo payload option is not allowed.
func (w *writer) options6(at, n int, jumbo *bool, payload *uint32) bool {
	const pad1, padN, alert, jumboOpt, home = 0, 1, 5, 0xc2, 0xc9
	verbose := w.o.Verbose > 0
	seen := false
	for i, size := 0, 0; i < n; i += size {
		o := at + i
		kind := w.d[o]
		if size = 1; kind != pad1 {
			if i+1 >= n {
				return false
			}
			size = int(w.d[o+1]) + 2
		}
		if i+size > n {
			return false
		}
		switch kind {
		case pad1:
			if verbose {
				w.str("(pad1)")
			}
		case padN:
			if verbose {
				w.str("(padn)")
			}
		case alert:
			if !w.alert6(o, n-i, size) {
				return false
			}
		case jumboOpt:
			if !w.jumbo6(o, n-i, size, seen, jumbo, payload) {
				return false
			}
			seen = true
		case home:
			if !w.home6(o, n-i, size) {
				return false
			}
		default:
			if verbose {
				w.str("(opt_type 0x")
				w.hex(uint64(kind), 2)
				w.say(": len=", uint32(size-2))
				w.byte(')')
			}
		}
	}
	if verbose && n > 0 {
		w.byte(' ')
	}
	return true
}

// alert6, jumbo6 and home6 write an option of size bytes at offset o; left is the number of
// remaining bytes. They return false if it does not fit.
func (w *writer) alert6(o, left, size int) bool {
	if left < 4 {
		w.str("(rtalert: trunc)")
		return false
	}
	if size != 4 {
		w.wrongSize("rtalert", size)
		return false
	}
	if w.o.Verbose > 0 {
		w.str("(rtalert: 0x")
		w.hex(uint64(w.u16(o+2)), 4)
		w.str(") ")
	}
	return true
}

func (w *writer) jumbo6(o, left, size int, seen bool, jumbo *bool, payload *uint32) bool {
	if left < 6 {
		w.str("(jumbo: trunc)")
		return false
	}
	if size != 6 {
		w.wrongSize("jumbo", size)
		return false
	}
	v := w.u32(o + 2)
	why := ""
	switch {
	case seen:
		why = " - already seen"
	case payload == nil:
		why = " - not a hop-by-hop option"
	case *payload != 0:
		why = " - payload len != 0"
	case v < 65536:
		why = " - < 65536"
	default:
		*jumbo, *payload = true, v
	}
	if w.o.Verbose > 0 {
		w.say("(jumbo: ", v)
		w.str(why)
		w.str(") ")
	}
	return true
}

func (w *writer) home6(o, left, size int) bool {
	if left < 18 {
		w.str("(homeaddr: trunc)")
		return false
	}
	if size < 18 {
		w.wrongSize("homeaddr", size)
		return false
	}
	if w.o.Verbose == 0 {
		return true
	}
	w.str("(homeaddr: ")
	w.addr6(o + 2)
	if !w.subOptions(o+18, size-18) {
		return false
	}
	w.byte(')')
	return true
}

func (w *writer) wrongSize(what string, size int) {
	w.byte('(')
	w.str(what)
	w.say(": invalid len ", uint32(size-2))
	w.byte(')')
}

// subOptions writes the options after a home address.
func (w *writer) subOptions(at, n int) bool {
	for i, size := 0, 0; i < n; i += size {
		o := at + i
		kind := w.d[o]
		if size = 1; kind != 0 {
			if i+1 >= n {
				return false
			}
			size = int(w.d[o+1]) + 2
		}
		if i+size > n {
			return false
		}
		switch kind {
		case 0:
			w.str(", pad1")
		case 1:
			w.str(", padn")
		default:
			w.str(", sopt_type 0x")
			w.hex(uint64(kind), 2)
			w.say(": len=", uint32(size-2))
		}
	}
	return true
}

func (w *writer) fragment(at int) int {
	w.proto = "frag6"
	id := uint32(0)
	if w.o.Verbose > 0 {
		id = w.u32(at + 4)
	}
	off := w.u16(at+2) &^ 7
	w.str("frag (")
	if w.o.Verbose > 0 {
		w.str("0x")
		w.hex(uint64(id), 8)
		w.byte(':')
	}
	w.num(uint32(off))
	w.byte('|')
	w.num64(uint64(40 + int64(w.p.IP.Total) - int64(at) - 8))
	w.byte(')')
	if off != 0 || w.cut {
		return -1
	}
	w.byte(' ')
	return 8
}

func (w *writer) routing(at int) int {
	w.proto = "rt6"
	w.str("RT6")
	n := uint32(w.u8(at + 1))
	w.say(" (len=", n)
	kind := w.u8(at + 2)
	w.say(", type=", uint32(kind))
	if kind == 0 {
		w.str(" [Deprecated]")
	}
	left := w.u8(at + 3)
	w.say(", segleft=", uint32(left))
	switch kind {
	case 0, 2:
		if v := w.u32(at + 4); v != 0 || w.o.Verbose > 0 {
			w.str(", rsv=0x")
			w.hex(uint64(v), 1)
		}
	case 4: // segment routing, RFC 8754
		w.say(", last-entry=", uint32(w.u8(at+4)))
		if v := w.u8(at + 5); v != 0 || w.o.Verbose > 0 {
			w.str(", flags=0x")
			w.hex(uint64(v), 1)
		}
		tag := w.u16(at + 6)
		w.str(", tag=")
		w.hex(uint64(tag), 1)
	default:
		w.str(" (unknown type)")
		w.invalid()
		return -1
	}
	if n%2 == 1 {
		w.say(" (invalid length ", n)
		w.byte(')')
		w.invalid()
		return -1
	}
	for i := uint32(0); i < n/2; i++ {
		hop := at + 8 + int(i)*16
		if !w.need(hop, 16) {
			return -1
		}
		w.say(", [", i)
		w.byte(']')
		w.addr6(hop)
	}
	w.str(") ")
	return int(n+1) * 8
}
