package tcpdump

var (
	routerFlags   = []word{{0x80, "managed"}, {0x40, "other stateful"}, {0x20, "home agent"}, {0x02, "ipv6 only"}}
	neighborFlags = []word{{0x80, "router"}, {0x40, "solicited"}, {0x20, "override"}}
	prefixFlags   = []word{{0x80, "onlink"}, {0x40, "auto"}, {0x20, "router"}}
)

// neighbor writes messages with options: neighbor discovery (RFC 4861) and mobility
// (RFC 6275). It returns false if nothing may follow.
func (w *writer) neighbor(at int, n uint32, kind uint8) bool {
	verbose := w.o.Verbose > 0
	header := 8
	switch kind {
	case advertRouter:
		header = 16
		if verbose && w.need(at+4, 12) {
			flags := w.d[at+5]
			w.say("\n\thop limit ", uint32(w.d[at+4]))
			w.str(", Flags [")
			w.bits(routerFlags, uint32(flags), ", ", "none")
			w.str("], pref ")
			w.preference(flags)
			w.say(", router lifetime ", uint32(w.u16(at+6)))
			w.say("s, reachable time ", w.u32(at+8))
			w.say("ms, retrans timer ", w.u32(at+12))
			w.str("ms")
		}
	case solicitNeigh:
		header = 24
		w.with6(", who has ", at+8)
	case advertNeigh:
		header = 24
		w.with6(", tgt is ", at+8)
		if verbose {
			w.str(", Flags [")
			w.bits(neighborFlags, uint32(w.u8(at+4)), ", ", "none")
			w.byte(']')
		}
	case redirect6:
		header = 40
		w.with6(", ", at+24)
		w.with6(" to ", at+8)
	case homeReply:
		if verbose {
			w.id6(at)
			for i := 8; i < int(n) && !w.cut; i += 16 {
				w.with6(", ", at+i)
			}
		}
		return true
	case prefixAdvert:
		if verbose {
			w.id6(at)
			if flags := w.u16(at + 6); flags&0xc000 != 0 {
				w.byte(' ')
				if flags&0x8000 != 0 {
					w.byte('M')
				}
				if flags&0x4000 != 0 {
					w.byte('O')
				}
			}
		}
	}
	if verbose && !w.cut && !w.neighborOptions(at+header, int32(n-uint32(header))) {
		w.trunc()
		return false
	}
	return true
}

func (w *writer) preference(flags uint8) {
	w.str([...]string{"medium", "high", "rsv", "low"}[flags>>3&3])
}

func (w *writer) lifetime(s uint32) {
	if s == 0xffffffff {
		w.str("infinity")
		return
	}
	w.num(s)
	w.byte('s')
}

// Neighbor discovery options (RFC 4861, 4191, 6275, 8106).
var neighborOptions = []word{
	{1, "source link-address"}, {2, "destination link-address"}, {3, "prefix info"}, {4, "redirected header"}, {5, "mtu"},
	{25, "rdnss"}, {31, "dnssl"}, {7, "advertisement interval"}, {8, "homeagent information"}, {24, "route info"},
}

// neighborOptions writes left bytes of options at offset first, one per line. It returns false
// if one is truncated or damaged.
func (w *writer) neighborOptions(first int, left int32) bool {
	for at := first; at < w.end; {
		if !w.has(at+1, 1) {
			return false
		}
		if left <= 0 {
			return true
		}
		kind, units := w.d[at], int(w.d[at+1])
		size := units * 8
		if size == 0 || at+size > w.end {
			return false
		}
		w.str("\n\t  ")
		if s := name(neighborOptions, uint32(kind)); s != "" {
			w.str(s)
		} else {
			w.str("unknown")
		}
		w.say(" option (", uint32(kind))
		w.say("), length ", uint32(size))
		w.say(" (", uint32(units))
		w.str("): ")
		known, ok := w.neighborOption(kind, first, at, size)
		if w.cut {
			return true
		}
		if !ok {
			return false
		}
		if !known && w.o.Verbose < 2 {
			w.unknown(at+2, uint32(size-2), "\n\t  ")
			return true
		}
		if w.o.Verbose > 1 {
			w.unknown(at+2, uint32(size-2), "\n\t    ")
		}
		at += size
		left -= int32(size)
	}
	return true
}

func (w *writer) neighborOption(kind uint8, first, at, size int) (known, ok bool) {
	units := size / 8
	switch kind {
	case 1, 2:
		w.colons(w.d[at+2 : at+size])
	case 3:
		if !w.need(at+4, 28) {
			return true, true
		}
		w.addr6(at + 16)
		w.say("/", uint32(w.d[at+2]))
		if units != 4 {
			w.str("badlen")
		}
		w.str(", Flags [")
		w.bits(prefixFlags, uint32(w.d[at+3]), ", ", "none")
		w.str("], valid time ")
		w.lifetime(w.u32(at + 4))
		w.str(", pref. time ")
		w.lifetime(w.u32(at + 8))
	case 4:
		w.unknown(first, uint32(size), "\n\t    ")
	case 5:
		w.say(" ", w.u32(at+4))
		if units != 1 {
			w.str("bad option length")
		}
	case 25:
		w.say(" lifetime ", w.u32(at+4))
		w.str("s,")
		for i := range (units - 1) / 2 {
			w.with6(" addr: ", at+8+i*16)
		}
	case 31:
		w.say(" lifetime ", w.u32(at+4))
		w.str("s, domain(s):")
		for d := at + 8; d < at+size && w.u8(d) != 0; {
			w.byte(' ')
			if d, ok = w.domain(d, first); !ok {
				return true, false
			}
		}
	case 7:
		w.say(" ", w.u32(at+4))
		w.str("ms")
	case 8:
		if w.need(at+4, 4) {
			w.say(" preference ", uint32(w.u16(at+4)))
			w.say(", lifetime ", uint32(w.u16(at+6)))
		}
	case 24:
		var a [16]byte
		if units > 3 {
			return true, false
		}
		copy(a[:], w.d[at+8:at+size])
		w.byte(' ')
		w.b = append16(w.b, a)
		w.say("/", uint32(w.d[at+2]))
		w.str(", pref=")
		w.preference(w.d[at+3])
		w.str(", lifetime=")
		w.lifetime(w.u32(at + 4))
	default:
		return false, true
	}
	return true, true
}
