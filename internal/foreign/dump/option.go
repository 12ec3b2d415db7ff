package dump

// TCP option kinds (IANA tcp-parameters).
const (
	optEnd      = 0
	optNop      = 1
	optMSS      = 2
	optScale    = 3
	optSackOK   = 4
	optSack     = 5
	optEcho     = 6
	optEchoed   = 7
	optTime     = 8
	optCC       = 11
	optCCNew    = 12
	optCCEcho   = 13
	optMD5      = 19
	optSCPS     = 20
	optTimeout  = 28
	optAO       = 29
	optMPTCP    = 30
	optFastOpen = 34
	optExp      = 254
)

// options builds TCP options from the text between the brackets.
type options struct {
	b        []byte // 40 bytes
	n        int
	flags    uint16
	sackBase uint32
	guessed  bool // some bytes are unknown
}

func (o *options) put(b ...byte) {
	for _, c := range b {
		if o.n < len(o.b) {
			o.b[o.n] = c
			o.n++
		}
	}
}

func (o *options) put16(v uint64) { o.put(byte(v>>8), byte(v)) }

func (o *options) put32(v uint32) { o.put(byte(v>>24), byte(v>>16), byte(v>>8), byte(v)) }

func (o *options) put64(v uint64) {
	o.put32(uint32(v >> 32))
	o.put32(uint32(v))
}

// read builds options up to the first that it cannot parse.
func (o *options) read(t text) {
	for {
		t.blanks()
		at := o.n
		if !o.one(&t) {
			o.n = at
			o.guessed = true
			return
		}
		// The length of an option, if it is not the one of its kind.
		if v, ok := t.after("[len ", 40); ok && t.skip("]") && o.n > at+1 {
			o.b[at+1] = byte(v)
		}
		t.blanks()
		if !t.skip(",") {
			o.guessed = o.guessed || len(t) > 0
			return
		}
	}
}

// one builds an option with its length.
func (o *options) one(t *text) bool {
	switch {
	case t.skip("nop"):
		o.put(optNop)
		return true
	case t.skip("eol"):
		o.put(optEnd)
		return true
	}
	at := o.n
	o.put(0, 0)
	kind, ok := o.data(t)
	if !ok || o.n-at < 2 {
		return false
	}
	o.b[at] = kind
	o.b[at+1] = byte(o.n - at)
	return true
}

// data builds the data of an option.
func (o *options) data(t *text) (kind byte, ok bool) {
	var v uint64
	num := func(kind byte, size int) (byte, bool) {
		if v, ok = t.num(1<<(8*size) - 1); ok {
			for i := size - 1; i >= 0; i-- {
				o.put(byte(v >> (8 * i)))
			}
		}
		return kind, ok
	}
	switch {
	case t.skip("mss "):
		return num(optMSS, 2)
	case t.skip("wscale "):
		return num(optScale, 1)
	case t.skip("sackOK"):
		return optSackOK, true
	case t.skip("sack "):
		t.skip("sack ") // tcpdump 3 prints it twice
		return optSack, o.sack(t)
	case t.skip("TS val "):
		if _, ok = num(optTime, 4); ok && t.skip(" ecr ") {
			return num(optTime, 4)
		}
		return 0, false
	case t.skip("timestamp "):
		if _, ok = num(optTime, 4); ok && t.skip(" ") {
			return num(optTime, 4)
		}
		return 0, false
	case t.skip("echo "):
		return num(optEcho, 4)
	case t.skip("echoreply "):
		return num(optEchoed, 4)
	case t.skip("cc "):
		return num(optCC, 4)
	case t.skip("ccnew "):
		return num(optCCNew, 4)
	case t.skip("ccecho "), t.digit(0): // tcpdump 4 has no name for it
		return num(optCCEcho, 4)
	case t.skip("md5"):
		return optMD5, o.md5(t)
	case t.skip("scps cap "):
		v, ok = t.hex()
		o.put(byte(v))
		if ok && t.skip(" id ") {
			return num(optSCPS, 1)
		}
		return 0, false
	case t.skip("uto 0x"):
		v, ok = t.hex()
		o.put16(v)
		if _, is := t.after(" ", most32); !is {
			return 0, false
		}
		return optTimeout, ok
	case t.skip("tcp-ao"):
		return optAO, o.auth(t)
	case t.skip("mptcp "):
		return optMPTCP, o.mptcp(t)
	case t.skip("tfo"):
		t.blanks()
		return optFastOpen, o.cookie(t)
	case t.skip("exp-tfo"):
		o.put16(0xf989)
		t.blanks()
		return optExp, o.cookie(t)
	case t.skip("exp-"):
		o.guessed = true // the data after the number of the experiment is unknown
		v, ok = t.hex()
		o.put16(v)
		return optExp, ok
	case t.skip("unknown-"):
		if v, ok = t.num(most8); ok && t.skip(" 0x") {
			o.octets(t)
		}
		return byte(v), ok
	case t.skip("opt-"):
		if v, ok = t.num(most8); ok && t.skip(":") {
			o.octets(t)
		}
		return byte(v), ok
	}
	return 0, false
}

// octets builds data from hexadecimal digits.
func (o *options) octets(t *text) { o.n += t.octets(o.b[o.n:]) }

// sack parses "N {first:last}{first:last}" (RFC 2018).
func (o *options) sack(t *text) bool {
	n, ok := t.num(4)
	if !ok {
		return false
	}
	t.blanks()
	for range n {
		if !t.skip("{") {
			return false
		}
		first, ok1 := t.num32()
		colon := t.skip(":")
		last, ok2 := t.num32()
		if !ok1 || !colon || !ok2 || !t.skip("}") {
			return false
		}
		o.put32(first + o.sackBase)
		o.put32(last + o.sackBase)
	}
	return true
}

// md5 parses a signature (RFC 2385), which is printed only if it could not be checked.
func (o *options) md5(t *text) bool {
	const size = 16
	const cannot = "can't check - "
	if at := t.index(cannot); at >= 0 {
		*t = (*t)[at+len(cannot):]
		at = o.n
		o.octets(t)
		return o.n-at == size
	}
	t.skip(":")
	if !t.skipAny("valid", "invalid", " valid", " invalid") {
		return false
	}
	o.guessed = true
	for range size {
		o.put(0)
	}
	return true
}

// auth parses an authentication option (RFC 5925).
func (o *options) auth(t *text) bool {
	key, ok := t.after(" keyid ", most8)
	if !ok {
		o.guessed = true
		o.put(0)
		return t.skip(" (invalid)")
	}
	next, ok := t.after(" rnextkeyid ", most8)
	o.put(byte(key), byte(next))
	if t.skip(" mac 0x") {
		o.octets(t)
	}
	return ok
}

// cookie parses a fast open cookie (RFC 7413).
func (o *options) cookie(t *text) bool {
	switch {
	case t.skip("cookiereq"):
		return true
	case t.skip("cookie "):
		at := o.n
		o.octets(t)
		return o.n > at
	case t.skip("(invalid)"): // too short, too long, or odd
		o.guessed = true
		o.put(0)
		return true
	}
	return false
}

// mptcp parses a Multipath TCP option (RFC 8684): the total length, the name of the subtype, and the
// data. Data that it cannot parse becomes zeros.
func (o *options) mptcp(t *text) bool {
	size, ok := t.num(40)
	if !ok || size < 3 || !t.skip(" ") {
		return false
	}
	at := o.n - 2
	end := at + int(size)
	if end > len(o.b) {
		return false
	}
	rest := (*t)[:optionEnd(*t)]
	*t = (*t)[len(rest):]
	if o.multipath(&rest, int(size)); o.n != end || len(rest) > 0 {
		o.guessed = true
	}
	o.n = min(o.n, end)
	for o.n < end {
		o.put(0)
	}
	return true
}

// optionEnd returns the end of the text of a Multipath TCP option: a comma that is not in braces.
func optionEnd(t text) int {
	braces := false
	for i, c := range t {
		switch {
		case c == '{':
			braces = true
		case c == '}':
			braces = false
		case c == ',' && !braces:
			return i
		}
	}
	return len(t)
}

func (o *options) multipath(t *text, size int) {
	hex := func(s string) bool {
		v, ok := t.afterHex(s)
		if ok {
			o.put64(v)
		}
		return ok
	}
	switch {
	case t.skip("capable v"):
		v, _ := t.num(15)
		flags := byte(0)
		if t.skip(" csum") {
			flags = 0x80
		}
		o.put(byte(v), flags)
		if hex(" {0x") {
			hex(",0x")
			t.skip("}")
		}
		if size == 22 { // with a data length that is not printed
			o.guessed = true
			o.put(0, 0)
		}
	case t.skip("join"):
		flags := byte(0x10)
		if t.skip(" backup") {
			flags |= 1
		}
		id, _ := t.after(" id ", most8)
		o.put(flags, byte(id))
		switch size {
		case 12:
			v, _ := t.afterHex(" token 0x")
			o.put32(uint32(v))
		case 16:
			hex(" hmac 0x")
		case 24:
			if t.skip(" hmac 0x") {
				o.octets(t)
			}
			return
		}
		v, _ := t.afterHex(" nonce 0x")
		o.put32(uint32(v))
	case t.skip("dss"):
		o.sequence(t, size)
	case t.skip("add-addr "):
		o.address(t, size)
	case t.skip("rem-addr id"):
		o.put(0x40)
		for {
			v, ok := t.after(" ", most8)
			if !ok {
				return
			}
			o.put(byte(v))
		}
	case t.skip("prio "):
		flags := byte(0x50)
		if t.skip("backup") {
			flags |= 1
		} else {
			t.skip("non-backup")
		}
		o.put(flags)
		if v, ok := t.after(" id ", most8); ok {
			o.put(byte(v))
		}
	case t.skip("fail seq "):
		v, _ := t.num(most64)
		o.put(0x60, 0)
		o.put64(v)
	case t.skip("fast-close key 0x"):
		v, _ := t.hex()
		o.put(0x70, 0)
		o.put64(v)
	case t.skip("unknown"):
		o.put(0x80)
	}
}

// sequence parses a data sequence signal. Whether a number has 4 or 8 bytes follows only from the
// total length.
func (o *options) sequence(t *text, size int) {
	const fin, seq8, hasSeq, ack8, hasAck = 0x10, 0x08, 0x04, 0x02, 0x01
	flags := byte(0)
	if t.skip(" fin") {
		flags |= fin
	}
	ack, isAck := t.after(" ack ", most64)
	seq, isSeq := t.after(" seq ", most64)
	sub, _ := t.after(" subseq ", most32)
	n, _ := t.after(" len ", most16)
	csum, isSum := t.afterHex(" csum 0x")
	left := size - 4
	if isAck {
		left -= 4
		flags |= hasAck
	}
	if isSeq {
		left -= 10
		flags |= hasSeq
	}
	if isSum {
		left -= 2
	}
	switch {
	case left == 8:
		flags |= ack8 | seq8
	case left == 4 && isAck && (!isSeq || ack > most32):
		flags |= ack8
	case left == 4 && isSeq && (!isAck || seq > most32):
		flags |= seq8
	case left == 4: // one of the two; both fit in 4 bytes
		flags |= ack8
		o.guessed = true
	}
	o.put(0x20, flags)
	put := func(v uint64, wide byte) {
		if flags&wide != 0 {
			o.put64(v)
		} else {
			o.put32(uint32(v))
		}
	}
	if isAck {
		put(ack, ack8)
	}
	if isSeq {
		put(seq, seq8)
		o.put32(uint32(sub))
		o.put16(n)
		if isSum {
			o.put16(csum)
		}
	}
}

// address parses an address announcement.
func (o *options) address(t *text, size int) {
	switch {
	case t.skip("v0-ip6"):
		o.put(0x36)
	case t.skip("v0-ip4"):
		o.put(0x34)
	case t.skip("v1-echo"):
		o.put(0x31)
	case t.skip("v1"):
		o.put(0x30)
	case t.skip("[bad version/echo]"):
		o.put(0x3f)
		o.guessed = true
	}
	id, ok := t.after(" id ", most8)
	o.put(byte(id))
	if !ok || !t.skip(" ") {
		return
	}
	w := t.word()
	var port uint64
	hasPort := size == 10 || size == 18 || size == 22 || size == 30
	if at := w.lastIndex(":"); hasPort && at >= 0 {
		tail := w[at+1:]
		port, _ = tail.num(most16)
		w = w[:at]
	}
	if a, n := addr4(w); n > 0 {
		o.put(a[:]...)
	} else if a, ok := addr6(w); ok {
		o.put(a[:]...)
	}
	if hasPort {
		o.put16(port)
	}
	if v, ok := t.afterHex(" hmac 0x"); ok {
		o.put64(v)
	}
}
