package tcpdump

const (
	optEnd       = 0
	optNop       = 1
	optMSS       = 2
	optScale     = 3
	optSackOK    = 4
	optSack      = 5
	optEcho      = 6
	optEchoReply = 7
	optTime      = 8
	optCC        = 11
	optCCNew     = 12
	optCCEcho    = 13
	optMD5       = 19
	optSCPS      = 20
	optTimeout   = 28
	optAO        = 29
	optMPTCP     = 30
	optFastOpen  = 34
	optExp       = 254
)

var tcpOptionNames = []word{
	{optEnd, "eol"}, {optNop, "nop"}, {optMSS, "mss"}, {optScale, "wscale"}, {optSackOK, "sackOK"}, {optSack, "sack"},
	{optEcho, "echo"}, {optEchoReply, "echoreply"}, {optTime, "TS"}, {optCC, "cc"}, {optCCNew, "ccnew"},
	{optMD5, "md5"}, {optSCPS, "scps"}, {optTimeout, "uto"}, {optAO, "tcp-ao"}, {optMPTCP, "mptcp"},
	{optFastOpen, "tfo"}, {optExp, "exp"},
}

// option is a TCP option: n bytes of data at offset at; left is the number of bytes from there
// to the end of the header.
type option struct {
	kind    uint8
	at      int
	n, left uint32
}

// fits is the result of a length check of an option.
type fits uint8

const (
	fine     fits = iota
	tooLong       // longer than the rest of the header, or than the kind allows
	notThere      // not captured
)

// tcpOptions writes the options of the header at offset at. It returns false if the text must
// end with them. length is the length of the payload.
func (w *writer) tcpOptions(at int, length, sackBase uint32) bool {
	h := &w.p.TCP
	left := uint32(h.Header) - 20
	header := at
	at += 20
	w.str(", options [")
	first := true
	for left > 0 {
		if !first {
			w.byte(',')
		}
		o := option{kind: w.u8(at)}
		at++
		size := uint32(1)
		if o.kind != optEnd && o.kind != optNop {
			size = uint32(w.u8(at))
			at++
			if w.cut {
				return false
			}
			if size < 2 || size > left {
				w.badOption(first)
				return false
			}
			left--
			o.n = size - 2
		}
		if w.cut {
			return false
		}
		left--
		o.at, o.left = at, left
		if s := name(tcpOptionNames, uint32(o.kind)); s != "" {
			w.str(s)
		} else if o.kind != optCCEcho { // whose name is empty
			w.say("unknown-", uint32(o.kind))
		}
		used, f := w.tcpOption(o, header, length, sackBase)
		switch {
		case w.cut:
			return false
		case f == tooLong:
			w.badOption(first)
			return false
		case f == notThere:
			w.trunc()
			if !first {
				w.byte('>')
			}
			return false
		}
		at += int(used)
		left -= used
		if o.kind != optEnd && o.kind != optNop && used+2 != size {
			w.say("[len ", size)
			w.byte(']')
		}
		first = false
		if o.kind == optEnd {
			break
		}
	}
	w.byte(']')
	return true
}

func (w *writer) badOption(first bool) {
	w.str("[bad opt]")
	if !first {
		w.byte(']')
	}
}

// room checks the first n bytes of an option.
func (w *writer) room(o option, n uint32) fits {
	switch {
	case n > o.left:
		return tooLong
	case !w.has(o.at, n):
		return notThere
	}
	return fine
}

// tcpOption writes the data of an option, and returns the length that the kind has.
func (w *writer) tcpOption(o option, header int, length, sackBase uint32) (uint32, fits) {
	switch o.kind {
	case optEnd, optNop, optSackOK:
		return 0, fine
	case optMSS:
		return w.fixed(o, 2, func() { w.say(" ", uint32(w.u16(o.at))) })
	case optScale:
		return w.fixed(o, 1, func() { w.say(" ", uint32(w.u8(o.at))) })
	case optCC, optCCNew, optCCEcho, optEcho, optEchoReply:
		return w.fixed(o, 4, func() { w.say(" ", w.u32(o.at)) })
	case optTime:
		return w.fixed(o, 8, func() {
			w.say(" val ", w.u32(o.at))
			w.say(" ecr ", w.u32(o.at+4))
		})
	case optSack:
		return w.sack(o, sackBase)
	case optMD5:
		return w.fixed(o, 16, func() { w.md5(o, header, length) })
	case optSCPS:
		return w.fixed(o, 2, func() {
			w.str(" cap ")
			w.hex(uint64(w.u8(o.at)), 2)
			w.say(" id ", uint32(w.u8(o.at+1)))
		})
	case optTimeout: // in RFC 5482 the highest bit is the unit, tcpdump takes the lowest
		return w.fixed(o, 2, func() {
			v := uint32(w.u16(o.at))
			w.str(" 0x")
			w.hex(uint64(v), 1)
			t := v >> 1
			if v&1 != 0 {
				t *= 60
			}
			w.say(" ", t)
		})
	case optAO:
		return w.authOption(o)
	case optMPTCP:
		f := w.room(o, o.n)
		if f == fine && !w.mptcp(w.d[o.at-2:o.at+int(o.n)]) {
			f = tooLong
		}
		return o.n, f
	case optFastOpen:
		f := w.room(o, o.n)
		if f == fine {
			w.byte(' ')
			w.cookie(o.at, o.n)
		}
		return o.n, f
	case optExp: // RFC 6994
		f := w.room(o, o.n)
		switch {
		case f != fine:
		case o.n < 2:
			f = tooLong
		case w.u16(o.at) == 0xf989: // fast open, before it got a kind
			w.str("-tfo")
			w.cookie(o.at+2, o.n-2)
		default:
			w.byte('-')
			w.hex(uint64(w.u16(o.at)), 4)
		}
		return o.n, f
	}
	if o.n > 0 {
		w.str(" 0x")
	}
	return o.n, w.octets(o, 0)
}

func (w *writer) fixed(o option, n uint32, write func()) (uint32, fits) {
	f := w.room(o, n)
	if f == fine {
		write()
	}
	return n, f
}

// octets writes the data of an option from i in hex, as far as it was captured.
func (w *writer) octets(o option, i uint32) fits {
	for ; i < o.n; i++ {
		if f := w.room(o, i+1); f != fine {
			return f
		}
		w.hex(uint64(w.d[o.at+int(i)]), 2)
	}
	return fine
}

// sack writes selective acknowledgements (RFC 2018).
func (w *writer) sack(o option, base uint32) (uint32, fits) {
	if o.n%8 != 0 {
		w.str(" invalid sack")
		return o.n, fine
	}
	w.say(" ", o.n/8)
	w.byte(' ')
	for i := uint32(0); i < o.n; i += 8 {
		for _, n := range [...]uint32{i + 4, i + 8} {
			if f := w.room(o, n); f != fine {
				return o.n, f
			}
		}
		w.say("{", w.u32(o.at+int(i))-base)
		w.say(":", w.u32(o.at+int(i)+4)-base)
		w.byte('}')
	}
	return o.n, fine
}

// md5 writes a signature (RFC 2385), which cannot be checked without the key.
func (w *writer) md5(o option, header int, length uint32) {
	if w.has(header+int(w.p.TCP.Header), length) {
		w.str(" shared secret not supplied with -M, ")
	} else {
		w.str(" snaplen too short, ")
	}
	w.str("can't check - ")
	for i := range 16 {
		w.hex(uint64(w.d[o.at+i]), 2)
	}
}

// authOption writes an authentication option (RFC 5925).
func (w *writer) authOption(o option) (uint32, fits) {
	if o.n < 2 {
		w.invalid()
		return o.n, fine
	}
	if f := w.room(o, 1); f != fine {
		return o.n, f
	}
	w.say(" keyid ", uint32(w.u8(o.at)))
	if f := w.room(o, 2); f != fine {
		return o.n, f
	}
	w.say(" rnextkeyid ", uint32(w.u8(o.at+1)))
	if o.n > 2 {
		w.str(" mac 0x")
	}
	return o.n, w.octets(o, 2)
}

// cookie writes a fast open cookie (RFC 7413).
func (w *writer) cookie(at int, n uint32) {
	switch {
	case n == 0:
		w.str(" cookiereq")
	case n%2 != 0 || n < 4 || n > 16:
		w.invalid()
	default:
		w.str(" cookie ")
		for i := range int(n) {
			w.hex(uint64(w.u8(at+i)), 2)
		}
	}
}
