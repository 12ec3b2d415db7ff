package ktrace

import "bytes"

// scanStap parses a line of SystemTap.
func scanStap(b []byte, l *Line) trust {
	if t := stapNote(b, l); t != no {
		return t
	}
	t := text(b)
	t.blanks()
	negative := t.skip("-") // of a clock that was set back
	us, ok := t.num(max64 / 1000)
	if !ok || !t.skip(" ") {
		return no
	}
	// thread_indent prints comm(tid), indent nothing.
	if !t.skip(":") {
		i := stapTask(t)
		if i < 0 {
			return no
		}
		open := bytes.LastIndexByte(t[:i], '(')
		if open < 1 || open > maxComm {
			return no
		}
		pid, ok := number(t[open+1:i], max32)
		if !ok {
			return no
		}
		l.Comm, l.PID = t[:open], uint32(pid)
		t = t[i+2:]
	}
	l.Time = Stamp{Thread, int64(us) * 1000}
	if negative {
		l.Time.NS = -l.Time.NS
	}
	n := t.blanks()
	switch {
	case t.skip("->"):
		l.Kind = Enter
	case t.skip("<-"):
		l.Kind = Leave
	case len(t) > 0:
		// A script that prints other text after the task.
		l.Kind, l.Depth, l.Text = Event, n, t
		return weak
	default:
		return no
	}
	// socket-trace.stp prints a space on both sides of the arrow, para-callgraph.stp none.
	if t.skip(" ") {
		n--
	}
	l.Depth = max(n, 0)
	return stapFunc(trim(t), l)
}

// stapTask returns the end of the name and tid of the task, before a colon. The name may have any
// characters.
func stapTask(t text) int {
	for i := 1; i+1 < len(t) && i < maxComm+16; i++ {
		if t[i] == ')' && t[i+1] == ':' && isDigit(t[i-1]) {
			return i
		}
	}
	return -1
}

// stapFunc parses the text after the arrow: a function, and its parameters or its result.
func stapFunc(b []byte, l *Line) trust {
	t := text(b)
	name := t.word()
	if len(name) == 0 {
		return no
	}
	if i := bytes.IndexByte(name, '('); i > 0 && b[len(b)-1] == ')' && closing(b[i:]) == len(b)-1-i {
		name, t = b[:i], b[i+1:len(b)-1]
	}
	l.Name = name
	t.blanks()
	if l.Kind == Leave {
		for _, s := range stapResults {
			if !t.skip(s) {
				continue
			}
			l.Ret, l.HasRet = t.word(), true
			if len(l.Ret) > 0 && (l.Ret[0] == '{' || l.Ret[0] == '"') {
				// A struct ($$return$$) or a string may have blanks.
				l.Ret = l.Ret[:len(l.Ret)+len(t)]
				t = nil
			}
			t.blanks()
			break
		}
	}
	l.Args = t
	if !isLetter(name[0]) && name[0] != '_' && name[0] != '.' || len(name) > maxName {
		return weak
	}
	return sure
}

// stapResults has the texts that scripts print before a result; the first is that of $$return.
var stapResults = []string{"return=", "ret=", "retval=", "rc=", "return ", "returned ", "returns ", "= "}

// stapNote parses messages of stap and staprun.
func stapNote(b []byte, l *Line) trust {
	t := text(b)
	t.skip("^C") // echo of the key that ended the script
	switch {
	case t.has("Pass "):
		t = t[len("Pass "):]
		if n, ok := t.num(9); !ok || n == 0 || !t.has(": ") {
			return no
		}
	case t.has("WARNING: "):
		l.Kind, l.Text = Note, b
		t = t[len("WARNING: "):]
		switch {
		case t.skip("Number of errors: "):
			// Each skipped probe would have printed a line.
			if _, ok := t.num(max64); ok && t.skip(", skipped probes: ") {
				if n, ok := t.num(max64); ok && n > 0 {
					l.Kind, l.Count = Lost, n
				}
				return sure
			}
		case t.skip("There were "):
			if n, ok := t.num(max64); ok && t.skip(" transport failures") {
				l.Kind, l.Count = Lost, n
				return sure
			}
		}
		return weak
	case t.has("ERROR: "), t.has("semantic error: "), t.has("parse error: "), t.has("Missing separate debuginfos"),
		t.has("Starting "), t.has("Press ^C"), t.has("Try again with "), t.has("Tip: "):
		l.Kind, l.Text = Note, b
		return weak
	case len(t) == 0:
		l.Kind, l.Text = Note, b
		return weak
	default:
		return no
	}
	l.Kind, l.Text = Note, b
	return sure
}
