package auditlog

import "bytes"

// Kind is the kind of a line.
type Kind uint8

const (
	Unknown     Kind = iota
	Empty            // only spaces
	Separator        // ----: start of an event (ausearch)
	TimeLine         // time->Thu Mar 26 08:01:30 2009: time in seconds (ausearch without -i)
	Raw              // a record, as in audit.log
	Interpreted      // a record printed by ausearch -i
	Printed          // a raw record in the kernel log (dmesg, syslog, journalctl -k)
)

// Read returns the kind of a line, with or without its newline. For a record it sets r, whose slices
// alias the line. Lines of kind Raw are those that Parse accepts; AppendRaw converts the other
// kinds of records.
//
// ausearch without -i prints the records of an event in reverse order.
func Read(line []byte, r *Record) Kind {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	line = line[:min(len(line), maxLine)]
	*r = Record{}
	if rest, ok := r.head(line); ok {
		switch {
		case r.stamp(rest):
			return Raw
		case r.localStamp(rest):
			return Interpreted
		}
		*r = Record{}
		return Unknown
	}
	*r = Record{}
	switch trimmed := bytes.TrimSpace(line); {
	case len(trimmed) == 0:
		return Empty
	case len(trimmed) >= 4 && len(bytes.Trim(trimmed, "-")) == 0:
		return Separator
	case bytes.HasPrefix(line, []byte("time->")):
		return TimeLine
	}
	if r.printed(line) {
		return Printed
	}
	*r = Record{}
	return Unknown
}

// printed parses a record in the kernel log (kauditd_printk_skb, and before 3.x audit_log_end), where
// its type is a number. It is preceded by the timestamp of dmesg, or by that of syslog with host
// and sender. The sender must be the kernel, for any process may write to syslog.
func (r *Record) printed(line []byte) bool {
	if before, rest, ok := bytes.Cut(line, []byte(" kernel: ")); ok && !bytes.Contains(before, []byte(": ")) {
		line = rest
	}
	if len(line) > 0 && line[0] == '<' {
		_, line, _ = bytes.Cut(line, []byte(">"))
	}
	if len(line) > 0 && line[0] == '[' {
		_, line, _ = bytes.Cut(line, []byte("] "))
	}
	line, _ = bytes.CutPrefix(line, []byte("audit: "))
	line, ok := bytes.CutPrefix(line, []byte("type="))
	if !ok {
		return false
	}
	kind, line, ok := bytes.Cut(line, []byte(" "))
	n, isNumber := number(kind)
	if !ok || !isNumber || n > 1<<16-1 {
		return false
	}
	r.Type = uint16(n)
	return r.stamp(line)
}

// localStamp parses audit(03/26/2009 08:01:30.962:157574) : and the fields after it.
func (r *Record) localStamp(b []byte) bool {
	b, ok := bytes.CutPrefix(b, []byte("audit("))
	if !ok {
		return false
	}
	// The format of the date depends on the locale: there may be any text around its numbers.
	stamp, rest, ok := bytes.Cut(b, []byte(")"))
	colon := bytes.LastIndexByte(stamp, ':')
	if !ok || colon < 0 {
		return false
	}
	stamp, serial := stamp[:colon], stamp[colon+1:]
	space := bytes.LastIndexByte(stamp, ' ')
	if space < 0 {
		return false
	}
	var ok1, ok2, ok3 bool
	r.Serial, ok1 = number(serial)
	var seconds int64
	seconds, r.Milli, ok2 = clock(stamp[space+1:])
	r.Sec, r.DayFirst, ok3 = date(stamp[:space])
	if !ok1 || !ok2 || !ok3 {
		return false
	}
	r.Sec += seconds
	if r.DayFirst != 0 {
		r.DayFirst += seconds
	}
	r.Interpreted = true
	r.Fields = bytes.TrimRight(bytes.TrimLeft(rest, ": "), " ")
	return true
}

// clock parses 08:01:30.962.
func clock(b []byte) (sec, milli int64, ok bool) {
	if len(b) != len("08:01:30.962") || b[2] != ':' || b[5] != ':' || b[8] != '.' {
		return 0, 0, false
	}
	h, ok1 := number(b[:2])
	m, ok2 := number(b[3:5])
	s, ok3 := number(b[6:8])
	ms, ok4 := number(b[9:])
	// 60: a leap second
	return int64(h*3600 + m*60 + s), int64(ms), ok1 && ok2 && ok3 && ok4 && h < 24 && m < 60 && s <= 60
}

// date parses a date in one of the numeric formats of %x of strftime(3). It returns the start of the
// day in seconds, for both orders of month and day (see Record.DayFirst).
func date(b []byte) (sec, dayFirst int64, ok bool) {
	const longest = 64
	if len(b) > longest {
		return 0, 0, false
	}
	var n [3]int
	var long [3]int // number of digits
	count, slashes := 0, false
	for i := 0; i < len(b); {
		if b[i] < '0' || b[i] > '9' {
			slashes = slashes || b[i] == '/'
			i++
			continue
		}
		if count == len(n) {
			return 0, 0, false
		}
		for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			n[count] = n[count]*10 + int(b[i]-'0')
			if long[count]++; long[count] > 4 {
				return 0, 0, false
			}
		}
		count++
	}
	if count != len(n) {
		return 0, 0, false
	}
	if long[0] == 4 { // 2009-03-26
		sec, ok = midnight(n[0], n[1], n[2])
		return sec, 0, ok
	}
	year := n[2]
	if long[2] <= 2 { // like strptime
		if year += 1900; year < 1969 {
			year += 100
		}
	}
	month, monthOK := midnight(year, n[0], n[1])
	day, dayOK := midnight(year, n[1], n[0])
	switch {
	case monthOK && dayOK && month == day:
		return month, 0, true
	case monthOK && dayOK && slashes:
		return month, day, true
	case dayOK:
		return day, day, true
	}
	return month, 0, monthOK
}

// midnight returns the start of a day in UTC, in seconds since the Unix epoch.
func midnight(y, m, d int) (sec int64, ok bool) {
	const farFuture = 2242 // as in stamp
	if y < 1970 || y > farFuture || m < 1 || m > 12 || d < 1 || d > 31 {
		return 0, false
	}
	leap := y%4 == 0 && (y%100 != 0 || y%400 == 0)
	before := [...]int{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}
	if last := before[m] - before[m-1]; d > last && !(m == 2 && d == 29 && leap) {
		return 0, false
	}
	days := (y-1970)*365 + (y-1)/4 - (y-1)/100 + (y-1)/400 - (1969/4 - 1969/100 + 1969/400) + before[m-1] + d - 1
	if leap && m > 2 {
		days++
	}
	return int64(days) * 86400, true
}
