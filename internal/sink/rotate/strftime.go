package rotate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// strftime formats t by a template of strftime(3), like glibc in the C locale. It copies unknown
// conversions.
func strftime(template string, t time.Time) string {
	var b strings.Builder
	for {
		text, rest, found := strings.Cut(template, "%")
		b.WriteString(text)
		switch {
		case !found:
			return b.String()
		case rest == "":
			b.WriteByte('%')
			return b.String()
		}
		if !conversion(&b, rest[0], t) {
			b.WriteByte('%')
			b.WriteByte(rest[0])
		}
		template = rest[1:]
	}
}

// long has the conversions that are abbreviations of others.
var long = map[byte]string{
	'c': "%a %b %e %H:%M:%S %Y",
	'D': "%m/%d/%y",
	'F': "%Y-%m-%d",
	'R': "%H:%M",
	'r': "%I:%M:%S %p",
	'T': "%H:%M:%S",
	'X': "%H:%M:%S",
	'x': "%m/%d/%y",
}

// layouts has the conversions for which package time has a layout.
var layouts = map[byte]string{
	'A': "Monday", 'a': "Mon", 'B': "January", 'b': "Jan", 'h': "Jan", 'p': "PM", 'Z': "MST", 'z': "-0700",
}

func conversion(b *strings.Builder, c byte, t time.Time) bool {
	if l, ok := long[c]; ok {
		b.WriteString(strftime(l, t))
		return true
	}
	if l, ok := layouts[c]; ok {
		b.WriteString(t.Format(l))
		return true
	}
	isoYear, isoWeek := t.ISOWeek()
	hour12 := (t.Hour()+11)%12 + 1
	width, n, pad := 2, 0, '0'
	switch c {
	case '%':
		b.WriteByte('%')
		return true
	case 'n':
		b.WriteByte('\n')
		return true
	case 't':
		b.WriteByte('\t')
		return true
	case 'P':
		b.WriteString(strings.ToLower(t.Format("PM")))
		return true
	case 's':
		b.WriteString(strconv.FormatInt(t.Unix(), 10))
		return true
	case 'C':
		n = t.Year() / 100
	case 'd':
		n = t.Day()
	case 'e':
		n, pad = t.Day(), ' '
	case 'G':
		n, width = isoYear, 1
	case 'g':
		n = isoYear % 100
	case 'H':
		n = t.Hour()
	case 'I':
		n = hour12
	case 'j':
		n, width = t.YearDay(), 3
	case 'k':
		n, pad = t.Hour(), ' '
	case 'l':
		n, pad = hour12, ' '
	case 'M':
		n = t.Minute()
	case 'm':
		n = int(t.Month())
	case 'S':
		n = t.Second()
	case 'U': // weeks start on Sunday
		n = (t.YearDay() + 6 - int(t.Weekday())) / 7
	case 'u':
		if n, width = int(t.Weekday()), 1; n == 0 {
			n = 7
		}
	case 'V':
		n = isoWeek
	case 'W': // weeks start on Monday
		n = (t.YearDay() + 6 - (int(t.Weekday())+6)%7) / 7
	case 'w':
		n, width = int(t.Weekday()), 1
	case 'Y':
		n, width = t.Year(), 1
	case 'y':
		n = t.Year() % 100
	default:
		return false
	}
	if pad == ' ' {
		fmt.Fprintf(b, "%*d", width, n)
	} else {
		fmt.Fprintf(b, "%0*d", width, n)
	}
	return true
}
