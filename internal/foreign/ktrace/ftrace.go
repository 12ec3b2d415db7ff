package ktrace

import "bytes"

// scanFtrace parses a line of ftrace or of trace-cmd report.
func scanFtrace(b []byte, l *Line) trust {
	t := text(b)
	switch {
	case b[0] == '#':
		return ftraceHeader(b, l)
	case t.has("CPU:"):
		return ftraceLost(b, l)
	}
	t.blanks()
	if trust := graphLine(b, l); trust != no {
		return trust
	}
	l.reset()
	if trust := taskLine(b, l); trust != no {
		return trust
	}
	l.reset()
	return ftraceRest(b, t, l)
}

// ftraceHeader parses lines that start with a hash: headings, and the start of the buffer of a CPU.
func ftraceHeader(b []byte, l *Line) trust {
	t := text(b)
	if t.skip("##### CPU ") {
		n, ok := t.num(maxCPU)
		if !ok || !t.has(" buffer started ####") {
			return no
		}
		l.Kind, l.CPU, l.Text = Note, int32(n), b
		return sure
	}
	l.Kind, l.Text = Header, b
	switch {
	case t.has("# tracer: "), t.has("# entries-in-buffer/entries-written: "), t.index("FUNCTION CALLS") > 0,
		t.index("TASK-PID") > 0 && t.index("CPU#") > 0, t.index(" latency trace v") > 0, t.has("# latency: "):
		return sure
	}
	return weak
}

// ftraceLost parses `CPU:0 [LOST 123 EVENTS]`, and `CPU:0 [123 EVENTS DROPPED]` of trace-cmd.
func ftraceLost(b []byte, l *Line) trust {
	t := text(b)
	t.skip("CPU:")
	n, ok := t.num(maxCPU)
	if !ok || !t.skip(" [") || b[len(b)-1] != ']' {
		return no
	}
	l.Kind, l.CPU, l.Text = Lost, int32(n), b
	t = t[:len(t)-1]
	switch {
	case string(t) == "LOST EVENTS", string(t) == "EVENTS DROPPED":
		return sure
	case t.has("SUBBUFFER START]"), string(t) == "SUBBUFFER START":
		l.Kind = Note
		return sure
	case t.skip("LOST "):
		l.Count, ok = t.num(max64)
		ok = ok && string(t) == " EVENTS"
	default:
		l.Count, ok = t.num(max64)
		ok = ok && string(t) == " EVENTS DROPPED"
	}
	if !ok {
		return no
	}
	return sure
}

// ftraceRest parses other lines of ftrace or trace-cmd; t is b without leading blanks.
func ftraceRest(b []byte, t text, l *Line) trust {
	switch {
	case t.has("------------------------------------------"):
		l.Kind, l.Text = Header, b
		return weak
	case t.has("=> "), t.has("(Overruns: "):
		l.Kind, l.Text = Note, b
		return weak
	case t.skip("cpus="):
		// The first line of trace-cmd report.
		l.Kind, l.Text = Header, b
		if _, ok := number(t, maxCPU); ok {
			return sure
		}
		return no
	case t.has("version = "), t.has("CPU ") && bytes.HasSuffix(b, []byte(" is empty")):
		l.Kind, l.Text = Header, b
		return weak
	}
	// function_graph without the option context-info has no columns.
	if content(b, 0, l) {
		return weak
	}
	return no
}

// taskLine parses a line that starts with the task:
//
//	emulator-9744    [001] d..1. 1234.567890: tcp_sendmsg <-sock_sendmsg
//	emulator-9744    (   9744) [001] 1234.567890: netif_rx: dev=lo
//	emulator-9744      1d..1.  18656us!: tcp_sendmsg <-sock_sendmsg
//
// The last one is the latency format. With trace-cmd it has seconds.
func taskLine(b []byte, l *Line) trust {
	start := 0
	for start < len(b) && (b[start] == ' ' || b[start] == '\t') {
		start++
	}
	// A name may have blanks and hyphens, and any number may follow it.
	for i := start + 1; i < len(b) && i-start <= maxComm; i++ {
		if b[i] != '-' || i+1 == len(b) || !isDigit(b[i+1]) {
			continue
		}
		t := text(b[i+1:])
		pid, ok := t.num(max32)
		if !ok || t.blanks() == 0 || !taskHead(&t, l) {
			continue
		}
		l.Comm, l.PID = b[start:i], uint32(pid)
		return taskRest(t, l)
	}
	return no
}

// taskHead parses CPU, flags and time.
func taskHead(t *text, l *Line) bool {
	if t.skip("(") {
		i := text((*t)[:min(len(*t), 24)]).index(") ")
		if i < 1 {
			return false
		}
		*t = (*t)[i+1:]
		t.blanks()
	}
	latency := !t.skip("[")
	size := len(*t)
	cpu, ok := t.num(maxCPU)
	size -= len(*t)
	if !ok || !latency && size < 3 { // [%03d]
		return false
	}
	if latency {
		if flags := t.word(); len(flags) < 4 || len(flags) > 8 || !all(flags, inFlags) {
			return false
		}
		if t.blanks() == 0 {
			return false
		}
	} else {
		if !t.skip("]") || t.blanks() == 0 {
			return false
		}
		rest := *t
		if flags := rest.word(); len(flags) <= 8 && all(flags, inFlags) && rest.blanks() > 0 {
			*t = rest
		}
	}
	if !ftraceTime(t, l, latency) {
		return false
	}
	l.CPU = int32(cpu)
	return true
}

// ftraceTime parses `1234.567890:`, `18656us!:`, or the number of a clock without seconds.
func ftraceTime(t *text, l *Line, latency bool) bool {
	s := Stamp{Clock: Boot}
	if ns, _, ok := t.seconds(); ok {
		s.NS = ns
	} else {
		n, ok := t.num(max64)
		if !ok {
			return false
		}
		s = Stamp{Ticks, int64(n)}
		if latency && t.skip("us") {
			if n > max64/1000 {
				return false
			}
			s = Stamp{Start, int64(n) * 1000}
			// The mark of a long time to the next line.
			if len(*t) > 0 && isMark((*t)[0]) || t.has(" :") {
				*t = (*t)[1:]
			}
		}
	}
	if !t.skip(":") || len(*t) > 0 && !t.has(" ") {
		return false
	}
	l.Time = s
	return true
}

// isMark reports whether c is a mark of ftrace for a long duration.
func isMark(c byte) bool {
	return c == '+' || c == '!' || c == '#' || c == '*' || c == '@' || c == '$'
}

// taskRest parses the text after the time.
func taskRest(t text, l *Line) trust {
	t.blanks()
	if t.has("(+") { // trace-cmd report --ts-diff
		i := t.index(")")
		if i < 0 || !all(t[2:i], inFlags) {
			return no
		}
		t = t[i+1:]
		t.blanks()
	}
	switch {
	case len(t) == 0:
		return no
	case t.has("funcgraph_") || t.has("fgraph_"):
		rest := t
		rest.word()
		if graphBody(rest, l) {
			l.byTask = true
			return sure
		}
	case t.has("function:"):
		// trace-cmd; the blanks are an indentation by a guessed depth.
		rest := t[len("function:"):]
		rest.blanks()
		if called(rest, l) {
			return sure
		}
	case t.has("<stack trace>"), t.has("<user stack trace>"), t.has("kernel_stack:"), t.has("user_stack:"):
		l.Kind, l.Text = Note, t
		return sure
	case t.has("sys_"):
		if syscall(t, l) {
			return sure
		}
	}
	if event(t, l) || called(t, l) {
		return sure
	}
	l.Kind, l.Text = Event, t
	return sure
}

// event parses `tcp_retransmit_skb: family=AF_INET sport=40181 ...`.
func event(t text, l *Line) bool {
	n := 0
	for n < len(t) && class[t[n]]&inName != 0 {
		n++
	}
	if n == 0 || !t.at(n, ':') || n+1 < len(t) && t[n+1] != ' ' {
		return false
	}
	l.Kind, l.Name = Event, t[:n]
	t = t[n+1:]
	t.blanks()
	l.Text = t
	fields(l)
	return true
}

// called parses `tcp_sendmsg <-sock_sendmsg`, the same with `<-- ` of trace-cmd, and a function alone.
func called(t text, l *Line) bool {
	callee, caller := []byte(t), []byte(nil)
	if i := bytes.LastIndex(t, []byte(" <-")); i > 0 {
		callee, caller = t[:i], t[i+3:]
		caller = trim(bytes.TrimPrefix(caller, []byte("- ")))
	}
	rest := text(callee)
	if !symbol(&rest, l) || len(trim(rest)) > 0 {
		return false
	}
	if len(caller) > 0 {
		// Only the name, without module and address.
		t := text(caller)
		if l.Func = t.word(); !isSymbol(l.Func) && string(l.Func) != "0" {
			return false
		}
	}
	l.Kind = Call
	return true
}

// syscall parses events of the group syscalls in the format of the kernel:
// `sys_connect(fd: 3, uservaddr: 7ffd0, addrlen: 10)` and `sys_connect -> 0x0`.
func syscall(t text, l *Line) bool {
	n := 0
	for n < len(t) && class[t[n]]&inName != 0 && t[n] != '-' {
		n++
	}
	name := t[:n]
	t = t[n:]
	switch {
	case t.at(0, '(') && t[len(t)-1] == ')':
		l.Kind, l.Name, l.Args = Enter, name, t[1:len(t)-1]
	case t.skip(" -> "):
		l.Kind, l.Name, l.Ret, l.HasRet = Leave, name, t, true
	default:
		return false
	}
	l.byTask = true
	return true
}

// symbol parses a function: its name, its address if the option sym-addr is on, its module, and its
// arguments.
func symbol(t *text, l *Line) bool {
	rest := *t
	n := 0
	for n < len(rest) && class[rest[n]]&inSymbol != 0 {
		n++
	}
	name := rest[:n]
	if !isSymbol(name) {
		return false
	}
	rest = rest[n:]
	if rest.has(" <") {
		if i := rest.index(">"); i > 0 && isHex(rest[2:i]) {
			rest = rest[i+1:]
		}
	}
	var module []byte
	if rest.has(" [") {
		if i := rest.index("]"); i > 2 && all(rest[2:i], inName) {
			module, rest = rest[2:i], rest[i+1:]
		}
	}
	if rest.at(0, '(') {
		i := closing(rest)
		if i < 0 {
			return false
		}
		l.Args, rest = rest[1:i], rest[i+1:]
	}
	l.Name, l.Module = name, module
	*t = rest
	return true
}
