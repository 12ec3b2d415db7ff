package notation

import (
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
)

// str writes bytes of the process: quoted, escaped, and truncated to the limit.
func (w *writer) str(k *event.Token) {
	s, more := k.Str, k.Flags&event.FCut != 0
	if k.Num > uint64(len(s)) && k.Flags&event.FCut == 0 {
		more = true
	}
	if k.Flags&event.FWhole == 0 && len(s) > w.limit {
		s, more = s[:w.limit], true
	}
	if k.Flags&event.FAbstract != 0 {
		w.b = append(w.b, '@')
	}
	w.paint((*Style).str)
	w.quote(s, k.Kind == event.THexStr, true)
	if more {
		w.b = append(w.b, "..."...)
	}
	w.plain((*Style).str)
}

// escapes tells how a byte is written: 1: as it is; a letter: a backslash and the letter; 0: as
// a number.
var escapes = func() (t [256]byte) {
	for c := range t {
		if c >= ' ' && c < 0x7f {
			t[c] = 1
		}
	}
	for c, letter := range map[byte]byte{'"': '"', '\\': '\\', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v'} {
		t[c] = letter
	}
	return t
}()

func (w *writer) quote(s string, hex, byUser bool) {
	if byUser && !hex {
		switch w.o.HexStrings {
		case 1:
			for i := 0; i < len(s) && !hex; i++ {
				hex = escapes[s[i]] == 0
			}
		case 2:
			hex = true
		}
	}
	b := append(w.b, '"')
	if hex {
		for i := 0; i < len(s); i++ {
			b = append(b, '\\', 'x')
			b = appendDigits(b, uint64(s[i]), 2)
		}
		w.b = append(b, '"')
		return
	}
	for i := 0; i < len(s); {
		from := i
		for i < len(s) && escapes[s[i]] == 1 {
			i++
		}
		b = append(b, s[from:i]...)
		if i == len(s) {
			break
		}
		c := s[i]
		i++
		b = append(b, '\\')
		if e := escapes[c]; e != 0 {
			b = append(b, e)
			continue
		}
		// A digit after a short octal number would become part of it.
		if i < len(s) && s[i] >= '0' && s[i] <= '7' {
			b = append(b, '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		} else {
			b = strconv.AppendUint(b, uint64(c), 8)
		}
	}
	w.b = append(b, '"')
}

// time writes a note with date and time in UTC. The conversion from days is the algorithm in
// Howard Hinnant's chrono-Compatible Low-Level Date Algorithms; the package must not import
// time.
func (w *writer) time(sec int64) {
	const day = 86400
	if sec < 0 || sec > 1<<40 {
		return
	}
	z := sec/day + 719468
	era := z / 146097
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d := doy - (153*mp+2)/5 + 1
	m := mp + 3
	if m > 12 {
		m -= 12
	}
	y := yoe + era*400
	if m <= 2 {
		y++
	}
	rem := sec % day
	w.paint((*Style).note)
	w.b = append(w.b, " /* "...)
	w.b = strconv.AppendInt(w.b, y, 10)
	w.two('-', m)
	w.two('-', d)
	w.two('T', rem/3600)
	w.two(':', rem/60%60)
	w.two(':', rem%60)
	w.b = append(w.b, "+0000 */"...)
	w.plain((*Style).note)
}

func (w *writer) two(sep byte, v int64) {
	w.b = append(w.b, sep, byte('0'+v/10), byte('0'+v%10))
}
