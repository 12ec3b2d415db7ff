package truss

import (
	"fmt"
	"strings"
)

// dump returns the fields of a line that Append keeps as text, for comparison.
func dump(l *Line) string {
	return fmt.Sprintf("%v name=%q args=%q text=%q code=%d killed=%t core=%t result=%t value=%t ret=%d %q ret2=%t %d err=%q %d %q priv=%q child=%t addr=%v details=%q form=%d tight=%t",
		l.Kind, l.Name, l.Args(), l.Text, l.Code, l.Killed, l.Core, l.HasResult, l.HasValue, l.Ret, l.RetText, l.HasRet2, l.Ret2,
		l.Errno, l.ErrNum, l.ErrText, l.Priv, l.Child, l.Addr, l.Details, l.form, l.tight)
}

// show returns a readable form of a line.
func show(l *Line) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%v %v", l.Kind, l.Flavor)
	if l.PID != 0 || l.LWP != 0 {
		fmt.Fprintf(&s, " %d/%d", l.PID, l.LWP)
	}
	for _, t := range []struct {
		name string
		Stamp
	}{{"time", l.Time}, {"delta", l.Delta}, {"sys", l.Sys}, {"begin", l.Begin}} {
		if t.Clock != NoClock {
			fmt.Fprintf(&s, " %s=%d", t.name, t.NS)
		}
	}
	if l.Kind != Call && l.Kind != Unfinished {
		fmt.Fprintf(&s, " %q", l.Text)
		if l.Name != nil || l.Code != 0 || l.Killed || l.Core || l.Thread {
			fmt.Fprintf(&s, " name=%s code=%d killed=%t core=%t thread=%t", l.Name, l.Code, l.Killed, l.Core, l.Thread)
		}
	} else {
		fmt.Fprintf(&s, " %s(%s)", l.Name, strings.Join(strs(l.Args()), " ; "))
		if l.HasResult {
			fmt.Fprintf(&s, " = %d", l.Ret)
			if !l.HasValue {
				s.WriteString("?")
			}
		}
		if l.HasRet2 {
			fmt.Fprintf(&s, " [%d]", l.Ret2)
		}
		if l.ErrNum != 0 {
			fmt.Fprintf(&s, " %s %d %q", l.Errno, l.ErrNum, l.ErrText)
		}
		if l.Priv != nil {
			fmt.Fprintf(&s, " priv=%s", l.Priv)
		}
		if l.Child {
			s.WriteString(" child")
		}
		for _, arg := range l.Args() {
			if b, cut, ok := StringOf(nil, arg, l.Flavor); ok {
				fmt.Fprintf(&s, " data=%q", b)
				if cut {
					s.WriteString("...")
				}
			}
		}
	}
	if l.Addr.IsValid() {
		fmt.Fprintf(&s, " addr=%v", l.Addr)
	}
	if l.Details != nil {
		var data []byte
		for line := range strings.SplitSeq(string(l.Details), "\n") {
			var ok bool
			if data, ok = Data(data, []byte(line)); !ok {
				fmt.Fprintf(&s, " | %s", strings.TrimSpace(line))
			}
		}
		if data != nil {
			fmt.Fprintf(&s, " data=%q", data)
		}
	}
	if l.Cut {
		s.WriteString(" cut")
	}
	return s.String()
}

func strs(args [][]byte) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = string(a)
	}
	return out
}
