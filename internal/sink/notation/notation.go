// Package notation formats calls and their values like strace 6.1, so that scripts for strace
// still work. Bytes from processes are always quoted and escaped.
package notation

import (
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

// Options control the format of values. The flags are those of strace.
type Options struct {
	StrLen     int    // -s: bytes of a string, elements of an array; 0: 32; negative: none
	Verbose    bool   // -v: nothing is abbreviated
	FDs        int    // 1: -y, 3<socket:[11]>; 2: -yy, 3<TCP:[127.0.0.1:1->127.0.0.1:2]>
	Numeric    bool   // -n: constants as numbers
	HexStrings int    // 1: -x, strings that are not text in \x notation; 2: -xx, all strings
	Style      *Style // nil: no colours
}

// Style has the SGR sequences that start a colour; an empty one means no colour. A colour is
// ended with ESC [0m.
type Style struct {
	Name   string // of the call
	Error  string // -1 ECONNREFUSED (Connection refused)
	String string
	Number string // return value
	Note   string // notes after values
}

const (
	defaultStrLen = 32
	reset         = "\x1b[0m"
	maxDepth      = 24
	noLimit       = 1<<31 - 1
)

type writer struct {
	b     []byte
	o     *Options
	c     *event.Call // for the sockets of fds; nil: none
	limit int
	stack [maxDepth]frame // open containers of the current tape
}

type frame struct {
	kind  event.TokenKind
	count int32 // elements written; -1: after an arrow
	limit int32
}

var defaults Options

func (w *writer) init(dst []byte, c *event.Call, o *Options) {
	if o == nil {
		o = &defaults
	}
	w.b, w.o, w.c, w.limit = dst, o, c, o.StrLen
	switch {
	case o.StrLen == 0:
		w.limit = defaultStrLen
	case o.StrLen < 0:
		w.limit = 0
	}
}

// AppendCall appends a call to dst: its name, arguments and result, without time, duration and
// newline. A call that has not returned has its arguments at entry and <waiting ...>; one
// whose task ended in it has <unfinished ...>) = ? as in strace.
func AppendCall(dst []byte, c *event.Call, o *Options) []byte {
	var w writer
	w.init(dst, c, o)
	w.call(c)
	return w.b
}

// AppendTape appends a value to dst.
func AppendTape(dst []byte, t event.Tape, o *Options) []byte {
	var w writer
	w.init(dst, nil, o)
	w.tape(t, false)
	return w.b
}

func (w *writer) call(c *event.Call) {
	w.paint((*Style).name)
	w.b = append(w.b, c.Name...)
	w.plain((*Style).name)
	w.b = append(w.b, '(')
	for i := range c.Args {
		a := &c.Args[i]
		if i > 0 {
			w.b = append(w.b, ", "...)
		}
		if len(a.Val) == 0 {
			if c.State != event.Returned {
				break
			}
			w.b = appendPtr(w.b, a.Raw)
			continue
		}
		w.tape(a.Val, false)
	}
	switch c.State {
	case event.Waiting:
		w.b = append(w.b, " <waiting ...>"...)
		return
	case event.Unfinished:
		if c.Refused || c.Via == "io_uring" {
			w.b = append(w.b, ") = ?"...) // the call was refused, or its end is never reported
			return
		}
		w.b = append(w.b, " <unfinished ...>) = ?"...)
		return
	}
	w.b = append(w.b, ") = "...)
	w.result(c)
}

func (w *writer) result(c *event.Call) {
	part := (*Style).number
	if c.Errno != "" {
		part = (*Style).error
	}
	w.paint(part)
	switch {
	case len(c.Out) != 0:
		w.tape(c.Out, false)
	case c.Errno != "":
		w.b = append(w.b, "-1"...)
	default:
		w.b = strconv.AppendInt(w.b, c.Ret, 10)
	}
	if c.Errno != "" {
		w.b = append(w.b, ' ')
		w.b = append(w.b, c.Errno...)
	}
	if len(c.Aux) != 0 {
		w.b = append(w.b, " ("...)
		w.tape(c.Aux, true)
		w.b = append(w.b, ')')
	}
	w.plain(part)
}

func (s *Style) name() string   { return s.Name }
func (s *Style) error() string  { return s.Error }
func (s *Style) str() string    { return s.String }
func (s *Style) number() string { return s.Number }
func (s *Style) note() string   { return s.Note }

func (w *writer) paint(part func(*Style) string) {
	if w.o.Style != nil {
		w.b = append(w.b, part(w.o.Style)...)
	}
}

func (w *writer) plain(part func(*Style) string) {
	if w.o.Style != nil && part(w.o.Style) != "" {
		w.b = append(w.b, reset...)
	}
}

// tape writes the tokens of t. If aux is set a space separates a name from its value.
func (w *writer) tape(t event.Tape, aux bool) {
	if len(t) == 1 && !aux && !opening(t[0].Kind) {
		w.value(&t[0])
		return
	}
	depth := 0
	top := &w.stack[0]
	*top = frame{limit: noLimit}
	for i := 0; i < len(t); i++ {
		k := &t[i]
		switch k.Kind {
		case event.TNone:
			continue
		case event.TEnd:
			if depth > 0 {
				w.b = append(w.b, closing(top.kind))
				depth--
				top = &w.stack[depth]
			}
			continue
		case event.TArrow:
			w.b = append(w.b, " => "...)
			top.count = -1
			continue
		case event.TNote:
			w.paint((*Style).note)
			w.b = append(w.b, " /* "...)
			w.b = append(w.b, k.Str...)
			w.b = append(w.b, " */"...)
			w.plain((*Style).note)
			continue
		}
		if k.Flags&(event.FVerbose|event.FBrief) != 0 && (k.Flags&event.FVerbose != 0) != w.o.Verbose {
			i = skip(t, i)
			continue
		}
		w.separate(top, k)
		if top.count >= top.limit {
			w.b = append(w.b, "..."...)
			i = rest(t, i) - 1
			continue
		}
		if k.Flags&event.FOr == 0 {
			top.count = max(top.count, 0) + 1
		}
		if k.Name != "" && k.Flags&event.FUnnamed == 0 {
			w.label(k, aux && depth == 0)
		}
		if !w.open(k) {
			w.value(k)
			continue
		}
		if depth == maxDepth-1 {
			w.b = append(w.b, "..."...)
			w.b = append(w.b, closing(k.Kind))
			i = skip(t, i)
			continue
		}
		depth++
		top = &w.stack[depth]
		*top = frame{kind: k.Kind, limit: noLimit}
		if k.Flags&event.FLimit != 0 && !w.o.Verbose {
			top.limit = int32(min(w.limit, noLimit))
		}
	}
	for ; depth > 0; depth-- {
		w.b = append(w.b, closing(w.stack[depth].kind))
	}
}

// separate writes what is between an element and the previous one in the same struct, array or set.
func (w *writer) separate(top *frame, k *event.Token) {
	switch n := top.count; {
	case n < 0:
	case k.Flags&event.FOr != 0:
		w.b = append(w.b, '|')
	case n > 0 && top.kind == event.TSet:
		w.b = append(w.b, ' ')
	case n > 0:
		w.b = append(w.b, ", "...)
	}
}

// label writes the name of a field. The name of an IPv6 address is written inside its value.
func (w *writer) label(k *event.Token, aux bool) {
	switch {
	case aux:
		w.b = append(append(w.b, k.Name...), ' ')
	case k.Kind != event.TIPv6:
		w.b = append(append(w.b, k.Name...), '=')
	}
}

// open writes the opening bracket of a token that has elements. It returns false for a value.
func (w *writer) open(k *event.Token) bool {
	switch k.Kind {
	case event.TStruct:
		w.b = append(w.b, '{')
	case event.TArray:
		w.b = append(w.b, '[')
	case event.TSet:
		if k.Flags&event.FNot != 0 {
			w.b = append(w.b, '~')
		}
		w.b = append(w.b, '[')
	case event.TFunc:
		w.b = append(append(w.b, k.Str...), '(')
	default:
		return false
	}
	return true
}

func closing(k event.TokenKind) byte {
	switch k {
	case event.TStruct:
		return '}'
	case event.TFunc:
		return ')'
	}
	return ']'
}

func opening(k event.TokenKind) bool {
	return k == event.TStruct || k == event.TArray || k == event.TSet || k == event.TFunc
}

// skip returns the index of the last token of the value that starts at i.
func skip(t event.Tape, i int) int {
	if !opening(t[i].Kind) {
		for i+1 < len(t) && t[i+1].Kind == event.TNote {
			i++
		}
		return i
	}
	for depth := 0; i < len(t); i++ {
		if opening(t[i].Kind) {
			depth++
		} else if t[i].Kind == event.TEnd {
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(t) - 1
}

// rest returns the index of the TEnd of the container of token i.
func rest(t event.Tape, i int) int {
	for depth := 0; i < len(t); i++ {
		if opening(t[i].Kind) {
			depth++
		} else if t[i].Kind == event.TEnd {
			if depth--; depth < 0 {
				return i
			}
		}
	}
	return len(t)
}

func (w *writer) value(k *event.Token) {
	switch k.Kind {
	case event.TInt:
		w.b = strconv.AppendInt(w.b, int64(k.Num), 10)
	case event.TUint:
		w.b = strconv.AppendUint(w.b, k.Num, 10)
	case event.THex:
		w.hex(k)
	case event.TDigits:
		if k.Num != 0 {
			w.b = append(w.b, "0x"...)
			w.b = appendDigits(w.b, k.Num, int(k.Width)-2)
			return
		}
		w.b = appendDigits(w.b, 0, int(k.Width))
	case event.TOct:
		if k.Num != 0 {
			w.b = append(w.b, '0')
		}
		w.b = strconv.AppendUint(w.b, k.Num, 8)
	case event.TPtr:
		w.b = appendPtr(w.b, k.Num)
	case event.TSym:
		w.sym(k)
	case event.TFlags:
		w.flags(k)
	case event.TFd:
		w.b = strconv.AppendInt(w.b, int64(int32(k.Num)), 10)
		if w.o.FDs > 0 && w.c != nil {
			w.sock(int32(k.Num))
		}
	case event.TPort:
		w.b = append(w.b, "htons("...)
		w.b = strconv.AppendUint(w.b, k.Num, 10)
		w.b = append(w.b, ')')
	case event.TIface:
		if k.Str == "" {
			w.b = strconv.AppendUint(w.b, k.Num, 10)
			return
		}
		if k.Flags&event.FPlain != 0 {
			w.b = clean.AppendText(w.b, k.Str)
			return
		}
		w.b = append(w.b, "if_nametoindex("...)
		w.quote(k.Str, false, false)
		w.b = append(w.b, ')')
	case event.TStr, event.THexStr:
		w.str(k)
	case event.TText:
		w.b = append(w.b, k.Str...)
	case event.TDur:
		w.b = AppendDuration(w.b, int64(k.Num))
	case event.TIPv4:
		w.b = append(w.b, `inet_addr("`...)
		for i := 0; i < 4 && i < len(k.Str); i++ {
			if i > 0 {
				w.b = append(w.b, '.')
			}
			w.b = strconv.AppendUint(w.b, uint64(k.Str[i]), 10)
		}
		w.b = append(w.b, `")`...)
	case event.TIPv6:
		w.b = append(w.b, `inet_pton(AF_INET6, "`...)
		w.ipv6(k.Str)
		w.b = append(w.b, '"')
		if k.Name != "" && k.Flags&event.FUnnamed == 0 {
			w.b = append(w.b, ", &"...)
			w.b = append(w.b, k.Name...)
		}
		w.b = append(w.b, ')')
	case event.TMAC:
		for i := 0; i < len(k.Str); i++ {
			if i > 0 {
				w.b = append(w.b, ':')
			}
			w.b = appendDigits(w.b, uint64(k.Str[i]), 2)
		}
	case event.TMore:
		w.b = append(w.b, "..."...)
	case event.TAsIs:
		w.b = clean.AppendPrinted(w.b, k.Str) // already escaped
	case event.TTime:
		w.b = strconv.AppendInt(w.b, int64(k.Num), 10)
		w.time(int64(k.Num))
	}
}

func (w *writer) ipv6(s string) {
	if len(s) != 16 {
		return
	}
	var a [16]byte
	copy(a[:], s)
	// inet_ntop(3) writes ::1.2.3.4, which is ::102:304 in netip.
	const zero = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if s[:12] == zero && (a[12] != 0 || a[13] != 0) {
		w.b = append(w.b, "::"...)
		w.b = netip.AddrFrom4([4]byte(a[12:])).AppendTo(w.b)
		return
	}
	w.b = netip.AddrFrom16(a).AppendTo(w.b)
}

func (w *writer) hex(k *event.Token) {
	if k.Width > 0 {
		w.b = append(w.b, "0x"...)
		w.b = appendDigits(w.b, k.Num, int(k.Width))
		return
	}
	w.b = appendHex(w.b, k.Num)
}

func (w *writer) sym(k *event.Token) {
	if k.Tab != nil && !w.o.Numeric {
		if n := k.Tab.Name(k.Num); n != "" {
			w.b = append(w.b, n...)
			return
		}
	}
	if k.Flags&event.FDec != 0 {
		w.b = strconv.AppendInt(w.b, int64(k.Num), 10)
	} else {
		w.b = appendHex(w.b, k.Num)
	}
	if k.Tab != nil && k.Tab.Unknown != "" && k.Flags&event.FBare == 0 && !w.o.Numeric {
		w.unknown(k.Tab)
	}
}

func (w *writer) unknown(t *event.Table) {
	w.b = append(w.b, " /* "...)
	w.b = append(w.b, t.Unknown...)
	w.b = append(w.b, " */"...)
}

func (w *writer) flags(k *event.Token) {
	v := k.Num
	if v == 0 || k.Tab == nil || w.o.Numeric {
		if v == 0 && k.Tab != nil && !w.o.Numeric && len(k.Tab.Syms) > 0 && k.Tab.Syms[0].Num == 0 {
			w.b = append(w.b, k.Tab.Syms[0].Name...)
			return
		}
		w.b = appendHexOrZero(w.b, v)
		return
	}
	any := false
	for i := range k.Tab.Syms {
		s := &k.Tab.Syms[i]
		if s.Num != 0 && v&s.Num == s.Num {
			if any {
				w.b = append(w.b, '|')
			}
			w.b = append(w.b, s.Name...)
			any = true
			if v &^= s.Num; v == 0 {
				return
			}
		}
	}
	if any {
		w.b = append(w.b, '|')
		w.b = appendHex(w.b, v)
		return
	}
	w.b = appendHex(w.b, v)
	if k.Tab.Unknown != "" && k.Flags&event.FBare == 0 {
		w.unknown(k.Tab)
	}
}

func appendPtr(b []byte, v uint64) []byte {
	if v == 0 {
		return append(b, "NULL"...)
	}
	return appendHex(b, v)
}

func appendHexOrZero(b []byte, v uint64) []byte {
	if v == 0 {
		return append(b, '0')
	}
	return appendHex(b, v)
}

// appendHex appends v like %#x: 0 has no 0x.
func appendHex(b []byte, v uint64) []byte {
	if v == 0 {
		return append(b, '0')
	}
	b = append(b, "0x"...)
	return strconv.AppendUint(b, v, 16)
}

func appendDigits(b []byte, v uint64, width int) []byte {
	const digits = "0123456789abcdef"
	n := 1
	for n < 16 && v>>(4*uint(n)) != 0 {
		n++
	}
	for i := max(n, min(width, 16)) - 1; i >= 0; i-- {
		b = append(b, digits[v>>(4*uint(i))&15])
	}
	return b
}
