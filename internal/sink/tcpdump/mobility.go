package tcpdump

var mobilityTypes = []word{
	{0, "BRR"}, {1, "HoTI"}, {2, "CoTI"}, {3, "HoT"}, {4, "CoT"}, {5, "BU"}, {6, "BA"}, {7, "BE"},
}

// mobility writes a mobility header (RFC 6275), which ends the packet.
func (w *writer) mobility(at int) {
	w.proto = "mobility"
	if !w.has(at+1, 1) {
		w.trunc()
		return
	}
	least := [...]int{8, 16, 16, 24, 24, 12, 12, 24}
	n := (int(w.u8(at+1)) + 1) * 8
	kind := w.u8(at + 2)
	if w.cut {
		return
	}
	if int(kind) < len(least) && n < least[kind] {
		w.say("(header length ", uint32(n))
		w.say(" is too small for type ", uint32(kind))
		w.byte(')')
		w.trunc()
		return
	}
	w.str("mobility: ")
	w.named(mobilityTypes, uint32(kind), "type-#", "")
	if int(kind) >= len(least) {
		w.say(" len=", uint32(w.d[at+1]))
		return
	}
	if !w.mobilityBody(at, kind) || w.o.Verbose > 0 && !w.cut && !w.mobilityOptions(at+least[kind], n-least[kind]) {
		w.trunc()
	}
}

// mobilityBody writes the body of a message. It returns false if it finds by a length check
// that the message is truncated.
func (w *writer) mobilityBody(at int, kind uint8) bool {
	const homeInit, careInit, homeTest, careTest, update, answer, failure = 1, 2, 3, 4, 5, 6, 7
	switch kind {
	case homeInit, careInit:
		if w.o.Verbose > 0 {
			w.token(at+8, kind == homeInit, " Init Cookie=")
		}
	case homeTest, careTest:
		id := w.u16(at + 6)
		w.str(" nonce id=0x")
		w.hex(uint64(id), 1)
		if w.o.Verbose > 0 {
			w.token(at+8, kind == homeTest, " Init Cookie=")
			w.token(at+16, kind == homeTest, " Keygen Token=")
		}
	case update:
		w.say(" seq#=", uint32(w.u16(at+6)))
		if !w.has(at+8, 2) {
			return false
		}
		if v := uint32(w.u8(at+8) >> 4); v != 0 {
			w.byte(' ')
			w.bits([]word{{8, "A"}, {4, "H"}, {2, "L"}, {1, "K"}}, v, "", "")
		}
		w.say(" lifetime=", uint32(w.u16(at+10))<<2)
	case answer:
		w.say(" status=", uint32(w.u8(at+6)))
		if w.u8(at+7)&0x80 != 0 {
			w.str(" K")
		}
		w.say(" seq#=", uint32(w.u16(at+8)))
		w.say(" lifetime=", uint32(w.u16(at+10))<<2)
	case failure:
		w.say(" status=", uint32(w.u8(at+6)))
		w.with6(" homeaddr ", at+8)
	}
	return true
}

// token writes a cookie or token of eight bytes.
func (w *writer) token(at int, home bool, what string) {
	if !w.need(at, 8) {
		return
	}
	if home {
		w.str(" Home")
	} else {
		w.str(" Care-of")
	}
	w.str(what)
	w.hex(uint64(w.u32(at)), 8)
	w.byte(':')
	w.hex(uint64(w.u32(at+4)), 8)
}

// mobilityOptions writes n bytes of options. It returns false if one is invalid, or if the byte
// after it was not captured.
func (w *writer) mobilityOptions(at, n int) bool {
	const pad1, padN, refresh, careOf, nonces, auth = 0, 1, 2, 3, 4, 5
	for i, size := 0, 0; i < n && !w.cut; i += size {
		o := at + i
		kind := w.u8(o)
		if size = 1; kind != pad1 {
			if i+1 >= n {
				return false
			}
			size = int(w.u8(o+1)) + 2
		}
		if w.cut {
			return true
		}
		if i+size > n || !w.has(o+size, 1) {
			return false
		}
		left := n - i
		switch kind {
		case pad1:
			w.str("(pad1)")
		case padN:
			w.str("(padn)")
		case refresh:
			if left < 4 {
				w.str("(refresh: trunc)")
				return false
			}
			w.say("(refresh: ", uint32(w.u16(o+2))<<2)
			w.byte(')')
		case careOf:
			if left < 18 {
				w.str("(altcoa: trunc)")
				return false
			}
			w.with6("(alt-CoA: ", o+2)
			w.byte(')')
		case nonces:
			if left < 6 {
				w.str("(ni: trunc)")
				return false
			}
			home, care := w.u16(o+2), w.u16(o+4)
			w.str("(ni: ho=0x")
			w.hex(uint64(home), 4)
			w.str(" co=0x")
			w.hex(uint64(care), 4)
			w.byte(')')
		case auth:
			if left < 12 {
				w.str("(auth: trunc)")
				return false
			}
			w.str("(auth)")
		default:
			w.str("(type-0x")
			w.hex(uint64(kind), 2)
			w.say(": len=", uint32(size-2))
			w.byte(')')
		}
	}
	return true
}
