package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// Bounds of the survey of a file.
const (
	surveyRecords = 1 << 20
	surveyBytes   = 256 << 20
	maxMarks      = 1 << 16 // marks of all files
	maxTimes      = 32      // times of one mark; more frequent events are no evidence
	maxComms      = 1 << 12
)

// mark identifies an event by what all files have of it.
type mark struct {
	what markKind
	name string
	n    int64
	addr netip.AddrPort
}

type markKind uint8

const (
	aCall    markKind = iota // name, result, address
	aConnect                 // to addr: the call, or the SYN
	aMessage                 // a message of n bytes
)

// digest is what a survey finds out about a file.
type digest struct {
	clock       wire.Clockwork
	first, last int64 // ns, on its own wall clock
	slack       int64
	marks       map[mark][]int64
	most        int // maximum number of marks; that of all times is twice this
	times       int // number of times of all marks
	comms       map[uint32]string
}

var errEnough = errors.New("enough")

// survey reads one of `of` files to find its marks. It ignores errors, which are reported when the
// file is read.
func survey(ctx context.Context, f *file, names *hosts, of int) (*digest, error) {
	src, closing, err := f.Open()
	if err != nil {
		return nil, &ErrFile{f.Name, err}
	}
	defer closing()
	h := src.Header()
	d := &digest{clock: h.Clock, first: math.MaxInt64, last: math.MinInt64, marks: map[mark][]int64{}, most: maxMarks / of, comms: map[uint32]string{}}
	r := newReader(f, h, names, of)
	var rec []byte
	var it item
	records, bytes := 0, 0
	_ = src.Run(ctx, func(b wire.Record) error {
		if b == nil {
			return nil
		}
		if records, bytes = records+1, bytes+len(b); records > surveyRecords || bytes > surveyBytes {
			return errEnough
		}
		rec = append(rec[:0], b...)
		e, err := r.item(rec, &it)
		if err != nil {
			return err
		}
		d.add(&it, e, r.towards)
		return nil
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.first > d.last {
		d.first, d.last = int64(h.Wall), int64(h.Wall)
	}
	return d, nil
}

// add adds an item and its entry; towards is the peer of a connection that starts with it.
func (d *digest) add(it *item, e *event.Entry, towards netip.AddrPort) {
	if it.pid != 0 && it.comm != "" && len(d.comms) < maxComms {
		if _, known := d.comms[it.pid]; !known {
			d.comms[it.pid] = string([]byte(it.comm))
		}
	}
	if it.kind == other || it.kind == gap {
		return
	}
	d.first, d.last = min(d.first, it.lo), max(d.last, it.lo)
	if it.slack < int64(time.Hour) {
		d.slack = max(d.slack, it.slack)
	}
	switch it.kind {
	case call, record:
		if it.ret > 0 && it.size > 0 || it.addr.IsValid() {
			d.mark(mark{aCall, it.name, it.ret, it.addr}, it.lo)
		}
		// The time of the return is needed: that of the handshake.
		if it.role.Has(event.Accepts) && it.addr.IsValid() && it.ret >= 0 && it.dur > 0 {
			d.mark(mark{aConnect, "from", int64(it.addr.Port()), netip.AddrPort{}}, it.lo+it.dur)
		}
		if it.role.Has(event.Connects) && it.addr.IsValid() && (e.Conn == nil || e.Conn.Protocol != event.ProtoUDP) {
			d.mark(mark{aConnect, "", 0, it.addr}, it.lo)
			d.mark(mark{aConnect, "", int64(it.addr.Port()), netip.AddrPort{}}, it.lo)
		}
	case packet:
		if it.proto == event.ProtoTCP && it.flags&(event.TCPSyn|event.TCPAck) == event.TCPSyn {
			d.mark(mark{aConnect, "", 0, it.dst}, it.lo)
			// Without the address, as the files may have names instead.
			d.mark(mark{aConnect, "", int64(it.dst.Port()), netip.AddrPort{}}, it.lo)
			d.mark(mark{aConnect, "from", int64(it.src.Port()), netip.AddrPort{}}, it.lo)
		}
	}
	if towards.IsValid() {
		d.mark(mark{aConnect, "", 0, towards}, it.lo)
	}
	if it.size > 1 {
		d.mark(mark{aMessage, "", int64(it.size), netip.AddrPort{}}, it.lo)
	}
}

func (d *digest) mark(m mark, at int64) {
	times := d.marks[m]
	if len(times) >= maxTimes || times == nil && len(d.marks) >= d.most || d.times >= 2*d.most {
		return
	}
	d.times++
	d.marks[m] = append(times, at)
}

const (
	day     = int64(24 * time.Hour)
	quarter = int64(15 * time.Minute) // time zones are multiples of it
	// latency is the maximum time from a call to its packet.
	latency = int64(20 * time.Millisecond)
)

// setClocks determines the shift of each file.
func (b *Bundle) setClocks(digests []*digest) {
	order := make([]int, len(b.files))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(digests[x].clock, digests[y].clock) })
	for i, n := range order {
		b.setClock(n, digests, order[:i])
	}
	if n := len(b.undated); n > 0 {
		which := b.undated[0]
		if n > 1 {
			which = fmt.Sprintf("%s and %d more", which, n-1)
		}
		b.notes = append(b.notes, which+": only times of day, assumed date "+date(0)+": no file has a date (--date, --tz)")
	}
}

// dated reports whether any file has dates.
func (b *Bundle) dated(digests []*digest) bool {
	return slices.ContainsFunc(digests, func(d *digest) bool { return d.clock == wire.ClockEpoch || d.clock == wire.ClockDate })
}

// setClock determines the shift of one file from those of the files in set.
func (b *Bundle) setClock(n int, digests []*digest, set []int) {
	f, d := b.files[n], digests[n]
	say := func(format string, args ...any) {
		b.notes = append(b.notes, f.Name+": "+fmt.Sprintf(format, args...))
	}
	zone := time.UTC
	if b.o.Zone != nil {
		zone = b.o.Zone
	}
	local := d.clock == wire.ClockDate || d.clock == wire.ClockDay
	if f.Shifted {
		f.shift = f.Shift
		if d.clock == wire.ClockDay {
			f.shift += b.dateFor(d, digests, set)
		}
		if local {
			f.shift -= offset(zone, d.first+f.shift)
		}
		return
	}
	best := b.compare(n, digests, set)
	switch d.clock {
	case wire.ClockEpoch:
		// Both have complete times, but may be of two machines.
		if best.enough && abs(best.shift) > best.slack {
			f.shift = best.shift
			say("its clock is %s: corrected by %s that are also in %s (--shift %s=0 disables this)", skew(-best.shift), events(best.events), b.files[best.with].Name, f.Name)
		}
	case wire.ClockDate, wire.ClockDay:
		var days int64
		how := ""
		if d.clock == wire.ClockDay {
			days = b.dateFor(d, digests, set)
		}
		base := days - offset(zone, d.first+days)
		switch {
		case best.enough && b.o.Zone == nil && !b.o.Dated:
			base, how = b.found(d, best)
			if abs(best.shift-base) > best.slack {
				how += fmt.Sprintf(", and its clock is %s", skew(base-best.shift))
				base = best.shift
			}
			say("%s, from %s that are also in %s", how, events(best.events), b.files[best.with].Name)
		case best.enough:
			// The options are used as given; only the remaining difference is inferred.
			if rest := best.shift - base; abs(rest) <= day/2 && abs(rest) > best.slack {
				base = best.shift
				say("its clock is %s, from %s that are also in %s", skew(-rest), events(best.events), b.files[best.with].Name)
			}
		case d.clock == wire.ClockDay && !b.o.Dated && !b.dated(digests):
			b.undated = append(b.undated, f.Name)
		case d.clock == wire.ClockDay && !b.o.Dated:
			say("only times of day, assumed date %s %s: no common event determines it (--date, --tz)", date(d.first+base), zone)
		case b.o.Zone == nil:
			say("no time zone, assumed UTC: no common event determines it (--tz)")
		}
		f.shift = base
	case wire.ClockStart:
		switch {
		case best.enough:
			f.shift = best.shift
			say("started at %s, from %s that are also in %s", stamp(d.first+f.shift), events(best.events), b.files[best.with].Name)
		case len(set) > 0:
			f.shift = digests[set[0]].first + b.files[set[0]].shift - d.first
			say("its times count from an unknown start, assumed to be that of %s: no common event determines it (--shift)", b.files[set[0]].Name)
		}
	case wire.ClockNone:
		if len(set) > 0 {
			f.shift = digests[set[0]].first + b.files[set[0]].shift - d.first
			say("no times: placed by its order and by events that other files also have")
		}
	}
}

// dateFor returns the date of a file's times of day: that of the options, or else that of
// another file.
func (b *Bundle) dateFor(d *digest, digests []*digest, set []int) int64 {
	if b.o.Dated {
		return b.o.Date
	}
	for _, n := range set {
		if r := digests[n]; r.clock != wire.ClockNone && r.clock != wire.ClockStart {
			first, last := r.first+b.files[n].shift, r.last+b.files[n].shift
			days := floor(first, day)
			if d.last+days < first && d.first+days+day <= last {
				days += day
			}
			return days
		}
	}
	return 0
}

// found splits a shift into days, a time zone and the error of the clock, and describes it;
// base is the sum of the first two.
func (b *Bundle) found(d *digest, c comparison) (base int64, how string) {
	const mostSkew = int64(2 * time.Minute)
	rest := center(c.shift-floor(c.shift, day), true)
	days := c.shift - rest
	zone := floor(rest+quarter/2, quarter)
	if abs(rest-zone) > max(mostSkew, c.slack) {
		zone = 0 // not a possible time zone
	}
	base = days + zone
	if d.clock == wire.ClockDate {
		return base, "no time zone, assumed " + zoneName(-zone)
	}
	return base, fmt.Sprintf("only times of day, assumed date %s %s", date(d.first+days), zoneName(-zone))
}

// comparison is the result of comparing the clocks of two files.
type comparison struct {
	with   int
	enough bool
	shift  int64 // to add to the times of the first file
	slack  int64 // maximum error of shift
	events int
	weight float64
}

// compare returns the comparison of a file with the one in set that has most in common
// with it.
func (b *Bundle) compare(n int, digests []*digest, set []int) (best comparison) {
	for _, m := range set {
		c := digests[n].against(digests[m])
		if c.with = m; !c.enough {
			continue
		}
		c.shift += b.files[m].shift
		if c.weight > best.weight {
			best = c
		}
	}
	return best
}

// common returns the marks of both files, the rarest first: these are the best evidence, and
// there may be more than can be compared.
func (d *digest) common(ref *digest) (both []mark) {
	for m := range d.marks {
		if len(ref.marks[m]) > 0 {
			both = append(both, m)
		}
	}
	count := func(m mark) int { return len(d.marks[m]) * len(ref.marks[m]) }
	slices.SortFunc(both, func(x, y mark) int {
		return cmp.Or(cmp.Compare(count(x), count(y)), cmp.Compare(d.marks[x][0], d.marks[y][0]),
			cmp.Compare(x.what, y.what), cmp.Compare(x.name, y.name), cmp.Compare(x.n, y.n), x.addr.Compare(y.addr))
	})
	return both
}

// against compares the times of the marks that both files have.
func (d *digest) against(ref *digest) comparison {
	type pairing struct {
		diff   int64
		weight float64
		mark   mark
		at     int64
	}
	var list []pairing
	const most = 1 << 16
	for _, m := range d.common(ref) {
		mine, theirs := d.marks[m], ref.marks[m]
		weight := 1 / float64(max(len(mine), len(theirs)))
		switch m.what {
		case aConnect:
			weight *= 3
		case aMessage:
			weight /= 2
		}
		for _, a := range mine {
			for _, r := range theirs {
				if len(list) < most {
					list = append(list, pairing{r - a, weight, m, a})
				}
			}
		}
	}
	if len(list) == 0 {
		return comparison{}
	}
	// A coarse clock shows the start of its unit: the true time is up to slack later.
	slack := d.slack + ref.slack + latency
	wrap := d.clock == wire.ClockDay || ref.clock == wire.ClockDay
	key := func(p *pairing) int64 {
		if wrap {
			return ((p.diff % day) + day) % day
		}
		return p.diff
	}
	slices.SortFunc(list, func(a, b pairing) int {
		return cmp.Or(cmp.Compare(key(&a), key(&b)), cmp.Compare(a.diff, b.diff))
	})
	// Find the window of that width with the largest weight; among equal ones that with the
	// smallest offset.
	width := slack + slack/2
	sum, from := 0.0, 0
	var top, second float64
	lo, hi := 0, 0
	for i := range list {
		sum += list[i].weight
		for key(&list[i])-key(&list[from]) > width {
			sum -= list[from].weight
			from++
		}
		near := abs(center(key(&list[from]), wrap)) < abs(center(key(&list[lo]), wrap))
		switch {
		case sum > top*1.01 || sum > top*0.99 && near:
			if key(&list[from])-key(&list[lo]) > width {
				second = max(second, top)
			}
			top, lo, hi = sum, from, i
		case key(&list[from])-key(&list[hi]) > width:
			second = max(second, sum)
		}
	}
	marks, mine, theirs := map[mark]bool{}, map[int64]bool{}, map[int64]bool{}
	connects := false
	var diffs []int64
	for i := lo; i <= hi; i++ {
		marks[list[i].mark], mine[list[i].at], theirs[list[i].at+list[i].diff] = true, true, true
		connects = connects || list[i].mark.what == aConnect
		diffs = append(diffs, center(key(&list[i]), wrap))
	}
	slices.Sort(diffs)
	c := comparison{slack: slack, events: max(len(mine), len(theirs)), weight: top, shift: diffs[len(diffs)/2]}
	// Require three events that are not all the same, or a connection to the same port.
	c.enough = (c.events >= 3 && len(marks) >= 2 || connects && (c.events >= 2 || top > second*2)) && top > second*1.2
	if wrap && d.clock == wire.ClockDay && ref.clock != wire.ClockDay {
		// Use the day of the other file.
		c.shift += floor(list[lo].diff-c.shift+day/2, day)
	}
	return c
}

// center maps a difference modulo a day to the range from minus half a day to half a day.
func center(n int64, wrap bool) int64 {
	if wrap && n > day/2 {
		return n - day
	}
	return n
}

func floor(n, unit int64) int64 { return n - ((n%unit)+unit)%unit }

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

func offset(zone *time.Location, ns int64) int64 {
	_, s := time.Unix(0, ns).In(zone).Zone()
	return int64(s) * int64(time.Second)
}

func date(ns int64) string  { return time.Unix(0, ns).UTC().Format("2006-01-02") }
func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05.000 UTC") }

func events(n int) string {
	if n == 1 {
		return "an event"
	}
	return fmt.Sprintf("%d events", n)
}

// skew describes the error of a clock.
func skew(ns int64) string {
	word := "behind"
	if ns > 0 {
		word = "ahead"
	}
	return fmt.Sprintf("%v %s", time.Duration(abs(ns)).Round(time.Millisecond), word)
}

// zoneName is UTC, or UTC+02:00.
func zoneName(offset int64) string {
	if offset == 0 {
		return "UTC"
	}
	sign := '+'
	if offset < 0 {
		sign = '-'
	}
	m := abs(offset) / int64(time.Minute)
	return fmt.Sprintf("UTC%c%02d:%02d", sign, m/60, m%60)
}
