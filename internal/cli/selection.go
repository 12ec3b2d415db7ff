package cli

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	protocols "github.com/pidwire/pidwire/internal/proto/list"
	"github.com/pidwire/pidwire/internal/syscalls"
)

// selection is the set of calls and messages that -e, -z and -Z select.
type selection struct {
	calls      map[string]widths // nil: all
	failed, ok bool              // by result; if both or neither are set: all
	protos     map[string]bool   // of messages; nil: all
}

// widths is the set of ABI widths for which a call is selected: strace's @32, @64.
type widths uint8

const (
	wide   widths = 1 << iota // 64-bit
	narrow                    // 32-bit
	both   = wide | narrow
)

func widthOf(a event.ABI) widths {
	if a == event.I386 || a == event.ARM || a == event.X32 {
		return narrow
	}
	return wide
}

func (s *selection) all() bool { return s.calls == nil && s.failed == s.ok }

// wants reports whether calls of that name are captured.
func (s *selection) wants(name string) bool { return s.calls == nil || s.calls[name] != 0 }

func (s *selection) shows(c *event.Call) bool {
	// An io_uring request is selected by the name of its call, or by io_uring_enter.
	if s.calls != nil && s.calls[c.Name]&widthOf(c.ABI) == 0 &&
		(c.Via != "io_uring" || s.calls["io_uring_enter"] == 0) {
		return false
	}
	if s.failed == s.ok {
		return true
	}
	if c.State != event.Returned {
		return false
	}
	return (c.Errno != "") == s.failed
}

// refused holds strace's qualifiers that pidwire does not support, with the reason or the
// option to use instead.
var refused = map[string]string{
	"inject": "pidwire never changes what a call does", "fault": "pidwire never changes what a call does",
	"raw": "use -n for numbers", "verbose": "use -v", "abbrev": "use -v",
	"read": "use -s to show more of each buffer", "write": "use -s to show more of each buffer",
	"kvm": "it is not related to the network", "decode-fds": "use -y or -yy", "decode-pids": "pids are those of the host",
	"quiet": "use -q", "trace-fds": "use a target and -e trace=",
}

// parseSelection parses the -e expressions, in strace's syntax.
func parseSelection(exprs []string) (selection, error) {
	var s selection
	for _, e := range exprs {
		key, value, ok := strings.Cut(e, "=")
		if !ok {
			key, value = "trace", e
		}
		switch key {
		case "trace", "t":
			if err := s.trace(value); err != nil {
				return s, err
			}
		case "status":
			for v := range strings.SplitSeq(value, ",") {
				switch v {
				case "failed":
					s.failed = true
				case "successful":
					s.ok = true
				case "all":
					s.failed, s.ok = true, true
				case "none", "unfinished", "unavailable", "detached":
					return s, usageError("-e status=%s: expected successful or failed", v)
				default:
					return s, usageError("-e status=%s: no such status (successful, failed)", v)
				}
			}
		case "msg":
			if err := s.messages(value); err != nil {
				return s, err
			}
		case "signal", "signals", "s":
			// Ignored, as signals are not shown.
		default:
			if why, ok := refused[key]; ok {
				return s, usageError("-e %s: not supported: %s", key, why)
			}
			names := []string{"trace", "status", "signal", "msg"}
			if n := nearest(key, names); n != "" {
				return s, usageError("-e %s: no such qualifier; did you mean -e %s=?", key, n)
			}
			return s, usageError("-e %s: no such qualifier (trace, status, msg, signal)", key)
		}
	}
	return s, nil
}

// classes are strace's syscall classes that concern sockets.
var classes = map[string]func(*syscalls.Call) bool{
	"network": func(c *syscalls.Call) bool { return c.Network },
	"desc":    func(c *syscalls.Call) bool { return !c.Role.Has(event.Opens | event.OpensPair) },
	"all":     func(*syscalls.Call) bool { return true },
}

// trace parses a set: names of calls, %network (%net, network), /regex, globs. A ! before the set
// negates it, a ? before a name allows it to be unknown.
func (s *selection) trace(set string) error {
	set, not := strings.CutPrefix(set, "!")
	if set == "none" {
		set, not = "all", !not
	}
	named := map[string]widths{}
	for item := range strings.SplitSeq(set, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		item, maybe := strings.CutPrefix(item, "?")
		n, width := 0, both
		var match func(*syscalls.Call) bool
		class := strings.TrimPrefix(item, "%")
		if class == "net" {
			class = "network"
		}
		switch {
		case classes[class] != nil && (class != item || class == "network" || class == "all" || class == "desc"):
			match = classes[class]
		case strings.HasPrefix(item, "/"):
			re, err := regexp.Compile(item[1:])
			if err != nil {
				return usageError("-e trace=%s: %v", item, err)
			}
			match = func(c *syscalls.Call) bool { return re.MatchString(c.Name) }
		default:
			name, bits, _ := strings.Cut(item, "@")
			switch bits {
			case "":
			case "32":
				width = narrow
			case "64":
				width = wide
			default:
				return usageError("-e trace=%s: expected @32 or @64", item)
			}
			match = func(c *syscalls.Call) bool { ok, _ := path.Match(name, c.Name); return ok }
		}
		for i := range syscalls.Table {
			if match(&syscalls.Table[i]) {
				named[syscalls.Table[i].Name] |= width
				n++
			}
		}
		if n == 0 && !maybe {
			return unknownCall(item)
		}
	}
	if s.calls == nil {
		s.calls = map[string]widths{}
	}
	for i := range syscalls.Table {
		name := syscalls.Table[i].Name
		w := named[name]
		if not {
			w = both &^ w
		}
		if w != 0 {
			s.calls[name] |= w
		}
	}
	return nil
}

// messages parses a list of protocols.
func (s *selection) messages(list string) error {
	names := protocols.Names()
	list, not := strings.CutPrefix(list, "!")
	chosen := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case name == "all":
			for _, n := range names {
				chosen[n] = true
			}
		case slices.Contains(names, name):
			chosen[name] = true
		default:
			e := &exitError{code: exitUsage, err: usageError("-e msg=%s: no such protocol (%s)", name, strings.Join(names, ", "))}
			if n := nearest(name, names); n != "" {
				e.hint = append(e.hint, "did you mean "+n+"?")
			}
			return e
		}
	}
	if s.protos == nil {
		s.protos = map[string]bool{}
	}
	for _, n := range names {
		if chosen[n] != not {
			s.protos[n] = true
		}
	}
	return nil
}

func unknownCall(item string) error {
	var names []string
	for i := range syscalls.Table {
		names = append(names, syscalls.Table[i].Name)
	}
	e := &exitError{code: exitUsage, err: usageError("-e trace=%s: not a call that pidwire traces", item)}
	if n := nearest(item, names); n != "" {
		e.hint = append(e.hint, "did you mean "+n+"?")
	}
	return e
}
