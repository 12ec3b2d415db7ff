package cli

import (
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// filesFlags are the flags for what input files do not contain: zone, date and clock offset.
type filesFlags struct {
	tz    string
	date  string
	shift []string

	zone   *time.Location
	day    int64            // of date, ns since the epoch
	shifts map[string]int64 // by file, ns
	quiet  bool
	lines  bool // lines are printed while the files are read
	dates  bool // the output has dates
	// resolve is set if names are looked up in DNS, which needs sockets.
	resolve bool
	bar     *progress
}

func (in *filesFlags) add(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&in.tz, "tz", "", "time `ZONE` of files without one: Europe/Berlin, +02:00, local (default: determined by common events of several files, else UTC)")
	f.StringVar(&in.date, "date", "", "`DATE` of files that only have times of day: 2026-03-26")
	f.StringArrayVar(&in.shift, "shift", nil, "`FILE=+0.5s`: add this to the times of FILE, instead of determining it by common events (repeatable)")
}

func (in *filesFlags) given() bool { return in.tz != "" || in.date != "" || len(in.shift) > 0 }

// parse checks the flags against the files.
func (in *filesFlags) parse(names []string) error {
	switch {
	case in.tz == "":
	case strings.EqualFold(in.tz, "local"):
		in.zone = time.Local
	default:
		zone, err := zoneOf(in.tz)
		if err != nil {
			return usageError("--tz %q: expected a zone such as Europe/Berlin, an offset such as +02:00, UTC or local", in.tz)
		}
		in.zone = zone
	}
	if in.date != "" {
		at, err := time.Parse("2006-01-02", in.date)
		if err != nil {
			return usageError("--date %q: expected a date such as 2026-03-26", in.date)
		}
		in.day = at.UnixNano()
	}
	in.shifts = map[string]int64{}
	for _, s := range in.shift {
		at := strings.LastIndex(s, "=")
		if at < 0 {
			return usageError("--shift %q: expected FILE=+0.5s", s)
		}
		name, by := s[:at], s[at+1:]
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if !known {
			return usageError("--shift %q: %s is not one of the files", s, name)
		}
		d, err := time.ParseDuration(by)
		if err != nil {
			return usageError("--shift %q: expected a time such as +0.5s, -3h, 120ms", s)
		}
		in.shifts[name] = int64(d)
	}
	return nil
}

// zoneOf parses the name of a zone, or an offset.
func zoneOf(s string) (*time.Location, error) {
	for _, form := range []string{"-07:00", "-0700", "-07"} {
		if t, err := time.Parse(form, s); err == nil {
			return t.Location(), nil
		}
	}
	return time.LoadLocation(s)
}
