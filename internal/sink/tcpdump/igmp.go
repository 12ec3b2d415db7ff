package tcpdump

// groupRecords are the types of group records, which are the same in IGMPv3 (RFC 3376) and
// MLDv2 (RFC 3810).
var groupRecords = []word{{1, "is_in"}, {2, "is_ex"}, {3, "to_in"}, {4, "to_ex"}, {5, "allow"}, {6, "block"}}

// igmp writes an IGMP message of n bytes.
func (w *writer) igmp(at int, n uint32) {
	w.proto = "igmp"
	if w.o.Quick {
		w.str("igmp")
		return
	}
	switch kind := w.u8(at); kind {
	case 0x11:
		w.str("igmp query")
		if n >= 12 {
			w.igmpQuery3(at, n)
			break
		}
		if t := w.u8(at + 1); t == 0 {
			w.str(" v1")
		} else if w.str(" v2"); t != 100 {
			w.say(" [max resp time ", uint32(t))
			w.byte(']')
		}
		if w.u32(at+4) != 0 {
			w.str(" [gaddr ")
			w.addr4(at + 4)
			w.byte(']')
		}
		w.igmpLength(n)
	case 0x12:
		w.igmpGroup("igmp v1 report ", at)
		w.igmpLength(n)
	case 0x16:
		w.igmpGroup("igmp v2 report ", at)
	case 0x17:
		w.igmpGroup("igmp leave ", at)
	case 0x22:
		w.str("igmp v3 report")
		w.igmpReport3(at, n)
	case 0x13:
		w.str("igmp dvmrp")
		if n < 8 {
			w.say(" [len ", n)
			w.byte(']')
		}
	case 0x14:
		w.str("igmp pimv1")
	case 0x1e:
		w.mtrace("mresp", at, n)
	case 0x1f:
		w.mtrace("mtrace", at, n)
	default:
		w.say("igmp-", uint32(kind))
	}
	if w.o.Verbose > 0 && n >= 4 && w.has(at, n) && !w.cut && fold(sum(0, w.d[at:at+int(n)])) != 0 {
		w.str(" bad igmp cksum ")
		w.hex(uint64(w.u16(at+2)), 1)
		w.byte('!')
	}
}

func (w *writer) igmpLength(n uint32) {
	if n != 8 {
		w.say(" [len ", n)
		w.byte(']')
	}
}

func (w *writer) igmpGroup(s string, at int) {
	if w.need(at+4, 4) {
		w.str(s)
		w.addr4(at + 4)
	}
}

func (w *writer) badLen(n uint32) {
	w.say(" [invalid len ", n)
	w.byte(']')
}

func (w *writer) igmpQuery3(at int, n uint32) {
	w.str(" v3")
	if n&3 != 0 {
		w.badLen(n)
		return
	}
	code := uint32(w.u8(at + 1))
	if code != 100 {
		t := code
		if code >= 128 { // a floating-point number
			t = (code&15 | 16) << (code>>4&7 + 3)
		}
		w.str(" [max resp time ")
		if t < 600 {
			w.tenths(float64(t) * 0.1)
			w.byte('s')
		} else {
			w.duration(t / 10)
		}
		w.byte(']')
	}
	if w.u32(at+4) == 0 {
		return
	}
	w.str(" [gaddr ")
	w.addr4(at + 4)
	if sources := uint32(w.u16(at + 10)); sources > 0 {
		w.sources(at+12, n-12, sources, 4)
	}
	w.byte(']')
}

// sources writes the number of source addresses, or with -vv the addresses. There are n of
// size bytes in left bytes.
func (w *writer) sources(at int, left, n uint32, size uint32) {
	switch {
	case left < n*size:
		w.str(" [invalid number of sources]")
	case w.o.Verbose > 1:
		w.list(at, n, size)
	default:
		w.say(", ", n)
		w.str(" source(s)")
	}
}

func (w *writer) list(at int, n, size uint32) {
	w.str(" {")
	for i := range int(n) {
		if !w.need(at+i*int(size), size) {
			return
		}
		w.byte(' ')
		if size == 4 {
			w.addr4(at + i*4)
		} else {
			w.addr6(at + i*16)
		}
	}
	w.str(" }")
}

func (w *writer) igmpReport3(at int, n uint32) {
	if n < 16 || n&3 != 0 {
		w.badLen(n)
		return
	}
	w.groups(at, n, uint32(w.u16(at+6)), 4, "v3-report")
}

// groups writes the group records of a report of n bytes. Addresses have size bytes.
func (w *writer) groups(at int, n, records, size uint32, report string) {
	w.say(", ", records)
	w.str(" group record(s)")
	if w.o.Verbose == 0 {
		return
	}
	i := uint32(8)
	for range records {
		if w.cut {
			return
		}
		if n < i+4+size {
			w.str(" [invalid number of groups]")
			return
		}
		g := at + int(i)
		if !w.need(g+4, size) {
			return
		}
		w.str(" [gaddr ")
		if size == 4 {
			w.addr4(g + 4)
		} else {
			w.addr6(g + 4)
		}
		kind := uint32(w.u8(g))
		if s := name(groupRecords, kind); s != "" {
			w.byte(' ')
			w.str(s)
		} else {
			w.str("  [")
			w.str(report)
			w.say("-#", kind)
			w.byte(']')
		}
		sources := uint32(w.u16(g + 2))
		if n < i+4+size+sources*size {
			w.say(" [invalid number of sources ", sources)
			w.byte(']')
			return
		}
		if w.o.Verbose == 1 {
			w.say(", ", sources)
			w.str(" source(s)")
		} else {
			w.list(g+4+int(size), sources, size)
		}
		i += 4 + size + sources*size
		w.byte(']')
	}
}

// mtrace writes a multicast traceroute message.
func (w *writer) mtrace(kind string, at int, n uint32) {
	if n < 24 {
		w.badLen(n)
		return
	}
	if !w.need(at+8, 16) {
		return
	}
	w.str(kind)
	w.say(" ", w.u32(at+20)&0xffffff)
	w.str(": ")
	w.addr4(at + 8)
	w.str(" to ")
	w.addr4(at + 12)
	w.str(" reply-to ")
	w.addr4(at + 16)
	if w.d[at+16]>>4 == 14 {
		w.say(" with-ttl ", uint32(w.d[at+20]))
	}
}
