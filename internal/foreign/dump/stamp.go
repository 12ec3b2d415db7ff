package dump

// Form is the format of the time of a line (tcpdump(1), -t).
type Form uint8

// The formats, and the epoch of Line.Time in each. All times are in ns.
const (
	NoTime    Form = iota // -t
	TimeOfDay             // no flag: since midnight, in the local time zone of tcpdump
	Epoch                 // -tt: since the Unix epoch
	Delta                 // -ttt: since the previous line; -ttttt, which looks the same: since the first line
	Date                  // -tttt: since the Unix epoch, as if the local time zone of tcpdump were UTC
)

var formNames = [...]string{"none", "time of day", "epoch", "delta", "date"}

func (f Form) String() string {
	if int(f) < len(formNames) {
		return formNames[f]
	}
	return "unknown"
}

const second = 1_000_000_000

// stamp parses the time at the start of a line and the space after it.
func (t *text) stamp() (ns int64, f Form) {
	rest := *t
	if ns, ok := rest.date(); ok {
		if clock, ok := rest.clock(); ok && rest.skip(" ") {
			*t = rest
			return ns + clock, Date
		}
	}
	rest = *t
	minus := rest.skip("-")
	if minus || rest.skip(" ") {
		if clock, ok := rest.clock(); ok && rest.skip(" ") {
			*t = rest
			if minus {
				clock = -clock
			}
			return clock, Delta
		}
		return 0, NoTime
	}
	if clock, ok := rest.clock(); ok && rest.skip(" ") {
		*t = rest
		return clock, TimeOfDay
	}
	return t.seconds()
}

// seconds parses a time without colons: -tt, and -ttt of tcpdump 3, which is microseconds, preceded
// by seconds and a point if there are any.
func (t *text) seconds() (ns int64, f Form) {
	const mostSeconds = 9_000_000_000 // so that ns fit
	rest := *t
	if rest.digits() == 6 {
		us, _ := rest.num(most32)
		if rest.skip(" ") {
			*t = rest
			return int64(us) * 1000, Delta
		}
	}
	rest = *t
	s, ok := rest.num(mostSeconds)
	if !ok {
		return 0, NoTime
	}
	ns = int64(s) * second
	if frac, ok := rest.fraction(); ok && rest.skip(" ") {
		*t = rest
		return ns + frac, Epoch
	}
	if rest.skip(". ") && rest.digits() == 6 {
		if us, _ := rest.num(most32); rest.skip(" ") {
			*t = rest
			return ns + int64(us)*1000, Delta
		}
	}
	return 0, NoTime
}

// clock parses hh:mm:ss.frac.
func (t *text) clock() (ns int64, ok bool) {
	h, ok1 := t.num(1 << 18)
	ok1 = ok1 && t.skip(":")
	m, ok2 := t.two()
	ok2 = ok2 && t.skip(":")
	s, ok3 := t.two()
	frac, ok4 := t.fraction()
	if !ok1 || !ok2 || !ok3 || !ok4 || m > 59 || s > 60 {
		return 0, false
	}
	return (int64(h)*3600+m*60+s)*second + frac, true
}

func (t *text) two() (int64, bool) {
	if t.digits() != 2 {
		return 0, false
	}
	v, ok := t.num(99)
	return int64(v), ok
}

// fraction parses a point and micro- or nanoseconds.
func (t *text) fraction() (ns int64, ok bool) {
	rest := *t
	if !rest.skip(".") {
		return 0, false
	}
	n := rest.digits()
	if n != 6 && n != 9 {
		return 0, false
	}
	v, _ := rest.num(most32)
	if n == 6 {
		v *= 1000
	}
	*t = rest
	return int64(v), true
}

// date parses yyyy-mm-dd and the space after it.
func (t *text) date() (ns int64, ok bool) {
	rest := *t
	if rest.digits() != 4 {
		return 0, false
	}
	y, _ := rest.num(9999)
	ok = rest.skip("-")
	m, ok1 := rest.two()
	ok = ok && ok1 && rest.skip("-")
	d, ok2 := rest.two()
	// Outside these years the time in ns overflows.
	if !ok || !ok2 || !rest.skip(" ") || y < 1700 || y > 2200 || m < 1 || m > 12 || d < 1 || d > 31 {
		return 0, false
	}
	*t = rest
	return days(int64(y), m, d) * 86400 * second, true
}

// days returns the days since 1970-01-01 in the Gregorian calendar. Years start in March here, so
// that the leap day is the last day.
func days(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1 - 719468
}
