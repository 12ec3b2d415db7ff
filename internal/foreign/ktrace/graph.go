package ktrace

import "bytes"

// graphLine parses a line of function_graph, whose columns depend on the options:
//
//	1234.567890 |   1)  emulato-9744  |  d..1. | + 12.345 us   |  tcp_sendmsg() {
//
// The columns and their options are the time (funcgraph-abstime), the CPU (-cpu), the task (-proc), the
// flags (latency-format) and the duration (-duration).
func graphLine(b []byte, l *Line) trust {
	t := text(b)
	columns := 0
	rest := t
	rest.blanks()
	if ns, _, ok := rest.seconds(); ok && rest.skip(" |") {
		l.Time = Stamp{Boot, ns}
		t, columns = rest, 2
	} else if us, ok := sinceStart(&rest, t); ok {
		l.Time = Stamp{Start, us * 1000}
		t, columns = rest, 2
	}
	rest = t
	rest.blanks()
	if rest.skip("| ") { // kernels before 2.6.31 print a bar before the CPU of a switch
		rest.blanks()
	}
	hasCPU := false
	if n, ok := rest.num(maxCPU); ok && rest.skip(") ") {
		l.CPU, hasCPU = int32(n), true
		t = rest
		columns++
		if switched(t, l) {
			return sure
		}
	}
	body, base, dur := t, 0, false
	for range 3 {
		if after, ok := duration(body, l); ok {
			body, base, dur = after, 2, true
			break
		}
		i := bytes.IndexByte(body[:min(len(body), maxComm+32)], '|')
		if i < 1 {
			break
		}
		col := trim(body[:i])
		if comm, pid, ok := task(col); ok && len(l.Comm) == 0 {
			l.Comm, l.PID = comm, pid
			columns += 2
		} else if len(col) < 4 || len(col) > 8 || !all(col, inFlags) {
			break
		}
		body = body[i+1:]
		body.skip(" ")
	}
	if columns == 0 && !dur || !content(body, base, l) {
		return no
	}
	l.byTask = !hasCPU && len(l.Comm) > 0
	if dur && (columns > 0 || l.HasDur) || columns > 1 {
		return sure
	}
	return weak
}

// sinceStart parses the time that the latency tracers print with display-graph: whole µs, followed by the
// CPU. A duration may look the same.
func sinceStart(rest *text, t text) (int64, bool) {
	*rest = t
	rest.blanks()
	us, ok := rest.num(max64 / 1000)
	if !ok || !rest.skip(" us |") {
		return 0, false
	}
	cpu := *rest
	cpu.blanks()
	_, ok = cpu.num(maxCPU)
	return int64(us), ok && cpu.has(") ")
}

// switched parses ` 1)   rcu_pre-15   =>  emulato-9744 ` after the CPU.
func switched(t text, l *Line) bool {
	i := t.index(" => ")
	if i < 0 || i > maxComm+32 {
		return false
	}
	if _, _, ok := task(trim(t[:i])); !ok {
		return false
	}
	comm, pid, ok := task(trim(t[i+4:]))
	if !ok {
		return false
	}
	l.Kind, l.Comm, l.PID, l.Text = Switch, comm, pid, trim(t)
	return true
}

// duration parses the duration column and returns the text after it. The column has the mark of a long
// duration and µs, or blanks, or the start or end of an interrupt.
func duration(t text, l *Line) (text, bool) {
	t.blanks()
	if t.skip("|") {
		return t, true
	}
	if rest := t; rest.skip("==========>") || rest.skip("<==========") {
		arrow := trim(t[:len(t)-len(rest)])
		rest.blanks()
		if !rest.skip("|") || len(rest) > 0 {
			return t, false
		}
		return arrow, true
	}
	if len(t) > 1 && isMark(t[0]) && t[1] == ' ' {
		t = t[1:]
		t.blanks()
	}
	us, ok := t.num(max64 / 1000)
	if !ok {
		return t, false
	}
	ns := int64(us) * 1000
	if t.skip(".") {
		frac, digits := t.fraction(100)
		if digits == 0 || digits > 3 {
			return t, false
		}
		ns += frac
	}
	if !t.skip(" us") {
		return t, false
	}
	t.blanks()
	if !t.skip("|") {
		return t, false
	}
	if ns < 0 {
		return t, false
	}
	l.Dur, l.HasDur = ns, true
	return t, true
}

// graphBody parses the duration and the text after it, which trace-cmd prints after the event name.
func graphBody(t text, l *Line) bool {
	t, ok := duration(t, l)
	return ok && content(t, 2, l)
}

// content parses the function or event in a line of function_graph; base is the indentation at depth 0.
func content(t text, base int, l *Line) bool {
	n := t.blanks()
	l.Depth = max(n-base, 0) / 2
	switch {
	case len(t) == 0:
		return false
	case t.at(0, '}'):
		l.Kind = Leave
		return trailers(t[1:], l)
	case t.skip("/*"):
		return comment(t, l)
	case string(t) == "==========>", string(t) == "<==========":
		l.Kind, l.Depth, l.Text = Note, 0, t
		return true
	case t.skip(") {"): // trace-cmd, for an unknown function
		l.Kind = Enter
		return trailers(t, l)
	}
	if !symbol(&t, l) {
		return false
	}
	switch {
	case t.skip(";"):
		l.Kind = Leaf
	case t.skip(" {"):
		l.Kind = Enter
	case t.has(" /* <-"): // trace-cmd: the caller before the brace
		i := t.index(" */ {")
		if i < 0 {
			return false
		}
		l.Kind = Enter
		remark(t[3:i], l)
		t = t[i+5:]
	default:
		return false
	}
	return trailers(t, l)
}

// comment parses an event among functions, `/* tcp_probe: family=AF_INET ... */`, or the output of
// trace_printk.
func comment(t text, l *Line) bool {
	b := trim(bytes.TrimSuffix(t, []byte("*/")))
	if len(b) == 0 {
		return false
	}
	if !event(b, l) {
		l.Kind, l.Text = Event, b
	}
	return true
}

// trailers parses the text after a function: comments with its name, caller and return value, and the
// depth and return value in parentheses of trace-cmd.
func trailers(t text, l *Line) bool {
	for range 4 {
		t.blanks()
		switch {
		case t.has("/*"):
			rest := t[2:]
			i := rest.index("*/")
			if i < 0 {
				l.Text = t
				return true
			}
			remark(rest[:i], l)
			t = rest[i+2:]
		case t.has("("):
			i := t.index(")")
			if i < 0 {
				l.Text = t
				return true
			}
			v := text(t[1:i])
			if v.skip("ret=") || v.skip("ret: ") {
				l.Ret, l.HasRet = v, true
			} else if _, ok := number(v, max32); !ok {
				l.Text = t
				return true
			}
			t = t[i+1:]
		default:
			if len(t) > 0 {
				l.Text = t
			}
			return true
		}
	}
	l.Text = t
	return true
}

// remark parses the comment after a function: ` tcp_sendmsg ret=0xbe `.
func remark(t text, l *Line) {
	for range 4 {
		t.blanks()
		switch {
		case len(t) == 0:
			return
		case t.skip("ret="), t.skip("= "): // `= ` is printed by 6.5 to 6.12
			l.Ret, l.HasRet = t.word(), true
		case t.skip("<-"):
			l.Func = t.word()
			if t.skip(" [") { // module of the caller
				t = t[min(t.index("]")+1, len(t)):]
			}
		case len(l.Name) == 0 && symbol(&t, l):
		default:
			l.Text = t
			return
		}
	}
}
