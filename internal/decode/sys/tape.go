package sys

import "github.com/pidwire/pidwire/internal/event"

// The current tape grows at the end of the slab toks. Each of these functions appends one
// token. f is the name of the field, "" if it has none.

func (d *Decoder) begin() { d.tape = len(d.toks) }

func (d *Decoder) finish() event.Tape {
	t := d.toks[d.tape:len(d.toks):len(d.toks)]
	d.tape = len(d.toks)
	return event.Tape(t)
}

// tok appends an empty token. The pointer is valid until the next token.
func (d *Decoder) tok(kind event.TokenKind, f string) *event.Token {
	n := len(d.toks)
	if n == cap(d.toks) {
		old := d.toks[d.tape:]
		d.toks = append(d.arena.Tokens(2*len(old)), old...)
		d.tape = 0
		n = len(old)
	}
	d.toks = d.toks[:n+1]
	t := &d.toks[n]
	*t = event.Token{Kind: kind, Name: f}
	d.budget--
	return t
}

// spent reports whether the token budget of the call is used up. Lists must then end.
func (d *Decoder) spent() bool { return d.budget <= 0 }

func (d *Decoder) num(kind event.TokenKind, f string, v uint64) *event.Token {
	t := d.tok(kind, f)
	t.Num = v
	return t
}

func (d *Decoder) int(f string, v int64)   { d.num(event.TInt, f, uint64(v)) }
func (d *Decoder) uint(f string, v uint64) { d.num(event.TUint, f, v) }
func (d *Decoder) hex(f string, v uint64)  { d.num(event.THex, f, v) }
func (d *Decoder) ptr(f string, v uint64)  { d.num(event.TPtr, f, v) }
func (d *Decoder) fd(f string, v uint64)   { d.num(event.TFd, f, v) }
func (d *Decoder) port(f string, v uint16) { d.num(event.TPort, f, uint64(v)) }
func (d *Decoder) end()                    { d.tok(event.TEnd, "") }
func (d *Decoder) more()                   { d.tok(event.TMore, "") }
func (d *Decoder) arrow()                  { d.tok(event.TArrow, "") }

func (d *Decoder) open(kind event.TokenKind, f string) *event.Token { return d.tok(kind, f) }

func (d *Decoder) sym(f string, v uint64, tab *event.Table) *event.Token {
	t := d.num(event.TSym, f, v)
	t.Tab = tab
	return t
}

func (d *Decoder) flags(f string, v uint64, tab *event.Table) *event.Token {
	t := d.num(event.TFlags, f, v)
	t.Tab = tab
	return t
}

func (d *Decoder) text(f, s string) *event.Token {
	t := d.tok(event.TText, f)
	t.Str = s
	return t
}

func (d *Decoder) note(s string) { d.tok(event.TNote, "").Str = s }

// str appends a string of full bytes, of which b may be a prefix.
func (d *Decoder) str(f string, b []byte, full uint64) *event.Token {
	t := d.num(event.TStr, f, full)
	t.Str = text(b)
	return t
}

// hexstr appends a string that is printed as hexadecimal bytes.
func (d *Decoder) hexstr(f string, b []byte) *event.Token {
	t := d.num(event.THexStr, f, uint64(len(b)))
	t.Str = text(b)
	return t
}

func (d *Decoder) ipv4(f string, b []byte) {
	d.tok(event.TIPv4, f).Str = text(b[:4])
}

func (d *Decoder) ipv6(f string, b []byte) {
	d.tok(event.TIPv6, f).Str = text(b[:16])
}

func (d *Decoder) mac(f string, b []byte) { d.tok(event.TMAC, f).Str = text(b) }

func (d *Decoder) ifindex(f string, v uint64) {
	t := d.num(event.TIface, f, v)
	t.Str = d.iface(v)
}
